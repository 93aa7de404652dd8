//! A manifest or index as a registry sends it: media type on the first line, then the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_registry::{Document, digest_of};

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (header, body) = (&bytes[..end], &bytes[(end + 1).min(bytes.len())..]);
    let media_type = std::str::from_utf8(header).ok().filter(|text| !text.is_empty());
    if let Ok(document) = Document::parse(body.to_vec(), media_type, "fuzz") {
        assert_eq!(document.bytes(), body);
        assert_eq!(*document.digest(), digest_of(body));
    }
});
