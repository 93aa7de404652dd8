//! Properties out of annotations: `org.systemd.property.NAME`, with a value in GVariant's text form.
//!
//! What godbus reads for runc is read here to the same types (a bare number is an `i`, a list takes the type of its
//! members), and tuples besides. The text comes from a `config.json`: bounded in length and depth, never a panic.

mod text;

use crate::dbus::Value;
use crate::properties::Property;
use std::collections::BTreeMap;
use tare_error::{Error, Kind, Result};

const PREFIX: &str = "org.systemd.property.";

/// The properties that a container's annotations ask for, in the order of their names.
pub(crate) fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>> {
    let asked = annotations.iter().filter_map(|(key, text)| {
        let name = key.strip_prefix(PREFIX).filter(|name| !name.is_empty())?;
        let property = read(name, text).map_err(|why| {
            Error::new(Kind::Invalid, "read annotation", key)
                .because(why)
                .hint("its value is a GVariant in text form, as in uint64 5, 'text', true, ['a', 'b']")
        });
        Some(property)
    });
    asked.collect()
}

/// Reads one property: its name, after the prefix, and its value's text.
///
/// # Errors
/// A sentence about what is wrong with either.
pub fn read(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err("a property's name has at least three letters, and only letters".to_owned());
    }
    let value = text::parse(text)?;
    // Some are documented in seconds and are microseconds on the bus: TimeoutStopSec is TimeoutStopUSec there.
    match name.strip_suffix("Sec") {
        Some(stem) if stem.ends_with(|c: char| c.is_ascii_lowercase()) => Ok(Property {
            name: format!("{stem}USec").into(),
            value: microseconds(&value).ok_or("it is no number of seconds")?,
        }),
        _ => Ok(Property {
            name: name.to_owned().into(),
            value,
        }),
    }
}

