//! An image's name as a person or an API types it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_registry::{Platform, Reference};

fuzz_target!(|text: &str| {
    if let Ok(reference) = Reference::parse(text) {
        // The long form is a fixed point: it names the same image.
        let long = reference.canonical();
        let again = Reference::parse(&long).expect("the long form is a reference");
        assert_eq!(again.canonical(), long);
        assert_eq!(again.repository(), reference.repository());
    }
    let _ = Platform::parse(text);
});
