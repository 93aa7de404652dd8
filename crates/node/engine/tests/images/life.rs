//! An image comes in, is found, shown, shared and removed.

use crate::bed::{Bed, check_empty, check_whole, pull, pull_with, said};
use crate::made::{Served, archive, gzip, here, plain, three_layers};
use crate::server::Server;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tare_engine::container::request::PullPolicy;
use tare_engine::image::PullOptions;
use tare_engine::records::containers::{self, ContainerRecord};
use tare_error::Kind;
use tare_kit::{Need, test};

fn blobs_asked(server: &Server) -> usize {
    server
        .heard()
        .iter()
        .filter(|h| h.method == "GET" && h.path.contains("/blobs/"))
        .count()
}

fn always() -> PullOptions {
    PullOptions {
        policy: PullPolicy::Always,
        ..PullOptions::default()
    }
}

#[test]
fn an_image_is_pulled_found_and_removed() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        let other = served.image("team/app", "other", "s390x", &[plain(archive(&[("a", b"b")]))]);
        let ours = served.image("team/app", "ours", here(), &three_layers());
        served.index("team/app", "v1", &[other, ours]);
        let server = served.start();
        let (engine, name) = (bed.engine(), format!("{}/team/app:v1", server.host()));
        let pulled = pull(&engine, &name).unwrap();
        assert!(pulled.asked && pulled.fresh);
        assert_eq!(blobs_asked(&server), 4, "a configuration and three layers");
        let image = pulled.image;
        assert_eq!(image.names, [name.as_str()]);
        assert_eq!(
            image.config.config().as_ref().unwrap().cmd().as_ref().unwrap(),
            &["/bin/true"]
        );
        assert_eq!(fs::read(bed.layer(&image, 0).join("etc/base")).unwrap(), b"base");
        assert_eq!(
            fs::metadata(bed.layer(&image, 1).join("data/big")).unwrap().len(),
            300_000
        );
        assert_eq!(fs::read(bed.layer(&image, 2).join("etc/top")).unwrap(), b"top");
        check_whole(&bed, &engine);
        assert_eq!(engine.records().synced_commits(), 2, "the schema and the image");

        let again = pull(&engine, &name).unwrap();
        assert!(!again.asked && !again.fresh);
        let asked = pull_with(&engine, &name, &always()).unwrap();
        assert!(asked.asked && !asked.fresh);
        assert_eq!(blobs_asked(&server), 5, "the configuration alone comes again");

        let hex = image.id.strip_prefix("sha256:").unwrap();
        for typed in [&name, &image.id, hex, &hex[..12], &hex[..3], &image.digests[0]] {
            assert_eq!(engine.resolve_image(typed).unwrap().id, image.id, "{typed}");
        }
        let list = engine.images().unwrap();
        assert_eq!(
            (list.len(), list[0].size, list[0].created.as_deref()),
            (1, image.size, Some("2024-01-02T03:04:05Z"))
        );
        let shown = engine.inspect_image(&name).unwrap();
        assert_eq!(
            (&shown["Id"], &shown["Config"]["Env"][0]),
            (&image.id.as_str().into(), &"A=b".into())
        );
        assert_eq!(shown["RootFS"]["Layers"].as_array().unwrap().len(), 3);

        let removed = engine.remove_image(&name, false).unwrap();
        assert_eq!(
            (removed.untagged, removed.deleted),
            (vec![name.clone()], Some(image.id))
        );
        check_empty(&bed, &engine);
    });
}

#[test]
fn layers_are_shared_and_stay_while_one_image_needs_them() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        let base = gzip(&archive(&[("base", b"shared")]));
        served.image(
            "a",
            "latest",
            here(),
            &[base.clone(), plain(archive(&[("a", b"a")]))],
        );
        served.image("b", "latest", here(), &[base, plain(archive(&[("b", b"b")]))]);
        let server = served.start();
        let (engine, host) = (bed.engine(), server.host());
        pull(&engine, &format!("{host}/a")).unwrap();
        let before = blobs_asked(&server);
        let b = pull(&engine, &format!("{host}/b")).unwrap();
        assert_eq!(blobs_asked(&server) - before, 2, "the base is here");
        assert!(
            b.image.size > 2 * 1024,
            "the size counts the layer that was here: {}",
            b.image.size
        );
        engine.remove_image(&format!("{host}/a"), false).unwrap();
        check_whole(&bed, &engine);
        assert_eq!(fs::read(bed.layer(&b.image, 0).join("base")).unwrap(), b"shared");
        engine.remove_image(&format!("{host}/b"), false).unwrap();
        check_empty(&bed, &engine);
    });
}

