//! What a client writes into a supervisor's socket: frames, and the messages and credits in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_shim::protocol::{
    Credit, FrameKind, HEADER, Hello, MAX_CONTROL, Parsed, Reply, Request, parse, push, restore,
};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Parsed::Frame { kind, payload, used }) = parse(rest, MAX_CONTROL) {
        assert_eq!(used, HEADER + payload.len());
        let mut again = Vec::new();
        push(&mut again, kind, payload);
        assert_eq!(again, &rest[..used]);
        match kind {
            FrameKind::Hello => drop(serde_json::from_slice::<Hello>(payload)),
            FrameKind::Request => drop(serde_json::from_slice::<Request>(payload)),
            FrameKind::Reply => {
                if let Ok(Reply { outcome: Err(failure), .. }) = serde_json::from_slice(payload) {
                    let _ = restore(failure).to_string();
                }
            }
            FrameKind::Credit => {
                if let Ok(credit) = Credit::parse(payload) {
                    assert_eq!(credit.payload(), payload);
                }
            }
            FrameKind::Notice | FrameKind::Data(_) => {}
        }
        rest = &rest[used..];
    }
});
