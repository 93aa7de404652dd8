//! Bad input: one clear sentence, the right kind, and nothing left.

use crate::bed::{Bed, check_empty, pull, pull_with, said};
use crate::made::{Layer, Served, archive, gzip, here, noise, plain, three_layers};
use crate::server::Answer;
use std::process::Command;
use tare_engine::image::{LoadOptions, LoadSource, PullOptions, Silent};
use tare_error::Kind;
use tare_kit::{Need, test};
use tare_registry::{Platform, digest_of};

/// A layer whose archive is not the one its diff id names.
fn wrong_diff_id() -> Layer {
    Layer {
        diff_id: digest_of(b"other").to_string(),
        ..gzip(&archive(&[("a", b"a")]))
    }
}

/// One way for a layer to be bad.
struct Case {
    layer: Layer,
    /// What the registry does to its blob.
    spoil: fn(&mut Answer),
    kind: Kind,
    reason: String,
}

fn case(layer: &Layer, spoil: fn(&mut Answer), kind: Kind, reason: impl Into<String>) -> Case {
    Case {
        layer: layer.clone(),
        spoil,
        kind,
        reason: reason.into(),
    }
}

fn cases() -> Vec<Case> {
    let good = gzip(&archive(&[("big", &noise(3, 200_000))]));
    let bomb = gzip(&archive(&[("zeros", &vec![0; 8 << 20])]));
    let (digest, other) = (digest_of(&good.blob), digest_of(b"other"));
    let breaks_off = |answer: &mut Answer| {
        answer.length = Some(answer.body.len());
        answer.body.truncate(1000);
    };
    vec![
        case(
            &good,
            |a| a.body[5000] ^= 1,
            Kind::Corrupt,
            format!("expected {digest}, got sha256:"),
        ),
        case(
            &good,
            |a| a.body.truncate(1000),
            Kind::Corrupt,
            "were promised, the registry sends 1000",
        ),
        case(
            &good,
            |a| a.body.extend([0; 9]),
            Kind::Corrupt,
            "bytes were promised, the registry sends",
        ),
        case(&good, breaks_off, Kind::Unavailable, "the connection broke"),
        case(&good, |a| a.status = 404, Kind::NotFound, "it is not there"),
        case(
            &wrong_diff_id(),
            |_| {},
            Kind::Corrupt,
            format!("expected diff id {other}"),
        ),
        case(&bomb, |_| {}, Kind::Exhausted, "limit bytes = 1048576 reached"),
        case(&plain(noise(1, 4096)), |_| {}, Kind::Corrupt, "unpack layer"),
    ]
}

#[test]
fn a_bad_layer_is_named_and_leaves_nothing() {
    test(&[Need::Root], |world| {
        let mut bed = Bed::new(world);
        bed.config.layers.bytes = 1 << 20;
        for Case {
            layer,
            spoil,
            kind,
            reason,
        } in cases()
        {
            let mut served = Served::default();
            // Between good ones, so that others are on their way when it fails.
            let mut layers = three_layers();
            layers.insert(1, layer.clone());
            served.image("bad", "latest", here(), &layers);
            served.spoil(&layer, spoil);
            let (server, engine) = (served.start(), bed.engine());
            let error = pull(&engine, &format!("{}/bad", server.host())).unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(said(&error).contains(&reason), "{reason}: {error:?}");
            check_empty(&bed, &engine);
        }
    });
}

#[test]
fn a_failure_does_not_wait_for_a_stalled_sibling() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        let stalled = gzip(&archive(&[("big", &noise(9, 100_000))]));
        served.image("bad", "latest", here(), &[stalled.clone(), wrong_diff_id()]);
        served.spoil(&stalled, |answer| {
            answer.length = Some(answer.body.len());
            answer.body.truncate(1000);
            answer.hold = true;
        });
        let (server, engine) = (served.start(), bed.engine());
        let start = std::time::Instant::now();
        let error = pull(&engine, &format!("{}/bad", server.host())).unwrap_err();
        assert!(said(&error).contains("expected diff id"), "{error:?}");
        // A stall alone is given up after a minute.
        assert!(
            start.elapsed() < std::time::Duration::from_secs(30),
            "{:?}",
            start.elapsed()
        );
        check_empty(&bed, &engine);
    });
}

