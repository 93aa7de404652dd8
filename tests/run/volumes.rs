//! Volumes: what stays, what is copied into a new one, who uses which, and death at any point.

use crate::shell::{NEEDS, assert_nothing_left, ready, run, sh, wait_until_cleared};
use std::os::unix::fs::MetadataExt;
use tare_kit::{Tare, World, test};

/// Places in the engine at which a volume is made ready for its first container.
const FILLING: &[&str] = &["volume-copied", "volume-flushed", "volume-published"];
/// And at which one goes.
const GOING: &[&str] = &["volume-taken", "volume-forgotten"];

fn names(world: &World) -> String {
    world.tare(["volume", "ls", "-q"]).ok()
}

#[test]
fn a_named_volume_outlives_its_containers() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(
            sh(
                world,
                &["-v", "data:/data"],
                "echo x > /data/f; stat -c %a:%u /data"
            ),
            "755:0\n"
        );
        assert_eq!(
            sh(
                world,
                &["-v", "data:/other:ro"],
                "cat /other/f; touch /other/g || echo refused"
            ),
            "x\nrefused\n"
        );
        let long = "type=volume,source=data,target=/data,readonly,volume-nocopy";
        assert_eq!(sh(world, &["--mount", long], "cat /data/f"), "x\n");
        assert_eq!(names(world), "data\n");
        let list = world.tare(["volume", "ls"]).ok();
        assert_eq!(list, "DRIVER    VOLUME NAME\nlocal     data\n");
        let format = "{{.Name}}={{.Links}}";
        assert_eq!(world.tare(["volume", "ls", "--format", format]).ok(), "data=0\n");
        let path = world.data_root().join("volumes/data/_data");
        assert_eq!(std::fs::read(path.join("f")).expect("the file"), b"x\n");
        let full = world.tare(["volume", "inspect", "data"]).ok();
        assert!(
            full.contains(&format!("\"Mountpoint\": \"{}\"", path.display())),
            "{full}"
        );
        let place = world
            .tare(["volume", "inspect", "-f", "{{.Mountpoint}}", "data"])
            .ok();
        assert_eq!(place.trim(), path.to_string_lossy());
        assert_eq!(world.tare(["volume", "rm", "data"]).ok(), "data\n");
        assert!(!world.data_root().join("volumes/data").exists());
        let gone = world.tare(["volume", "rm", "data"]).fails(125);
        assert!(gone.starts_with("tare: get data: no such volume"), "{gone}");
        assert_eq!(world.tare(["volume", "rm", "-f", "data"]).ok(), "data\n");
        assert_nothing_left(world);
    });
}

#[test]
fn a_new_volume_gets_the_image_s_files_once() {
    test(NEEDS, |world| {
        ready(world);
        let of_image = sh(
            world,
            &[],
            "cd /etc; find . | grep -v -e hosts -e hostname -e resolv | sort; stat -c %a:%u:%Y passwd",
        );
        let script = "cd /etc; find . | grep -v -e hosts -e hostname -e resolv | sort; stat -c %a:%u:%Y passwd; rm passwd";
        let mut seen = sh(world, &["-v", "etc:/etc"], script);
        assert_eq!(seen, of_image);
        seen = sh(world, &["-v", "etc:/etc"], "ls /etc/passwd || echo none");
        assert_eq!(seen, "none\n", "what was removed is not copied again");
        assert_eq!(
            sh(world, &["-v", "new:/etc:nocopy"], "ls /etc/passwd || echo none"),
            "none\n"
        );
        assert_eq!(
            sh(world, &["-v", "new:/etc"], "ls /etc/passwd || echo none"),
            "none\n",
            "it was used"
        );
        // One that was made before is new until a container has it.
        let _ = world.tare(["volume", "create", "made"]).ok();
        assert_eq!(sh(world, &["-v", "made:/etc"], "ls /etc/passwd"), "/etc/passwd\n");
        // And one into which somebody has put something keeps that.
        let _ = world.tare(["volume", "create", "own"]).ok();
        std::fs::write(world.data_root().join("volumes/own/_data/f"), "x").expect("write");
        assert_eq!(
            sh(
                world,
                &["-v", "own:/etc"],
                "ls /etc/passwd /etc/f 2>/dev/null || true"
            ),
            "/etc/f\n"
        );
        let refused = run(world, &["-v", "x1:/etc/passwd", "busybox", "true"]).fails(125);
        assert!(
            refused.contains("/etc/passwd in the image is a file"),
            "{refused}"
        );
        let _ = world.tare(["volume", "prune", "-af"]).ok();
    });
}

