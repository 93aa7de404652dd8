//! Registries and archives made by the field's own tools.

use crate::bed::{Bed, check_empty, check_whole, pull, pull_with, said};
use std::fs::File;
use std::io::Read;
use std::process::Command;
use tare_engine::container::request::PullPolicy;
use tare_engine::image::{Image, LoadOptions, LoadSource, PullOptions, Silent};
use tare_error::Kind;
use tare_kit::{Need, World, test};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Fixture("registry"),
    Need::Program("skopeo"),
    Need::Program("docker-registry"),
];

/// A file of the image, from its uppermost layer that has it.
fn read(bed: &Bed, image: &Image, path: &str) -> Option<Vec<u8>> {
    (0..image.layers.len())
        .rev()
        .find_map(|n| std::fs::read(bed.layer(image, n).join(path)).ok())
}

#[test]
fn every_format_of_a_real_registry_is_pulled() {
    test(NEEDS, |world| {
        let (bed, registry) = (Bed::new(world), world.registry());
        let engine = bed.engine();
        let mut sizes = Vec::new();
        for name in [
            "busybox",
            "busybox:zstd",
            "busybox:v2s2",
            "busybox:index",
            "library/busybox",
        ] {
            let image = pull(&engine, &registry.image(name)).unwrap().image;
            assert!(
                read(&bed, &image, "bin/busybox").is_some_and(|b| b.starts_with(b"\x7fELF")),
                "{name}"
            );
            assert!(
                image
                    .config
                    .config()
                    .as_ref()
                    .unwrap()
                    .env()
                    .as_ref()
                    .unwrap()
                    .contains(&"ORIGIN=busybox".into())
            );
            sizes.push(image.size);
            check_whole(&bed, &engine);
        }
        assert!(sizes.iter().all(|s| *s == sizes[0]), "{sizes:?}");
        let other = pull(&engine, &registry.image("busybox:other")).unwrap_err();
        assert!(said(&other).contains("it exists for linux/"), "{other:?}");
        let unknown = pull(&engine, &registry.image("busybx")).unwrap_err();
        assert_eq!(unknown.kind(), Kind::NotFound);
        assert!(said(&unknown).contains("find image 127.0.0.1"), "{unknown:?}");
        check_whole(&bed, &engine);
    });
}

#[test]
fn images_of_other_builders_are_pulled_whole() {
    test(NEEDS, |world| {
        let (bed, registry) = (Bed::new(world), world.registry());
        let engine = bed.engine();
        for (name, file) in [
            ("debian", "etc/debian_version"),
            ("nginx", "usr/sbin/nginx"),
            ("torture", "links/first"),
            ("torture:zstd", "links/first"),
        ] {
            let image = pull(&engine, &registry.image(name)).unwrap().image;
            assert!(read(&bed, &image, file).is_some(), "{name}");
        }
        check_whole(&bed, &engine);
        // What a command pays before it does anything.
        let start = std::time::Instant::now();
        for _ in 0..100 {
            bed.engine().resolve_image(&registry.image("debian")).unwrap();
        }
        println!("open and resolve: {:?}", start.elapsed() / 100);
        engine.remove_image(&registry.image("debian"), false).unwrap();
        check_whole(&bed, &engine);
    });
}

#[test]
fn an_image_by_digest_is_the_one_its_tag_named() {
    test(NEEDS, |world| {
        let (bed, registry) = (Bed::new(world), world.registry());
        let engine = bed.engine();
        let tagged = pull(&engine, &registry.image("busybox:index")).unwrap().image;
        let always = PullOptions {
            policy: PullPolicy::Always,
            ..PullOptions::default()
        };
        let pinned = pull_with(&engine, &tagged.digests[0], &always).unwrap();
        assert_eq!((pinned.image.id, pinned.fresh), (tagged.id, false));
    });
}

#[test]
fn a_registry_with_passwords_takes_the_right_one() {
    test(NEEDS, |world| {
        let registry = world.registry_with_password();
        let mut bed = Bed::new(world);
        let image = registry.image("busybox");
        let anonymous = pull(&bed.engine(), &image).unwrap_err();
        assert_eq!(anonymous.kind(), Kind::Denied);
        assert!(said(&anonymous).contains("wants a login"), "{anonymous:?}");
        // "tester:wrong", "tester:secret"
        for (auth, good) in [("dGVzdGVyOndyb25n", false), ("dGVzdGVyOnNlY3JldA==", true)] {
            let text = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.host());
            let file = world.file("config.json", text);
            bed.config.logins = Some(file.clone());
            match pull(&bed.engine(), &image) {
                Ok(_) => assert!(good),
                Err(e) => {
                    assert!(!good, "{e:?}");
                    assert!(said(&e).contains("does not take user \"tester\" from"), "{e:?}");
                    assert!(said(&e).contains(&file.display().to_string()), "{e:?}");
                    assert!(!format!("{e:?}").contains("wrong\""), "{e:?}");
                }
            }
        }
    });
}

