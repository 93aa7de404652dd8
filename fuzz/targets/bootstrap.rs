//! What a shim's `start` and `-info` read from standard input: options, or the parameters of newer versions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_spec_containerd::{Message, StartInput, bootstrap, runc, runtimeoptions};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(input) = StartInput::parse(bytes, "web", "k8s.io") {
        let _ = input.find::<runc::Options>();
        let _ = input.find::<runtimeoptions::Options>();
    }
    if let Ok(params) = bootstrap::BootstrapParams::decode(bytes) {
        assert_eq!(
            bootstrap::BootstrapParams::decode(params.encode_to_vec().as_slice()),
            Ok(params)
        );
    }
});
