//! What a bus or systemd sends: a stream of messages, their headers and the bodies that answers may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_systemd::dbus::{Endpoint, Message, PREFIX, length};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Endpoint::parse(text);
    }
    let mut rest = bytes;
    while let Ok(Some(whole)) = length(rest) {
        assert!(whole >= PREFIX);
        let Some((first, more)) = rest.split_at_checked(whole) else { return };
        if let Ok(message) = Message::parse(first.to_vec()) {
            let _ = message.error_text();
            for signature in ["o", "s", "v", "uoss"] {
                let Ok(mut body) = message.body(signature) else { continue };
                let _ = match signature {
                    "v" => body.text_in_variant().map(drop),
                    "uoss" => body.u32().and_then(|_| body.text()).and_then(|_| body.text()).map(drop),
                    _ => body.text().map(drop),
                };
            }
            // Whatever the types are, passing over them ends at the end.
            if let Ok(mut body) = message.body(&message.signature) {
                let _ = body.skip(&message.signature);
            }
        }
        rest = more;
    }
});
