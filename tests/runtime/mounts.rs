//! Mounts that come to a running container, or go: `mounts add`, `mounts remove`.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tare_kit::{Finished, Tare, World, test};

/// `mounts WHAT c FILE` with these mounts in the file.
fn mounts(bundle: &Bundle<'_>, what: &str, list: &Value) -> Finished {
    let file = bundle.path.join("mounts.json");
    fs::write(&file, list.to_string()).unwrap();
    bundle
        .runtime(&["mounts", what, "c", file.to_str().unwrap()])
        .run()
}

/// What a script in the container prints.
fn inside(bundle: &Bundle<'_>, script: &str) -> String {
    bundle.runtime(&["exec", "c", "sh", "-c", script]).run().stdout
}

/// A directory of the host with a file and another file system below.
fn volume(world: &World) -> std::path::PathBuf {
    let volume = world.folder("volume");
    fs::create_dir_all(volume.join("below")).unwrap();
    fs::write(volume.join("file"), "of the host\n").unwrap();
    volume
}

fn bind(source: &Path, at: &str, options: &[&str]) -> Value {
    json!([{"destination": at, "type": "bind", "source": source, "options": options}])
}

#[test]
fn they_come_and_go() {
    test(NEEDS, |world| {
        let volume = volume(world);
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/root/readonly", json!(false));
        bundle.start();
        let before = inside(&bundle, "cat /proc/self/mountinfo");
        let outside = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let list = json!([
            {"destination": "/data", "type": "bind", "source": volume, "options": ["bind", "ro", "nosuid"]},
            {"destination": "/etc/made/file", "type": "bind", "source": volume.join("file"), "options": ["bind"]},
            {"destination": "tmp/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "noexec", "mode=700"]},
            {"destination": "/tmp/scratch/nested", "type": "bind", "source": "config.json", "options": ["bind", "rprivate"]},
        ]);
        let added = mounts(&bundle, "add", &list);
        assert_eq!((added.code(), added.stdout.as_str()), (Some(0), ""), "{added}");
        let script = "cat /data/file /etc/made/file; echo x 2>&1 >/data/x; grep -c ociVersion /tmp/scratch/nested; \
            grep -E ' /data | /tmp/scratch ' /proc/self/mountinfo | cut -d' ' -f6";
        assert_eq!(
            inside(&bundle, script),
            "of the host\nof the host\nsh: can't create /data/x: Read-only file system\n1\n\
             ro,nosuid,relatime\nrw,noexec,relatime\n"
        );
        // The first process sees them as well, and nobody outside does.
        let pid: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        assert!(Path::new(&format!("/proc/{}/root/data/file", pid["pid"])).exists());
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), outside);
        let removed = mounts(&bundle, "remove", &list);
        assert_eq!(removed.code(), Some(0), "{removed}");
        assert_eq!(inside(&bundle, "cat /proc/self/mountinfo"), before);
        let again = mounts(&bundle, "remove", &list);
        assert_eq!(again.code(), Some(1), "{again}");
        assert!(
            again.stderr.contains("unmount /data: nothing is mounted there"),
            "{again}"
        );
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        let stopped = mounts(&bundle, "add", &list);
        assert!(stopped.stderr.contains("container does not exist"), "{stopped}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn in_a_user_namespace_they_belong_to_its_root() {
    test(NEEDS, |world| {
        let volume = volume(world);
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/root/readonly", json!(false));
        let mut namespaces = bundle.config["linux"]["namespaces"].clone();
        namespaces.as_array_mut().unwrap().push(json!({"type": "user"}));
        bundle.set("/linux/namespaces", namespaces);
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        bundle.set("/linux/uidMappings", map.clone());
        bundle.set("/linux/gidMappings", map.clone());
        let root = bundle.path.join("rootfs");
        let _ = Tare::program("chown")
            .args(["-R", "100000:100000"])
            .args([root])
            .ok();
        // Where nobody but the host's root comes.
        let closed = world.folder("closed");
        fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(closed.join("file"), "closed\n").unwrap();
        bundle.start();
        let list = json!([
            {"destination": "/plain", "type": "bind", "source": volume, "options": ["bind"]},
            {"destination": "/mapped", "type": "bind", "source": volume, "options": ["bind"],
                "uidMappings": map, "gidMappings": map},
            {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/file", "type": "bind", "source": closed.join("file"), "options": ["bind"]},
        ]);
        let added = mounts(&bundle, "add", &list);
        assert_eq!(added.code(), Some(0), "{added}");
        let script = "stat -c %n:%u /plain/file; stat -c %n:%u /mapped/file; stat -c %n:%u /tmpfs; echo x >/tmpfs/x && cat /tmpfs/x /file";
        assert_eq!(
            inside(&bundle, script),
            "/plain/file:65534\n/mapped/file:0\n/tmpfs:0\nx\nclosed\n"
        );
        let removed = mounts(&bundle, "remove", &list);
        assert_eq!(removed.code(), Some(0), "{removed}");
        assert_eq!(inside(&bundle, "ls /plain /mapped /tmpfs | wc -l"), "5\n");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn links_of_the_container_lead_nowhere_else() {
    test(NEEDS, |world| {
        let volume = volume(world);
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/root/readonly", json!(false));
        let root = bundle.path.join("rootfs");
        fs::create_dir_all(root.join("real")).unwrap();
        let victim = world.folder("victim");
        for (name, leads_to) in [
            ("absolute", victim.to_str().unwrap()),
            ("up", "../../../../../../../../mnt"),
            ("inner", "/real"),
            ("to-root", "/"),
            ("to-proc", "/proc"),
            ("to-sys", "/sys/kernel"),
            ("to-masked", "/proc/kcore"),
            ("to-fd", "/proc/1/cwd"),
            ("to-dev", "/dev"),
        ] {
            symlink(leads_to, root.join(name)).unwrap();
        }
        bundle.start();
        let before = inside(&bundle, "cat /proc/self/mountinfo");
        let outside = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let denied = "a link of the container leads to its root, or to where the kernel shows itself";
        for (at, told) in [
            ("/to-root", denied),
            ("/to-proc", denied),
            ("/to-proc/sys", denied),
            ("/to-sys", denied),
            ("/to-fd", "symbolic link loop"),
            ("/proc", "stays as it was made"),
            ("/proc/sys/kernel", "stays as it was made"),
            ("sys/fs", "stays as it was made"),
            ("/", "it is the container's root"),
            ("/a/../b", "may hold neither"),
        ] {
            let added = mounts(&bundle, "add", &bind(&volume, at, &["bind"]));
            assert_eq!(added.code(), Some(1), "{at}: {added}");
            assert!(added.stderr.to_lowercase().contains(told), "{at}: {added}");
        }
        let masked = mounts(
            &bundle,
            "add",
            &bind(&volume.join("file"), "/to-masked/x", &["bind"]),
        );
        assert_eq!(masked.code(), Some(1), "{masked}");
        assert_eq!(inside(&bundle, "cat /proc/self/mountinfo"), before);
        // What leads to a place that is there, or is made, does so inside.
        for at in ["/absolute", "/up/there", "/inner"] {
            let added = mounts(&bundle, "add", &bind(&volume, at, &["bind"]));
            assert_eq!(added.code(), Some(0), "{at}: {added}");
            assert_eq!(
                inside(&bundle, &format!("cat {at}/file")),
                "of the host\n",
                "{at}"
            );
        }
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), outside);
        // Nothing is unmounted through a link: one could lead to a mask.
        for (at, told) in [
            ("/inner", "nothing is mounted there"),
            ("/up/there", "a link stands on the way"),
            ("/to-proc/kcore", "a link stands on the way"),
            ("/to-proc/sys", "a link stands on the way"),
            ("/to-dev/shm", "a link stands on the way"),
            ("/proc/kcore", "stays as it was made"),
            ("/proc/sys", "stays as it was made"),
            ("/sys", "stays as it was made"),
        ] {
            let removed = mounts(&bundle, "remove", &bind(&volume, at, &[]));
            assert_eq!(removed.code(), Some(1), "{at}: {removed}");
            assert!(removed.stderr.contains(told), "{at}: {removed}");
        }
        for at in ["/real", "/mnt/there"] {
            let removed = mounts(&bundle, "remove", &bind(&volume, at, &[]));
            assert_eq!(removed.code(), Some(0), "{at}: {removed}");
        }
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn one_that_fails_takes_those_before_it_along() {
    test(NEEDS, |world| {
        let volume = volume(world);
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/root/readonly", json!(false));
        bundle.start();
        let before = inside(&bundle, "cat /proc/self/mountinfo");
        for (last, told) in [
            (
                json!({"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]}),
                "/no does not exist",
            ),
            (
                json!({"destination": "/x", "type": "proc", "source": "proc"}),
                "only a bind mount or a tmpfs",
            ),
            (
                json!({"destination": "/x", "type": "sysfs", "source": "sysfs"}),
                "only a bind mount or a tmpfs",
            ),
            (
                json!({"destination": "/x", "type": "cgroup", "source": "cgroup"}),
                "only a bind mount or a tmpfs",
            ),
            (
                json!({"destination": "/x", "type": "tmpfs", "source": "t", "options": ["size=nonsense"]}),
                "refused \"size\"",
            ),
            (
                json!({"destination": "/bin/busybox", "type": "bind", "source": volume, "options": ["bind"]}),
                "a directory cannot be mounted onto a file",
            ),
        ] {
            let list = json!([
                {"destination": "/data", "type": "bind", "source": volume, "options": ["bind"]},
                {"destination": "/data/below", "type": "tmpfs", "source": "t"},
                last,
            ]);
            let added = mounts(&bundle, "add", &list);
            assert_eq!(added.code(), Some(1), "{added}");
            assert!(added.stderr.contains(told), "{added}");
            assert_eq!(inside(&bundle, "cat /proc/self/mountinfo"), before, "{told}");
        }
        for (list, told) in [
            (json!({"mounts": []}), "it holds a list"),
            (json!([{"type": "bind"}]), "destination"),
        ] {
            let added = mounts(&bundle, "add", &list);
            assert!(added.code() == Some(1) && added.stderr.contains(told), "{added}");
        }
        let other = mounts(&bundle, "list", &json!([]));
        assert!(other.stderr.contains("it is neither add nor remove"), "{other}");
        let few = bundle.runtime(&["mounts", "add", "c"]).run();
        assert!(few.stderr.contains("it needs three arguments"), "{few}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn while_it_waits_is_paused_or_shares_the_hosts() {
    test(NEEDS, |world| {
        let volume = volume(world);
        let mut bundle = Bundle::new(world, "cat /data/file; sleep 100");
        bundle.set("/root/readonly", json!(false));
        bundle.create();
        let list = bind(&volume, "/data", &["bind"]);
        let added = mounts(&bundle, "add", &list);
        assert_eq!(added.code(), Some(0), "{added}");
        let _ = bundle.runtime(&["start", "c"]).ok();
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let more = mounts(&bundle, "add", &bind(&volume, "/more", &["bind"]));
        assert_eq!(more.code(), Some(0), "{more}");
        let _ = bundle.runtime(&["resume", "c"]).ok();
        assert_eq!(
            inside(&bundle, "cat /data/file /more/file"),
            "of the host\nof the host\n"
        );
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        bundle.wait_until_stopped();
        let stopped = mounts(&bundle, "add", &list);
        assert!(stopped.stderr.contains("container not running"), "{stopped}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.share("mount");
        let outside = fs::read_to_string("/proc/self/mountinfo").unwrap();
        bundle.start();
        let shared = mounts(&bundle, "add", &list);
        assert!(
            shared.stderr.contains("it has no mount namespace of its own"),
            "{shared}"
        );
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), outside);
    });
}
