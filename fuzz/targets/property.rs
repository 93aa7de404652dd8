//! Annotations that are properties of a unit, in GVariant's text form; and what `cgroupsPath` says of a unit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_systemd::dbus::Call;
use tare_systemd::{Defaults, Unit, read_annotation};

fuzz_target!(|text: &str| {
    for name in ["CollectMode", "TimeoutStopSec"] {
        if let Ok(property) = read_annotation(name, text) {
            let arguments = [property.value.boxed()];
            let call = Call {
                destination: None,
                path: "/",
                interface: "a.b",
                method: "C",
                arguments: &arguments,
                handles: 0,
            };
            // What was read can be written, or is refused; and what is written is a message.
            if let Ok(bytes) = call.encode(1) {
                let whole = tare_systemd::dbus::length(&bytes);
                assert_eq!(whole, Ok(Some(bytes.len())));
                let message = tare_systemd::dbus::Message::parse(bytes).expect("our own message");
                message.body("v").and_then(|mut body| body.skip("v")).expect("our own value");
            }
        }
    }
    let defaults = Defaults { id: "web", prefix: "tare", is_user: false };
    if let Ok(unit) = Unit::parse(text, defaults)
        && let Ok(group) = unit.group("")
    {
        assert!(group.to_string().split('/').all(|part| part != ".."), "{group} leads out");
    }
});