#[test]
fn owner_and_mode_are_those_asked_for() {
    test(NEEDS, |world| {
        ready(world);
        let words = [
            "volume",
            "create",
            "--label",
            "a=b",
            "-o",
            "uid=1234",
            "--opt",
            "o=gid=55,mode=2770",
            "mine",
        ];
        assert_eq!(world.tare(words).ok(), "mine\n");
        assert_eq!(
            sh(
                world,
                &["-v", "mine:/etc"],
                "stat -c %a:%u:%g /etc; ls /etc/passwd"
            ),
            "2770:1234:55\n/etc/passwd\n"
        );
        let long = "type=volume,src=other,dst=/d,volume-opt=uid=7,volume-label=x=y";
        assert_eq!(sh(world, &["--mount", long], "stat -c %a:%u /d"), "755:7\n");
        assert_eq!(
            world.tare(["volume", "create", "mine"]).ok(),
            "mine\n",
            "it is there"
        );
        let other = world.tare(["volume", "create", "-o", "uid=1", "mine"]).fails(125);
        assert!(
            other.contains("it is there already, with other options"),
            "{other}"
        );
        let bad = world
            .tare(["volume", "create", "-o", "type=nfs", "no"])
            .fails(125);
        assert!(bad.contains("there is no option \"type\""), "{bad}");
        for (filter, expected) in [
            ("label=a", "mine\n"),
            ("label=a=c", ""),
            ("label!=a", "other\n"),
            ("name=the", "other\n"),
            ("dangling=true", "mine\nother\n"),
            ("driver=nfs", ""),
        ] {
            assert_eq!(
                world.tare(["volume", "ls", "-q", "-f", filter]).ok(),
                expected,
                "{filter}"
            );
        }
        assert_eq!(
            world.tare(["volume", "rm", "mine", "other"]).ok(),
            "mine\nother\n"
        );
        let bad = world.tare(["volume", "create", "a/b"]).fails(125);
        assert!(
            bad.contains("includes invalid characters for a local volume name"),
            "{bad}"
        );
    });
}

#[test]
fn a_volume_in_use_stays() {
    test(NEEDS, |world| {
        ready(world);
        let id = world
            .tare([
                "create",
                "--name",
                "web",
                "-v",
                "data:/data",
                "-v",
                "/anon",
                "busybox",
                "true",
            ])
            .ok();
        let out = world.tare(["volume", "rm", "data"]).fails(125);
        assert!(
            out.starts_with(&format!("tare: remove data: volume is in use - [{}]", id.trim())),
            "{out}"
        );
        assert_eq!(names(world).lines().count(), 2);
        // By the record, whether it runs or not: nothing is pruned of it.
        assert_eq!(
            world.tare(["volume", "prune", "-af"]).ok(),
            "Total reclaimed space: 0B\n"
        );
        let other = sh(
            world,
            &["--volumes-from", "web:ro"],
            "touch /data/x || echo refused; ls -d /anon",
        );
        assert_eq!(other, "refused\n/anon\n");
        assert_eq!(
            names(world).lines().count(),
            2,
            "the other one's stay, though --rm"
        );
        assert_eq!(world.tare(["rm", "web"]).ok(), "web\n");
        let all = names(world);
        assert_eq!(all.lines().count(), 2, "without -v they stay");
        let said = world.tare(["volume", "prune"]).stdin("n\n").fails(125);
        assert!(said.contains("it was not confirmed"), "{said}");
        let pruned = world.tare(["volume", "prune"]).stdin("y\n").ok();
        let anonymous = all.lines().find(|name| *name != "data").expect("its name");
        assert!(
            pruned.contains(&format!(
                "Deleted Volumes:\n{anonymous}\n\nTotal reclaimed space: "
            )),
            "{pruned}"
        );
        assert_eq!(names(world), "data\n", "one with a name is not pruned without -a");
        assert!(
            world
                .tare(["volume", "prune", "-af"])
                .ok()
                .starts_with("Deleted Volumes:\ndata\n")
        );
        assert_nothing_left(world);
    });
}

#[test]
fn what_nobody_named_goes_with_its_container() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(sh(world, &["-v", "/data"], "touch /data/x; ls /data"), "x\n");
        assert_eq!(names(world), "", "--rm");
        let _ = world
            .tare([
                "run",
                "--name",
                "web",
                "-v",
                "/data",
                "-v",
                "kept:/kept",
                "busybox",
                "touch",
                "/data/x",
            ])
            .ok();
        assert_eq!(names(world).lines().count(), 2);
        // Another one that has it keeps it.
        let _ = world
            .tare([
                "create",
                "--name",
                "other",
                "--volumes-from",
                "web",
                "busybox",
                "true",
            ])
            .ok();
        let _ = world.tare(["rm", "-v", "web"]).ok();
        assert_eq!(names(world).lines().count(), 2);
        let _ = world.tare(["rm", "-v", "other"]).ok();
        assert_eq!(names(world), "kept\n");
        let _ = world.tare(["volume", "rm", "kept"]).ok();
        let folders = std::fs::read_dir(world.data_root().join("volumes")).expect("the folder");
        assert_eq!(folders.count(), 0);
        assert_nothing_left(world);
    });
}

