//! Reading and writing: what other tools write is read, and what is read is written again.

use super::*;
use serde_json::{Value, json};

/// A document that uses every odd spelling of the specification.
fn everything() -> Value {
    serde_json::from_str(include_str!("tests/everything.json")).unwrap()
}

#[test]
fn what_is_read_is_written_again() {
    let spec: Spec = serde_json::from_value(everything()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), everything());
}

#[test]
fn null_reads_as_absent() {
    let spec: Spec = serde_json::from_value(json!({
        "ociVersion": "1.0.2", "mounts": null, "hooks": null, "hostname": null,
        "process": {"user": {"uid": 1, "gid": null}, "cwd": "/", "args": null, "terminal": null},
    }))
    .unwrap();
    assert!(spec.mounts.is_empty());
    assert_eq!(spec.process.unwrap().user.gid, 0);
}

#[test]
fn zero_ids_are_written_and_empty_lists_are_not() {
    let spec = Spec {
        oci_version: VERSION.to_owned(),
        process: Some(Process::default()),
        ..Spec::default()
    };
    assert_eq!(
        serde_json::to_value(&spec).unwrap(),
        json!({"ociVersion": "1.3.0", "process": {"user": {"uid": 0, "gid": 0}, "cwd": ""}})
    );
}

#[test]
fn words_outside_a_closed_set_are_named() {
    for (document, word) in [
        (
            json!({"ociVersion": "1", "linux": {"namespaces": [{"type": "pit"}]}}),
            "pit",
        ),
        (
            json!({"ociVersion": "1", "linux": {"seccomp": {"defaultAction": "ALLOW"}}}),
            "ALLOW",
        ),
        (
            json!({"ociVersion": "1", "linux": {"namespaces": [{"path": "/x"}]}}),
            "type",
        ),
        (json!({"root": {"path": "/"}}), "ociVersion"),
    ] {
        let e = serde_json::from_value::<Spec>(document).unwrap_err().to_string();
        assert!(e.contains(word), "{e} does not name {word}");
    }
}

#[test]
fn unknown_members_are_ignored() {
    let spec: Spec =
        serde_json::from_value(json!({"ociVersion": "9", "linux": {"later": 1}, "windows": {}})).unwrap();
    assert_eq!(spec.linux, Some(Linux::default()));
}
