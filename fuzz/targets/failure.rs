//! What a supervisor says of a failure, as its client reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_shim::{Failure, restore};

fuzz_target!(|bytes: &[u8]| {
    let Ok(failure) = serde_json::from_slice::<Failure>(bytes) else {
        return;
    };
    let error = restore(failure);
    // What was read says the same when it is read again.
    let again = Failure::from(&error);
    let text = serde_json::to_vec(&again).expect("a failure is JSON");
    let back: Failure = serde_json::from_slice(&text).expect("and is read again");
    assert_eq!(Failure::from(&restore(back)), again);
});
