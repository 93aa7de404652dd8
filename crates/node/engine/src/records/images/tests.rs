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
        let stored = Stored {
            blobs: vec![record.manifest.clone(), "shared".into()],
            complete: true,
        };
        records
            .write("put", |tx| put(tx, record, &stored, names))
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
    // The same image by another manifest: only a complete one takes the place of the first.
    let other = ImageRecord {
        manifest: "sha256:other".into(),
        ..image("b2", &["base", "b"])
    };
    for (complete, manifest) in [(false, "sha256:mb2"), (true, "sha256:other")] {
        let stored = Stored {
            blobs: vec!["sha256:other".into()],
            complete,
        };
        records
            .write("put", |tx| super::put(tx, &other, &stored, &Names::default()))
            .unwrap();
        let read = records.read("check", |tx| get(tx, "sha256:b2")).unwrap().unwrap();
        assert_eq!(read.manifest, manifest);
    }
    let mut blobs = records.read("check", blobs_in_use).unwrap();
    blobs.sort();
    assert_eq!(blobs, ["sha256:ma1", "sha256:mb2", "sha256:other", "shared"]);
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
    assert_eq!(records.synced_commits(), 7, "the schema, five puts, one removal");
    records.close();
    assert_eq!(records.synced_commits(), 7);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", path.display())).ok();
    }
}