#[test]
fn an_image_that_contradicts_itself_is_refused() {
    test(&[Need::Root], |world| {
        let bed = Bed::new(world);
        let mut served = Served::default();
        served.image("few", "latest", here(), &three_layers());
        // The configuration lists three layers, the manifest two.
        let answer = served.0["few/manifests/latest"].clone();
        let mut manifest: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        manifest["layers"].as_array_mut().unwrap().pop();
        let body = manifest.to_string().into_bytes();
        served
            .0
            .insert("few/manifests/latest".into(), Answer { body, ..answer });
        let (server, engine) = (served.start(), bed.engine());
        let error = pull(&engine, &format!("{}/few", server.host())).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(
            said(&error).contains("its manifest has 2 layers, its configuration 3"),
            "{error:?}"
        );
        check_empty(&bed, &engine);
    });
}

#[test]
fn another_platform_is_answered_with_those_that_exist() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        let layers = [plain(archive(&[("a", b"b")]))];
        let s390x = served.image("app", "single", "s390x", &layers);
        let ppc = served.image("app", "x", "ppc64le", &layers);
        served.index("app", "index", &[s390x, ppc]);
        let (server, engine) = (served.start(), bed.engine());
        let error = pull(&engine, &format!("{}/app:index", server.host())).unwrap_err();
        let text = said(&error);
        assert!(
            text.contains(&format!(
                "for linux/{}: it exists for linux/s390x, linux/ppc64le",
                here()
            )),
            "{text}"
        );
        assert!(text.contains("hint: --platform linux/s390x"), "{text}");
        let error = pull(&engine, &format!("{}/app:single", server.host())).unwrap_err();
        assert!(said(&error).contains("it exists for linux/s390x"), "{error:?}");
        check_empty(&bed, &engine);
        let asked = PullOptions {
            platform: Some(Platform::parse("linux/s390x").unwrap()),
            ..PullOptions::default()
        };
        let image = pull_with(&engine, &format!("{}/app:index", server.host()), &asked)
            .unwrap()
            .image;
        assert_eq!(image.platform().to_string(), "linux/s390x");
    });
}

#[test]
fn an_unreachable_registry_and_an_unknown_image_are_said() {
    test(&[Need::Root], |world| {
        let bed = Bed::new(world);
        let engine = bed.engine();
        let refused = pull(&engine, "127.0.0.1:1/app").unwrap_err();
        assert!(
            said(&refused).starts_with("connect to 127.0.0.1:1: connection refused\nhint: "),
            "{refused:?}"
        );
        let server = Served::default().start();
        let unknown = pull(&engine, &format!("{}/app", server.host())).unwrap_err();
        assert_eq!(unknown.kind(), Kind::NotFound);
        assert!(
            said(&unknown).contains("has no such image\nhint: check the spelling"),
            "{unknown:?}"
        );
        check_empty(&bed, &engine);
    });
}

#[test]
fn a_full_disk_ends_a_pull_and_leaves_nothing() {
    test(&[Need::Root], |world| {
        let folder = world.folder("full");
        let mount = |args: &[&str]| {
            let status = Command::new(args[0])
                .args(&args[1..])
                .arg(&folder)
                .status()
                .unwrap();
            assert!(status.success());
        };
        mount(&["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs"]);
        let bed = Bed::at(&folder);
        let mut served = Served::default();
        let layers: Vec<Layer> = (0..4)
            .map(|n| gzip(&archive(&[(&format!("big{n}"), &noise(n, 1 << 20))])))
            .collect();
        served.image("big", "latest", here(), &layers);
        let (server, engine) = (served.start(), bed.engine());
        let error = pull(&engine, &format!("{}/big", server.host())).unwrap_err();
        assert_eq!(error.kind(), Kind::Exhausted, "{error:?}");
        assert!(said(&error).contains("no space left on device"), "{error:?}");
        assert!(said(&error).contains("hint: free some space"), "{error:?}");
        check_empty(&bed, &engine);
        let archive = archive(&[("big", &noise(1, 4 << 20))]);
        let error = engine.load(
            LoadSource::Archive(&mut archive.as_slice()),
            &LoadOptions::default(),
            &Silent,
        );
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Exhausted, "{error:?}");
        assert!(said(&error).contains("hint: free some space"), "{error:?}");
        check_empty(&bed, &engine);
        drop(engine);
        mount(&["umount"]);
    });
}