fn load(bed: &Bed, path: &std::path::Path) -> tare_error::Result<Vec<Image>> {
    let engine = bed.engine();
    if path.is_dir() {
        return engine.load(LoadSource::Folder(path), &LoadOptions::default(), &Silent);
    }
    let mut file = File::open(path).unwrap();
    engine.load(LoadSource::Archive(&mut file), &LoadOptions::default(), &Silent)
}

#[test]
fn archives_of_other_tools_are_loaded() {
    test(NEEDS, |world| {
        let (bed, archives) = (Bed::new(world), world.fixture("registry").join("archives"));
        let gzipped = world.scratch().join("gzipped.tar.gz");
        let status = Command::new("sh")
            .args(["-c", "gzip -1 <\"$1\" >\"$2\"", "sh"])
            .args([&archives.join("busybox-docker.tar"), &gzipped])
            .status();
        assert!(status.unwrap().success());
        let table = [
            (archives.join("busybox-docker.tar"), "busybox:docker"),
            (archives.join("busybox-oci.tar"), "busybox:oci"),
            (gzipped, "busybox:docker"),
        ];
        for (path, name) in table {
            let loaded = load(&bed, &path).unwrap();
            assert_eq!(loaded.len(), 1, "{}", path.display());
            assert!(read(&bed, &loaded[0], "bin/busybox").is_some());
            assert!(
                loaded[0].names.contains(&name.to_owned()),
                "{:?}",
                loaded[0].names
            );
            assert_eq!(bed.engine().resolve_image(name).unwrap().id, loaded[0].id);
            check_whole(&bed, &bed.engine());
        }
        let engine = bed.engine();
        for image in engine.images().unwrap() {
            engine.remove_image(&image.id, true).unwrap();
        }
        check_empty(&bed, &engine);
    });
}

/// What `docker save` wrote before version 25: a folder for each layer, shared ones as links.
fn legacy(world: &World) -> Vec<u8> {
    let archive = std::fs::read(world.fixture("registry").join("archives/busybox-docker.tar")).unwrap();
    let mut members = tar::Archive::new(archive.as_slice());
    let (mut out, mut layers) = (tar::Builder::new(Vec::new()), 0);
    let mut renamed = std::collections::HashMap::new();
    let mut manifest = Vec::new();
    for member in members.entries().unwrap() {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        if member.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        member.read_to_end(&mut bytes).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        match name.as_str() {
            "manifest.json" => manifest = bytes,
            "repositories" => {}
            layer if layer.ends_with(".tar") => {
                layers += 1;
                out.append_data(&mut header, format!("real{layers}/layer.tar"), bytes.as_slice())
                    .unwrap();
                let mut link = tar::Header::new_gnu();
                link.set_entry_type(tar::EntryType::Symlink);
                link.set_size(0);
                let (at, to) = (
                    format!("id{layers}/layer.tar"),
                    format!("../real{layers}/layer.tar"),
                );
                out.append_link(&mut link, &at, to).unwrap();
                renamed.insert(layer.to_owned(), at);
            }
            other => out.append_data(&mut header, other, bytes.as_slice()).unwrap(),
        }
    }
    let text = renamed
        .iter()
        .fold(String::from_utf8(manifest).unwrap(), |text, (from, to)| {
            text.replace(from, to)
        });
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    out.append_data(&mut header, "./manifest.json", text.as_bytes())
        .unwrap();
    out.into_inner().unwrap()
}

#[test]
fn an_archive_with_linked_layers_is_loaded() {
    test(NEEDS, |world| {
        let bed = Bed::new(world);
        let path = world.file("legacy.tar", legacy(world));
        let loaded = load(&bed, &path).unwrap();
        assert!(read(&bed, &loaded[0], "bin/busybox").is_some());
    });
}

#[test]
fn what_is_no_image_archive_is_said() {
    test(&[Need::Root], |world| {
        let bed = Bed::new(world);
        let manifest = |text: &str| crate::made::archive(&[("manifest.json", text.as_bytes())]);
        let escape = r#"[{"Config": "../../etc/passwd", "RepoTags": null, "Layers": []}]"#;
        for (bytes, kind, reason) in [
            (
                crate::made::archive(&[("a", b"b")]),
                Kind::Corrupt,
                "no image archive: neither manifest.json",
            ),
            (manifest("nonsense"), Kind::Corrupt, "manifest.json: "),
            (manifest(escape), Kind::Corrupt, "it has no ../../etc/passwd"),
            (b"no tar at all".repeat(100), Kind::Corrupt, ""),
            (Vec::new(), Kind::Corrupt, "no image archive"),
        ] {
            let path = world.file("bad.tar", &bytes);
            let error = load(&bed, &path).unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(said(&error).contains(reason), "{reason}: {error:?}");
            check_empty(&bed, &bed.engine());
        }
        let folder = world.folder("layout");
        std::os::unix::fs::symlink("/etc/passwd", folder.join("manifest.json")).unwrap();
        let error = load(&bed, &folder).unwrap_err();
        assert!(
            said(&error).contains("no image archive"),
            "a link leads nowhere but inside: {error:?}"
        );
    });
}