#[test]
fn directories_of_the_machine_come_from_others_too() {
    test(NEEDS, |world| {
        ready(world);
        let folder = world.folder("share");
        let _ = world.file("share/f", "x");
        let bind = format!("{}:/m", folder.display());
        let _ = world
            .tare([
                "create", "--name", "web", "-v", &bind, "--tmpfs", "/t", "busybox", "true",
            ])
            .ok();
        assert_eq!(
            sh(
                world,
                &["--volumes-from", "web"],
                "cat /m/f; echo; ls -d /t || echo none"
            ),
            "x\nnone\n"
        );
        let missing = run(world, &["--volumes-from", "nosuch", "busybox", "true"]).fails(125);
        assert!(missing.contains("nosuch"), "{missing}");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn killed_at_every_step_a_volume_is_whole_or_new() {
    test(NEEDS, |world| {
        ready(world);
        let whole = sh(
            world,
            &[],
            "cd /etc; find . | grep -v -e hosts -e hostname -e resolv | sort",
        );
        for place in FILLING {
            let out = run(world, &["-v", "etc:/etc", "-v", "/anon", "busybox", "true"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            wait_until_cleared(world);
            assert_nothing_left(world);
            assert_eq!(names(world), "etc\n", "{place}: what nobody named is gone");
            let script = "cd /etc; find . | grep -v -e hosts -e hostname -e resolv | sort";
            assert_eq!(sh(world, &["-v", "etc:/etc"], script), whole, "{place}");
            let _ = world.tare(["volume", "rm", "etc"]).ok();
        }
        let out = world
            .tare(["volume", "create", "late"])
            .env("TARE_FAILPOINT", "kill@volume-recorded")
            .run();
        assert_eq!(out.signal(), Some(9));
        assert_eq!(sh(world, &["-v", "late:/etc"], "ls /etc/passwd"), "/etc/passwd\n");
        for place in GOING {
            let _ = world.tare(["volume", "create", "late"]).ok();
            let _ = sh(world, &["-v", "late:/data"], "echo old > /data/f");
            let out = world
                .tare(["volume", "rm", "late"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            assert_eq!(
                sh(world, &["-v", "late:/data"], "ls /data"),
                "",
                "{place}: nothing old comes back"
            );
            let _ = world.tare(["volume", "rm", "late"]).ok();
            let folders = std::fs::read_dir(world.data_root().join("volumes")).expect("the folder");
            assert_eq!(folders.count(), 0, "{place}");
        }
        // The container's own way out, with a volume that nobody named.
        for place in GOING {
            let _ = world
                .tare(["create", "--name", "web", "-v", "/anon", "busybox", "true"])
                .ok();
            let out = world
                .tare(["rm", "-v", "web"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            let _ = world.tare(["rm", "-v", "web"]).run();
            assert_eq!(
                (names(world), world.tare(["ps", "-aq"]).ok()),
                (String::new(), String::new()),
                "{place}"
            );
        }
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn many_who_come_at_once_find_it_whole() {
    test(NEEDS, |world| {
        ready(world);
        let words = [
            "run",
            "--rm",
            "-v",
            "etc:/etc",
            "busybox",
            "sh",
            "-c",
            "ls /etc/passwd; cat",
        ];
        let mut all: Vec<_> = (0..8).map(|_| world.tare(words).start()).collect();
        for one in &mut all {
            drop(one.stdin.take());
            assert_eq!(one.line().as_deref(), Some("/etc/passwd"));
        }
        for one in all {
            assert_eq!(one.finish().0.code(), Some(0));
        }
        let _ = world.tare(["volume", "rm", "etc"]).ok();
        assert_nothing_left(world);
    });
}

/// A container's folder under a volume becomes a link to the machine's: what is mounted next lands inside all the same.
#[test]
fn a_link_in_the_place_of_a_volume_leads_nowhere_outside() {
    test(NEEDS, |world| {
        ready(world);
        let outside = world.folder("outside");
        let up = "../".repeat(12);
        let script = format!("ln -s {up}{} /data; ln -s /{up}etc /deep", outside.display());
        let _ = world
            .tare([
                "run",
                "--name",
                "web",
                "-v",
                "v1:/vol",
                "busybox",
                "sh",
                "-c",
                &format!("{script}; ln -s {up}{} /vol/sub", outside.display()),
            ])
            .ok();
        // The volume has a link inside it, over which another one is mounted.
        let out = sh(
            world,
            &["-v", "v1:/vol", "-v", "v2:/vol/sub/deep"],
            "touch /vol/sub/deep/x; ls /vol/sub/deep",
        );
        assert_eq!(out, "x\n");
        assert_eq!(std::fs::read_dir(&outside).expect("the folder").count(), 0);
        let _ = world.tare(["rm", "web"]).ok();
        let _ = world.tare(["volume", "prune", "-af"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn the_places_are_those_of_the_source() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/node/engine/src/volume");
    for file in std::fs::read_dir(source).expect("the source").flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let places = text
            .split("tare_failpoint::pass(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for place in places {
            assert!(
                FILLING.contains(&place) || GOING.contains(&place),
                "{place} is not tested"
            );
        }
    }
}

#[test]
fn as_a_person() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let tare = |words: &[&str]| -> Tare { world.tare_as(world.person(), words) };
        let script = "ls /etc/passwd; chown nobody /etc/passwd; stat -c %u /etc/passwd";
        let words = ["run", "--rm", "-v", "etc:/etc", "busybox", "sh", "-c", script];
        assert_eq!(tare(&words).ok(), "/etc/passwd\n65534\n");
        let words = [
            "run",
            "--rm",
            "-v",
            "etc:/etc:ro",
            "-v",
            "/anon",
            "busybox",
            "stat",
            "-c",
            "%u",
            "/etc/passwd",
        ];
        assert_eq!(tare(&words).ok(), "65534\n");
        assert_eq!(tare(&["volume", "ls", "-q"]).ok(), "etc\n");
        assert_eq!(
            tare(&["volume", "create", "-o", "uid=1000", "mine"]).ok(),
            "mine\n"
        );
        assert_eq!(
            tare(&[
                "run", "--rm", "-v", "mine:/m", "busybox", "stat", "-c", "%u", "/m"
            ])
            .ok(),
            "1000\n"
        );
        assert_eq!(tare(&["volume", "rm", "etc", "mine"]).ok(), "etc\nmine\n");
    });
}

#[test]
fn owners_are_mapped() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world
            .tare(["volume", "create", "-o", "o=uid=1500,gid=1600", "vol"])
            .ok();
        let data = world.data_root().join("volumes/vol/_data");
        let folder = world.folder("bound");
        std::os::unix::fs::chown(&folder, Some(1500), Some(1600)).expect("give it away");
        let maps = "idmap=uids=1500-0-1#2000-7-2;gids=1600-0-1#2000-7-2";
        let bound = format!("type=bind,source={},target=/x,{maps}", folder.display());
        let script =
            "stat -c %u:%g /x; touch /x/f; mkdir /x/d; chown 8:7 /x/f; stat -c %u:%g /x/f /x/d; id -u";
        for (option, value, place) in [
            ("-v", format!("vol:/x:{maps}"), &data),
            ("--mount", bound, &folder),
            ("-v", format!("{}:/x:nosuid,{maps}", folder.display()), &folder),
        ] {
            let out = sh(world, &[option, &value], script);
            assert_eq!(out, "0:0\n8:7\n0:0\n0\n", "{value}");
            for (name, owner) in [("f", (2001, 2000)), ("d", (1500, 1600))] {
                let about = std::fs::metadata(place.join(name)).expect("it was made");
                assert_eq!((about.uid(), about.gid()), owner, "{value} {name}");
            }
            std::fs::remove_file(place.join("f")).expect("remove it");
            std::fs::remove_dir(place.join("d")).expect("remove it");
        }
        for (option, said) in [
            (
                "idmap",
                "idmap needs maps: the container has no user namespace of its own",
            ),
            ("idmap=uids=0-1-1", "idmap needs both uids= and gids="),
            ("idmap=uids=0-1;gids=0-1-1", "\"0-1\" is no range"),
        ] {
            let volume = format!("vol:/x:{option}");
            let out = world
                .tare(["run", "--rm", "-v", &volume, "busybox", "true"])
                .fails(125);
            assert!(out.contains(said) && out.contains("\nhint: "), "{out}");
        }
        // A file system that cannot.
        let other = world.folder("ramfs");
        rustix::mount::mount("ramfs", &other, "ramfs", rustix::mount::MountFlags::empty(), None)
            .expect("mount it");
        let volume = format!("{}:/x:idmap=uids=0-1-1;gids=0-1-1", other.display());
        let out = world
            .tare(["run", "--rm", "-v", &volume, "busybox", "true"])
            .fails(125);
        let hint = "hint: its owners cannot be mapped: the file system or the kernel lacks idmapped mounts";
        assert!(out.contains(hint), "{out}");
        rustix::mount::unmount(&other, rustix::mount::UnmountFlags::DETACH).expect("unmount it");
        let _ = world.tare(["volume", "rm", "vol"]).ok();
        assert_nothing_left(world);
    });
}
