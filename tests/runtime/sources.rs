//! What is mounted from the container's own root, in the order in which it is there; and what a tmpfs takes over.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tare_kit::{Tare, World, test};

fn bind(source: &Path, at: impl AsRef<Path>, option: &str) -> Value {
    json!({"source": source, "destination": at.as_ref(), "options": [option]})
}

/// Adds to the mounts of a configuration.
fn mount(bundle: &mut Bundle<'_>, more: Vec<Value>) {
    let mut list = bundle.config["mounts"].clone();
    list.as_array_mut().unwrap().extend(more);
    bundle.set("/mounts", list);
}

/// Mounts on `/mnt` and below it, and of that on `/final`; where `run` prints what is there.
fn nested<'a>(world: &'a World, script: &str) -> Bundle<'a> {
    let mut bundle = Bundle::new(world, script);
    let root = bundle.path.join("rootfs");
    let (outer, inner) = (world.folder("outer"), world.folder("inner"));
    fs::create_dir_all(outer.join("x")).unwrap();
    fs::write(outer.join("file"), "outer\n").unwrap();
    fs::write(inner.join("file"), "inner\n").unwrap();
    fs::create_dir_all(root.join("mnt")).unwrap();
    let mounts = vec![
        bind(&outer, "/mnt", "bind"),
        bind(&inner, "/mnt/x", "bind"),
        bind(&root.join("mnt"), "/final", "rbind"),
    ];
    mount(&mut bundle, mounts);
    bundle
}

#[test]
fn a_source_in_the_root_has_what_was_mounted_before() {
    test(NEEDS, |world| {
        let mut bundle = nested(
            world,
            "cat /final/x/file /final/file /single/file; cat /single/x/file 2>&1",
        );
        // A destination may be written so as well.
        let root = bundle.path.join("rootfs");
        mount(
            &mut bundle,
            vec![bind(&root.join("mnt"), root.join("single"), "bind")],
        );
        let ran = bundle.run();
        let missing = "cat: can't open '/single/x/file': No such file or directory\n";
        assert_eq!(ran.stdout, format!("inner\nouter\nouter\n{missing}"), "{ran}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn and_in_a_user_namespace() {
    test(NEEDS, |world| {
        let mut bundle = nested(world, "cat /final/x/file /final/file");
        let mut namespaces = bundle.config["linux"]["namespaces"].clone();
        namespaces.as_array_mut().unwrap().push(json!({"type": "user"}));
        bundle.set("/linux/namespaces", namespaces);
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        bundle.set("/linux/uidMappings", map.clone());
        bundle.set("/linux/gidMappings", map);
        let root = bundle.path.join("rootfs");
        let _ = Tare::program("chown")
            .args(["-R", "100000:100000"])
            .args([&root])
            .ok();
        let ran = bundle.run();
        assert_eq!(ran.stdout, "inner\nouter\n", "{ran}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_link_of_the_image_leads_nowhere_else() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "cat /got/file; ls /got");
        let root = bundle.path.join("rootfs");
        let secret = world.folder("secret");
        fs::write(secret.join("file"), "of the host\n").unwrap();
        symlink(&secret, root.join("link")).unwrap();
        mount(&mut bundle, vec![bind(&root.join("link"), "/got", "bind")]);
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(1), "{ran}");
        assert!(ran.stderr.contains("no such file"), "{ran}");
        // Inside there is one of this name.
        let inside = root.join(secret.strip_prefix("/").unwrap());
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("file"), "of the image\n").unwrap();
        let ran = bundle.run();
        assert_eq!(ran.stdout, "of the image\nfile\n", "{ran}");
        // By a process that the kernel shows it would be the host.
        let source = root.join("proc/1/root/bin");
        mount(&mut bundle, vec![bind(&source, "/got2", "bind")]);
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(1), "{ran}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_tmpfs_has_the_mode_of_what_it_covers() {
    test(NEEDS, |world| {
        use std::os::unix::fs::PermissionsExt as _;
        let mut bundle = Bundle::new(world, "stat -c %a /over /new; grep ' /over ' /proc/self/mounts");
        let over = bundle.path.join("rootfs/over");
        fs::create_dir(&over).unwrap();
        fs::set_permissions(&over, fs::Permissions::from_mode(0o710)).unwrap();
        let tmpfs = |at: &str| json!({"type": "tmpfs", "source": "tmpfs", "destination": at, "options": ["ro", "size=64k"]});
        mount(&mut bundle, vec![tmpfs("/over"), tmpfs("/new")]);
        let ran = bundle.run();
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[..2], ["710", "1777"], "{ran}");
        assert!(
            lines[2].contains("mode=710") && lines[2].contains(" ro,"),
            "{ran}"
        );
    });
}
