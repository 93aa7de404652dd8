//! A bundle's config.json; what was read is written and read again without change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_spec_oci::Spec;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(spec) = serde_json::from_slice::<Spec>(bytes) {
        let text = serde_json::to_vec(&spec).expect("write what was read");
        let again: Spec = serde_json::from_slice(&text).expect("read what was written");
        assert_eq!(serde_json::to_vec(&again).expect("write it again"), text);
    }
});
