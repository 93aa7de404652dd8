//! Names move, images go with all that is theirs.

use super::*;
use crate::records::Records;
use tare_store::Id;

fn image(id: &str, chains: &[&str]) -> ImageRecord {
    ImageRecord {
        id: format!("sha256:{id}"),
        manifest: format!("sha256:m{id}"),
        config: b"{}".to_vec(),
        added: 1,
        layers: chains
            .iter()
            .map(|c| LayerRecord {
                chain: (*c).to_owned(),
                size: 5,
            })
            .collect(),
    }
}

fn tagged(tag: &str) -> Names {
    Names {
        tags: vec![tag.to_owned()],
        digests: vec![("repo".into(), format!("sha256:{tag}"))],
    }
}

#[test]
fn names_lead_to_the_last_image_and_go_with_it() {
    let path = std::env::temp_dir().join(format!("tare-records-{}.db", Id::random().unwrap().short()));
    let records = Records::new(&path);
    let put = |record: &ImageRecord, names: &Names| {
        records
            .write("put", |tx| {
                put(tx, record, &[record.manifest.clone(), "shared".into()], names)
            })
            .unwrap();
    };
    put(&image("a1", &["base", "a"]), &tagged("web"));
    put(&image("b2", &["base", "b"]), &tagged("web"));
    put(&image("b2", &["base", "b"]), &tagged("also"));
    records
        .read("check", |tx| {
            assert_eq!(by_name(tx, "web")?.as_deref(), Some("sha256:b2"));
            assert_eq!(names_of(tx, "sha256:a1")?.tags, Vec::<String>::new());
            assert_eq!(names_of(tx, "sha256:b2")?.tags, ["also", "web"]);
            assert_eq!(
                by_digest(tx, "repo", "sha256:also")?.as_deref(),
                Some("sha256:b2")
            );
            assert_eq!(by_prefix(tx, "a")?, ["sha256:a1"]);
            assert_eq!(by_prefix(tx, "")?.len(), 2);
            assert_eq!(
                by_prefix(tx, "*")?.len(),
                2,
                "callers pass hexadecimal digits only"
            );
            assert_eq!(get(tx, "sha256:b2")?.unwrap(), image("b2", &["base", "b"]));
            assert_eq!(layers_in_use(tx)?.len(), 3);
            assert_eq!(layer_size(tx, "base")?, Some(5));
            Ok(())
        })
        .unwrap();
    records.write("remove", |tx| remove(tx, "sha256:b2")).unwrap();
    records
        .read("check", |tx| {
            assert_eq!(names(tx)?, Vec::<String>::new());
            assert_eq!(by_digest(tx, "repo", "sha256:also")?, None);
            assert_eq!(layers_in_use(tx)?, ["a", "base"]);
            assert_eq!(blobs_in_use(tx)?, ["sha256:ma1", "shared"]);
            assert_eq!(ids(tx)?, ["sha256:a1"]);
            Ok(())
        })
        .unwrap();
    assert_eq!(records.synced_commits(), 5, "the schema, three puts, one removal");
    records.close();
    assert_eq!(records.synced_commits(), 5);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", path.display())).ok();
    }
}
