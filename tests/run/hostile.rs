//! Hostile images, labels and neighbours: what is data stays data, and what is ours is nobody else's.

use crate::shell::{NEEDS, assert_nothing_left, ready, wait_until_cleared, words};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use tare_kit::{Tare, World, test};

/// What an image may say of itself that others have taken for orders: annotations of engines and systemd, signals, users and
/// folders that lead elsewhere, characters that a terminal obeys.
const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{
  "Env":["PATH=/bin:/usr/bin","LD_PRELOAD=/evil.so","TARE_FAILPOINT=kill@create-bundle","TWO=a\nLINES=b"],
  "Labels":{"run.oci.keep_original_groups":"1","org.systemd.property.ExecStopPost":"'/bin/touch /run/evil'",
    "io.kubernetes.cri-o.Devices":"/dev/kmsg","org.opencontainers.image.stopSignal":"KILL","dev.tare.run":"privileged",
    "a\u001b[2Jb":"c\r\u0007\u001b]0;owned\u0007"},
  "WorkingDir":"/../../../../run/evil","Volumes":{"/../../../../run/evil-volume":{},"/etc/../ok":{}},
  "StopSignal":"TERM; touch /run/evil","Cmd":["sh","-c","pwd; id -u; echo $TWO"]},
  "rootfs":{"type":"layers","diff_ids":["sha256:LAYER"]},"history":[{"created_by":"\u001b[2J"}]}"#;

/// Makes the image of busybox's files and loads it.
const MAKE: &str = r#"set -e
mkdir -p /run/image; cd /run/image
tare create --name files busybox >/dev/null; tare export -o layer.tar files; tare rm files >/dev/null
layer=$(sha256sum <layer.tar | cut -d' ' -f1)
sed "s/LAYER/$layer/" config.in >config; config=$(sha256sum <config | cut -d' ' -f1); mv config $config.json
printf '[{"Config":"%s.json","RepoTags":["docker.io/library/hostile:latest"],"Layers":["layer.tar"]}]' $config >manifest.json
tar -cf /run/hostile.tar manifest.json $config.json layer.tar
tare load -q -i /run/hostile.tar"#;

fn sh(world: &World, script: &str) -> Tare {
    let tare = format!("tare() {{ {} \"$@\"; }}; {script}", words(world));
    Tare::program("sh").args(["-c", &tare])
}

/// No character that a terminal obeys.
fn assert_plain(what: &str, text: &str) {
    let odd = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{what}: {text:?}");
}

#[test]
fn an_image_gives_no_orders() {
    test(NEEDS, |world| {
        ready(world);
        std::fs::create_dir_all("/run/image").expect("a folder");
        std::fs::write("/run/image/config.in", CONFIG).expect("the configuration");
        let _ = sh(world, MAKE).ok();
        let said = world.tare(["run", "--rm", "hostile"]).run();
        // The folder is one inside, made there as docker does.
        assert_eq!(said.stdout, "/run/evil\n0\na LINES=b\n", "{said}");
        let _ = world
            .tare(["run", "-d", "--name", "web", "--label", "x\u{1b}[2J=y\u{7}"])
            .args(["hostile", "sleep", "1000"])
            .ok();
        let id = world.tare(["ps", "-q", "--no-trunc"]).ok();
        let bundle = world
            .data_root()
            .join("containers")
            .join(id.trim())
            .join("config.json");
        let spec: serde_json::Value =
            serde_json::from_slice(&std::fs::read(bundle).expect("its configuration")).expect("JSON");
        assert_eq!(
            spec["annotations"],
            serde_json::Value::Null,
            "a label is no annotation"
        );
        for words in [
            &["ps", "-a"][..],
            &["images"],
            &["why", "web"],
            &["events", "--since", "1h", "--until", "0s"],
        ] {
            assert_plain(&words.join(" "), &world.tare(words).ok());
        }
        // Scripts get a label as it is, a terminal does not.
        let labels = "tare ps --format {{.Labels}}";
        assert!(sh(world, labels).ok().contains('\u{1b}'));
        let program = format!("{} ps --format '{{{{.Labels}}}}'", words(world));
        let shown = Tare::program("script").args(["-qec", &program, "/dev/null"]).ok();
        assert_plain(labels, &shown.replace("\r\n", "\n"));
        assert!(shown.contains("dev.tare.run=privileged"), "{shown}");
        let _ = world.tare(["rm", "-f", "web"]).ok();
        for made in ["/run/evil", "/run/evil-volume", "/evil.so"] {
            assert!(!Path::new(made).exists(), "{made}");
        }
        wait_until_cleared(world);
        let _ = world.tare(["rmi", "hostile"]).ok();
        std::fs::remove_dir_all("/run/image").expect("remove");
        std::fs::remove_file("/run/hostile.tar").expect("remove");
        assert_nothing_left(world);
    });
}

/// Everything below a folder that others might open: a folder that is not 0700, a socket or a record that is not 0600.
fn open_to_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let about = match entry.path().symlink_metadata() {
            // A supervisor replaces its records, by files that have another name for a moment.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            about => about.expect("it is there"),
        };
        let kind = about.file_type();
        let wrong = match () {
            () if kind.is_dir() => about.mode() & 0o077 != 0,
            () if kind.is_socket() || kind.is_fifo() => about.mode() & 0o177 != 0,
            () => false,
        };
        if wrong {
            found.push(format!("{} {:o}", entry.path().display(), about.mode()));
        }
        if kind.is_dir() {
            open_to_others(&entry.path(), found);
        }
    }
}

#[test]
fn what_is_ours_is_nobody_elses() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .ok();
        let mut found = Vec::new();
        for root in [world.run_root(), world.data_root()] {
            let mode = root.metadata().expect("a root").mode();
            assert_eq!(mode & 0o077, 0, "{} {mode:o}", root.display());
        }
        open_to_others(&world.run_root(), &mut found);
        assert_eq!(found, [""; 0]);
        let database = world.data_root().join("tare.db");
        assert_eq!(database.metadata().expect("the database").mode() & 0o177, 0);
        let _ = world.tare(["rm", "-f", "web"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}
