//! A `--format` that a person or an API client brings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tare_template::Template;

fuzz_target!(|text: &str| {
    if let Ok(template) = Template::parse(text) {
        let data = json!({
            "ID": "4f5e", "Size": 3, "Nothing": null, "Label": {"a": "b"},
            "State": {"Running": true, "ExitCode": -1}, "Env": ["A=1", "B=2"],
        });
        if let Ok(said) = template.render(&data) {
            // A step may make one text of the bound's length more before it is noticed.
            assert!(said.len() <= 64 << 20);
        }
    }
});
