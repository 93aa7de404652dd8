//! What the files of a log hold, which a container wrote or somebody else did; and a log's address, which a client gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_logs::{Moment, Parsed, Target, parse};

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Parsed::Record(record) = parse(line) {
            // What was read can be written and read again.
            assert_eq!(Moment::parse(&record.time.to_string()), Some(record.time));
            // A text grows by the end of its line at most.
            assert!(record.text.len() <= line.len() + 1);
        }
        if let Ok(text) = std::str::from_utf8(line) {
            let _ = Target::parse(text);
            let _ = Moment::parse(text);
        }
    }
});