#[test]
fn a_name_that_moves_leaves_its_image_behind() {
    test(&[Need::Root], |world| {
        let bed = Bed::new(world);
        let version = |content: &[u8]| {
            let mut served = Served::default();
            served.image("app", "latest", here(), &[plain(archive(&[("f", content)]))]);
            served
        };
        let (versions, second) = (
            [version(b"one"), version(b"two")],
            Arc::new(AtomicBool::new(false)),
        );
        let turn = second.clone();
        let server =
            Server::start(move |heard| versions[usize::from(turn.load(Ordering::Acquire))].answer(heard));
        let (engine, name) = (bed.engine(), format!("{}/app", server.host()));
        let old = pull(&engine, &name).unwrap().image;
        second.store(true, Ordering::Release);
        assert_eq!(
            pull(&engine, &name).unwrap().image.id,
            old.id,
            "what is here is not asked for again"
        );
        let new = pull_with(&engine, &name, &always()).unwrap().image;
        assert_eq!(engine.resolve_image(&name).unwrap().id, new.id);
        let nameless = engine.resolve_image(&old.id).unwrap();
        assert_eq!(nameless.names, Vec::<String>::new());
        assert_eq!(
            engine.resolve_image(&old.digests[0]).unwrap().id,
            old.id,
            "its digest still leads to it"
        );
        check_whole(&bed, &engine);
        engine.remove_image(&old.id, false).unwrap();
        engine.remove_image(&name, false).unwrap();
        check_empty(&bed, &engine);
    });
}

#[test]
fn an_image_goes_with_its_last_name_and_not_under_a_container() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        for tag in ["one", "two"] {
            served.image("app", tag, here(), &three_layers());
        }
        let server = served.start();
        let (engine, host) = (bed.engine(), server.host());
        let (one, two) = (format!("{host}/app:one"), format!("{host}/app:two"));
        let image = pull(&engine, &one).unwrap().image;
        pull(&engine, &two).unwrap();
        let several = engine.remove_image(image.short_id(), false).unwrap_err();
        assert_eq!(several.kind(), Kind::Conflict);
        assert!(
            said(&several).contains(&format!("several names: {one}, {two}")),
            "{several}"
        );
        let untagged = engine.remove_image(&one, false).unwrap();
        assert_eq!((untagged.untagged, untagged.deleted), (vec![one], None));

        let id = "0123456789abcdef".repeat(4);
        engine.snapshots().prepare(&id, &image.layers).unwrap();
        let container = ContainerRecord {
            id: id.clone(),
            name: "web".into(),
            image: image.id.clone(),
            reference: two.clone(),
            command: "sh".into(),
            remove: false,
            interactive: false,
            stop_signal: None,
            stop_timeout: None,
            pod: None,
            checked: false,
            handler: "tare".into(),
            created: 1,
            end: None,
        };
        engine
            .records()
            .write("add", |tx| containers::add(tx, &container, &[]))
            .unwrap();
        let used = engine.remove_image(&two, false).unwrap_err();
        assert_eq!(used.kind(), Kind::Conflict);
        assert!(
            said(&used).contains("the container web uses it\nhint: remove the container first (tare rm web)"),
            "{used}"
        );
        engine.remove_image(&two, true).unwrap();
        assert_eq!(
            engine.snapshots().layers().unwrap().len(),
            3,
            "layers stay under a top"
        );
        engine.snapshots().remove(&id).unwrap();
        engine.collect().unwrap().unwrap();
        check_empty(&bed, &engine);
    });
}

#[test]
fn nothing_is_collected_while_somebody_holds_images() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        served.image("app", "latest", here(), &three_layers());
        let server = served.start();
        let (engine, name) = (bed.engine(), format!("{}/app", server.host()));
        pull(&engine, &name).unwrap();
        let held = engine.hold_images().unwrap();
        engine.remove_image(&name, false).unwrap();
        assert_eq!(engine.snapshots().layers().unwrap().len(), 3);
        drop(held);
        assert_eq!(engine.collect().unwrap().unwrap().layers, 3);
        check_empty(&bed, &engine);
    });
}

#[test]
fn two_pulls_of_one_image_fetch_it_once() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        served.image("app", "latest", here(), &three_layers());
        let server = served.start();
        let name = format!("{}/app", server.host());
        bed.engine();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| pull(&bed.engine(), &name).unwrap());
            }
        });
        let layers = server
            .heard()
            .iter()
            .filter(|h| h.method == "GET" && h.path.contains("/blobs/"))
            .count();
        assert!(
            layers <= 4 + 3,
            "each may read the configuration, the layers come once: {layers}"
        );
        check_whole(&bed, &bed.engine());
    });
}

#[test]
fn an_unknown_image_brings_the_nearest_name() {
    test(&[Need::Root], |world| {
        let (bed, mut served) = (Bed::new(world), Served::default());
        served.image("busybox", "1.36", here(), &three_layers());
        let server = served.start();
        let (engine, host) = (bed.engine(), server.host());
        pull(&engine, &format!("{host}/busybox:1.36")).unwrap();
        for (typed, hint) in [
            (
                format!("{host}/busybx:1.36"),
                format!("hint: did you mean {host}/busybox:1.36? It is here"),
            ),
            (
                format!("{host}/busybox"),
                format!("hint: here is {host}/busybox:1.36"),
            ),
            (
                "fedora".into(),
                "hint: tare pull fedora fetches it; tare images lists what is here".into(),
            ),
        ] {
            let error = engine.resolve_image(&typed).unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound);
            assert_eq!(said(&error), format!("find image {typed}\n{hint}"));
        }
        let never = PullOptions {
            policy: PullPolicy::Never,
            ..PullOptions::default()
        };
        let error = pull_with(&engine, &format!("{host}/busybx:1.36"), &never).unwrap_err();
        assert!(
            said(&error).contains("it is not here, and pulling was ruled out\nhint: did you mean"),
            "{error}"
        );
    });
}