fn microseconds(value: &Value) -> Option<Value> {
    let whole = match value {
        Value::Byte(n) => u64::from(*n),
        Value::Int16(n) => u64::try_from(*n).ok()?,
        Value::Uint16(n) => u64::from(*n),
        Value::Int32(n) => u64::try_from(*n).ok()?,
        Value::Uint32(n) => u64::from(*n),
        Value::Int64(n) => u64::try_from(*n).ok()?,
        Value::Uint64(n) => *n,
        Value::Double(n) => {
            let time = std::time::Duration::try_from_secs_f64(*n).ok()?;
            return u64::try_from(time.as_micros()).ok().map(Value::Uint64);
        }
        _ => return None,
    };
    whole.checked_mul(1_000_000).map(Value::Uint64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_runc_reads_them() {
        let list = |of: &str, values: &[Value]| Value::Array(of.to_owned(), values.to_vec());
        let entry = |k: Value, v: Value| Value::Entry(Box::new(k), Box::new(v));
        let table = [
            ("true", Value::Bool(true)),
            ("5", Value::Int32(5)),
            ("-5", Value::Int32(-5)),
            ("0x10", Value::Int32(16)),
            ("010", Value::Int32(8)),
            ("0", Value::Int32(0)),
            ("1.5", Value::Double(1.5)),
            ("uint64 123456789", Value::Uint64(123_456_789)),
            ("@t 5", Value::Uint64(5)),
            ("byte 255", Value::Byte(255)),
            ("int16 -1", Value::Int16(-1)),
            ("uint16 1", Value::Uint16(1)),
            ("uint32 1", Value::Uint32(1)),
            ("int64 -9", Value::Int64(-9)),
            ("double 2", Value::Double(2.0)),
            ("'inactive-or-failed'", Value::text("inactive-or-failed")),
            (r#""a 'quoted' \"word\"""#, Value::text("a 'quoted' \"word\"")),
            (r"'tab\tand ä'", Value::text("tab\tand ä")),
            ("objectpath '/a/b'", Value::Path("/a/b".to_owned())),
            ("signature 'as'", Value::Signature("as".to_owned())),
            ("b'ab'", Value::bytes(b"ab\0")),
            (r"b'\x41\012'", Value::bytes(b"A\n\0")),
            (
                "['x.service', \"y.service\"]",
                Value::texts(["x.service", "y.service"]),
            ),
            ("[1, uint64 2]", list("t", &[Value::Uint64(1), Value::Uint64(2)])),
            ("[1, 2.5]", list("d", &[Value::Double(1.0), Value::Double(2.5)])),
            ("@as []", list("s", &[])),
            ("@a(ss) []", list("(ss)", &[])),
            (
                "[@ay [], [byte 1]]",
                list("ay", &[list("y", &[]), list("y", &[Value::Byte(1)])]),
            ),
            (
                "[('char-pts', 'rw')]",
                list(
                    "(ss)",
                    &[Value::Struct(vec![Value::text("char-pts"), Value::text("rw")])],
                ),
            ),
            ("(1,)", Value::Struct(vec![Value::Int32(1)])),
            ("<'x'>", Value::text("x").boxed()),
            (
                "{'a': 1, 'b': 2}",
                list(
                    "{si}",
                    &[
                        entry(Value::text("a"), Value::Int32(1)),
                        entry(Value::text("b"), Value::Int32(2)),
                    ],
                ),
            ),
            (
                "@a{sv} {'a': <true>}",
                list("{sv}", &[entry(Value::text("a"), Value::Bool(true).boxed())]),
            ),
            ("  [ 'a' ]  ", Value::texts(["a"])),
        ];
        for (text, value) in table {
            let property = read("Name", text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(property.value, value, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let deep = "[".repeat(10_000);
        let long = format!("'{}'", "x".repeat(70_000));
        for text in [
            "",
            " ",
            "x",
            "5 6",
            "true false",
            "'open",
            "[1",
            "[1,",
            "[]",
            "{}",
            "{'a'}",
            "{'a': 1",
            "uint64 -1",
            "byte 256",
            "5000000000",
            "uint64 'x'",
            "@s 5",
            "@zz 5",
            "@",
            "@a 5",
            "[1, 'a']",
            "<1",
            "(1",
            "b'\\x4'",
            "'\\u12'",
            "handle 1",
            "@h 1",
            "int32 uint32 5",
            "1e",
            "--5",
            "0x",
            "09",
            "@{ss} 1",
            "{<1>: 2}",
            "{(1,): 2}",
            "{['a']: 2}",
            "'a\0b'",
            &deep,
            &long,
        ] {
            assert!(read("Name", text).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        for (name, text, expected, value) in [
            (
                "TimeoutStopSec",
                "123",
                "TimeoutStopUSec",
                Value::Uint64(123_000_000),
            ),
            (
                "TimeoutStopSec",
                "uint64 5",
                "TimeoutStopUSec",
                Value::Uint64(5_000_000),
            ),
            (
                "TimeoutStopSec",
                "2.5",
                "TimeoutStopUSec",
                Value::Uint64(2_500_000),
            ),
            ("TimeoutStopUSec", "uint64 5", "TimeoutStopUSec", Value::Uint64(5)),
            (
                "CPUQuotaPerSecUSec",
                "uint64 5",
                "CPUQuotaPerSecUSec",
                Value::Uint64(5),
            ),
            ("XSec", "5", "XSec", Value::Int32(5)),
        ] {
            let property = read(name, text).unwrap();
            assert_eq!((&*property.name, property.value), (expected, value), "{name}");
        }
        for text in ["'5'", "-5", "true", "uint64 99999999999999999", "-0.5"] {
            assert!(read("TimeoutStopSec", text).is_err(), "{text}");
        }
        for name in ["", "ab", "Ab1", "A b", "Ääx", "A.b"] {
            assert!(read(name, "true").is_err(), "{name}");
        }
    }

    #[test]
    fn only_its_own_annotations_are_read() {
        let annotations = [
            ("org.systemd.property.CollectMode", "'inactive-or-failed'"),
            ("org.systemd.property.", "no value at all"),
            ("org.opencontainers.image.title", "x"),
            ("org.systemd.property.After", "['a.service']"),
        ];
        let annotations = annotations.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let found = properties(&annotations).unwrap();
        let names: Vec<&str> = found.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["After", "CollectMode"]);
        let bad = [("org.systemd.property.After".to_owned(), "x".to_owned())].into();
        let e = properties(&bad).unwrap_err();
        assert_eq!(
            (e.kind(), e.subject()),
            (Kind::Invalid, "org.systemd.property.After")
        );
    }
}
