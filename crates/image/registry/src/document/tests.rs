//! Documents of one meaning pass, all others do not.

use super::*;
use serde_json::{Value, json};

const HEX: &str = "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";

fn descriptor(media: &str) -> Value {
    json!({"mediaType": media, "digest": format!("sha256:{HEX}"), "size": 7})
}

fn manifest() -> Value {
    json!({
        "schemaVersion": 2,
        "config": descriptor(CONFIG[0]),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip")],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "manifests": [descriptor(MANIFEST[0])]})
}

fn with(mut value: Value, key: &str, to: Value) -> Value {
    value[key] = to;
    value
}

fn parse(value: &Value, announced: Option<&str>) -> Result<Document> {
    Document::parse(serde_json::to_vec(value).unwrap(), announced, "web")
}

#[test]
fn both_forms_of_both_standards_are_read() {
    for media in INDEX {
        let read = parse(&with(index(), "mediaType", media.into()), Some(media)).unwrap();
        assert!(matches!(read.content(), Content::Index(_)));
        assert_eq!(read.media_type(), media);
    }
    for media in MANIFEST {
        let read = parse(&manifest(), Some(&format!("{media}; charset=utf-8"))).unwrap();
        assert!(matches!(read.content(), Content::Manifest(_)));
    }
    // A server that knows no types, and a document that leaves its own out.
    assert!(matches!(
        parse(&index(), Some("text/plain")).unwrap().content(),
        Content::Index(_)
    ));
    assert!(matches!(
        parse(&manifest(), None).unwrap().content(),
        Content::Manifest(_)
    ));
    let layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    assert!(parse(&with(manifest(), "layers", json!([descriptor(layer)])), None).is_ok());
}

#[test]
fn a_document_of_two_meanings_is_refused() {
    for (value, announced, kind, reason) in [
        (with(index(), "layers", json!([])), None, Kind::Corrupt, "at once"),
        (
            with(manifest(), "manifests", json!([])),
            Some(MANIFEST[0]),
            Kind::Corrupt,
            "at once",
        ),
        (
            with(index(), "mediaType", INDEX[0].into()),
            Some(MANIFEST[0]),
            Kind::Corrupt,
            "announced as",
        ),
        (
            with(manifest(), "mediaType", MANIFEST[1].into()),
            Some(MANIFEST[0]),
            Kind::Corrupt,
            "announced as",
        ),
        (index(), Some(MANIFEST[0]), Kind::Corrupt, "it is no manifest"),
        (manifest(), Some(INDEX[0]), Kind::Corrupt, "it is no index"),
        (
            with(manifest(), "schemaVersion", 1.into()),
            None,
            Kind::Unsupported,
            "schema 1",
        ),
        (
            with(manifest(), "schemaVersion", 3.into()),
            None,
            Kind::Corrupt,
            "schema version is 3",
        ),
        (
            with(manifest(), "mediaType", "text/html".into()),
            None,
            Kind::Unsupported,
            "none of an image",
        ),
        (
            with(
                manifest(),
                "config",
                descriptor("application/vnd.cncf.helm.config.v1+json"),
            ),
            None,
            Kind::Unsupported,
            "no container image",
        ),
        (
            with(manifest(), "layers", json!([descriptor("application/json")])),
            None,
            Kind::Unsupported,
            "not a tar",
        ),
        (
            with(manifest(), "layers", json!(vec![descriptor(LAYER[0]); 501])),
            None,
            Kind::Unsupported,
            "501 layers",
        ),
        (json!([]), None, Kind::Corrupt, "no manifest"),
    ] {
        let error = parse(&value, announced).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(Document::parse(twice.to_vec(), None, "web").is_err());
    assert!(
        Document::parse(vec![b' '; 5 << 20], None, "web")
            .unwrap_err()
            .to_string()
            .contains("longer")
    );
}

#[test]
fn digest_and_length_are_the_descriptors() {
    let bytes = serde_json::to_vec(&manifest()).unwrap();
    let size = bytes.len() as u64;
    let media = || oci_spec::image::MediaType::ImageManifest;
    let good = Descriptor::new(media(), size, digest_of(&bytes));
    assert_eq!(
        Document::parse_described(bytes.clone(), &good, "web")
            .unwrap()
            .digest(),
        good.digest()
    );
    let short = Descriptor::new(media(), size - 1, digest_of(&bytes));
    assert!(Document::parse_described(bytes.clone(), &short, "web").is_err());
    let other = Descriptor::new(media(), size, digest_of(b"other"));
    let error = Document::parse_described(bytes, &other, "web").unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("the registry sent sha256:"), "{error}");
}
