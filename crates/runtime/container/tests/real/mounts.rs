//! What mounts of every sort look like from inside.

use crate::Test;
use crate::bed::Bed;
use rustix::mount::{MountFlags, MountPropagationFlags};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

pub(crate) const TESTS: &[Test] = &[
    ("owners_are_mapped", owners_are_mapped),
    (
        "owners_are_mapped_by_the_user_namespace",
        owners_are_mapped_by_the_user_namespace,
    ),
    (
        "owners_are_mapped_by_a_joined_user_namespace",
        owners_are_mapped_by_a_joined_user_namespace,
    ),
    ("owners_that_cannot_be_mapped", owners_that_cannot_be_mapped),
    ("recursive_attributes", recursive_attributes),
    (
        "relative_destinations_start_at_the_root",
        relative_destinations_start_at_the_root,
    ),
    ("tmpfs_starts_with_a_copy", tmpfs_starts_with_a_copy),
    (
        "tmpfs_has_the_mode_of_what_it_covers",
        tmpfs_has_the_mode_of_what_it_covers,
    ),
    ("propagation_of_mounts", propagation_of_mounts),
    ("propagation_of_the_root", propagation_of_the_root),
    ("binds_of_every_sort", binds_of_every_sort),
    ("owners_are_mapped_as_written", owners_are_mapped_as_written),
    ("links_are_copied", links_are_copied),
    ("links_are_bound_and_covered", links_are_bound_and_covered),
    (
        "labels_without_selinux_mean_nothing",
        labels_without_selinux_mean_nothing,
    ),
];

/// The line of `/proc/self/mountinfo` of a mount point, the last where there are several.
fn mountinfo<'a>(text: &'a str, at: &str) -> &'a str {
    let mut lines = text.lines().filter(|l| l.split(' ').nth(4) == Some(at));
    lines.next_back().unwrap_or_else(|| panic!("{at} in {text}"))
}

/// A directory of the host with files of two owners, and another file system below.
fn volume() -> PathBuf {
    let volume = PathBuf::from("/mnt/volume");
    fs::create_dir_all(volume.join("below")).unwrap();
    rustix::mount::mount(
        "below",
        volume.join("below"),
        "tmpfs",
        MountFlags::empty(),
        c"mode=777",
    )
    .unwrap();
    for (name, owner) in [("zero", 0), ("five", 5), ("below/five", 5)] {
        fs::write(volume.join(name), "").unwrap();
        chown(volume.join(name), Some(owner), Some(owner)).unwrap();
    }
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o777)).unwrap();
    volume
}

fn push(bed: &mut Bed, mount: Value) {
    bed.spec["mounts"].as_array_mut().unwrap().push(mount);
}

const OWNERS: &str =
    "stat -c %n:%u:%g /v/zero; stat -c %n:%u:%g /v/five; stat -c %n:%u:%g /v/below/five; touch /v/made";

fn owners_are_mapped() {
    let volume = volume();
    let map = |host: u32| json!([{"containerID": 0, "hostID": host, "size": 100}]);
    for (options, below) in [
        (json!(["rbind", "idmap"]), "5:5"),
        (json!(["rbind", "ridmap"]), "1005:2005"),
        (json!(["rbind"]), "5:5"),
    ] {
        let mut bed = Bed::new();
        push(
            &mut bed,
            json!({"destination": "/v", "type": "bind", "source": "/mnt/volume", "options": options,
                "uidMappings": map(1000), "gidMappings": map(2000)}),
        );
        bed.set("/process/user", json!({"uid": 1003, "gid": 2003}));
        let text = bed.sh(OWNERS).output;
        let expected = format!("/v/zero:1000:2000\n/v/five:1005:2005\n/v/below/five:{below}\n");
        assert_eq!(text, expected, "{options}");
        let made = fs::metadata(volume.join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (3, 3));
        fs::remove_file(volume.join("made")).unwrap();
    }
}

fn owners_are_mapped_by_the_user_namespace() {
    let volume = volume();
    let mut bed = Bed::new();
    crate::users::give(&bed.bundle.join("rootfs"), 100_000);
    crate::users::with_user_namespace(&mut bed);
    bed.mount("bind", "/mnt/volume", "/v", "rbind,ridmap")
        .mount("bind", "/mnt/volume", "/plain", "bind");
    let text = bed.sh(&format!("{OWNERS}; stat -c %n:%u:%g /plain/zero")).output;
    assert_eq!(
        text,
        "/v/zero:0:0\n/v/five:5:5\n/v/below/five:5:5\n/plain/zero:65534:65534\n"
    );
    assert_eq!(fs::metadata(volume.join("made")).unwrap().uid(), 0);
}

fn owners_are_mapped_by_a_joined_user_namespace() {
    volume();
    let mut first = Bed::new();
    crate::users::with_user_namespace(&mut first);
    first.while_created(&["true"], |pid| {
        let mut bed = Bed::at(PathBuf::from("/mnt/second"));
        crate::users::give(&bed.bundle.join("rootfs"), 100_000);
        let user = json!({"type": "user", "path": format!("/proc/{pid}/ns/user")});
        bed.spec["linux"]["namespaces"].as_array_mut().unwrap().push(user);
        let text = bed
            .mount("bind", "/mnt/volume", "/v", "rbind,ridmap")
            .sh(OWNERS)
            .output;
        assert_eq!(text, "/v/zero:0:0\n/v/five:5:5\n/v/below/five:5:5\n");
    });
}

fn owners_that_cannot_be_mapped() {
    volume();
    let map = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    for (mount, expected) in [
        (
            json!({"type": "bind", "source": "/mnt/volume", "options": ["bind", "idmap"]}),
            "mount /v: idmap needs uidMappings and gidMappings of the mount, or a user namespace",
        ),
        (
            json!({"type": "bind", "source": "/mnt/volume", "options": ["bind"], "uidMappings": map}),
            "mount /v: uidMappings and gidMappings must be given together",
        ),
        (
            json!({"type": "tmpfs", "uidMappings": map, "gidMappings": map}),
            "mount /v: only a bind mount can be idmapped",
        ),
        (
            json!({"type": "bind", "source": "/mnt/volume", "options": ["bind", "idmap=uids=0-1-2"]}),
            "mount /v: idmap needs both uids and gids in its value\nhint: write idmap=uids=0-1000-10#10-2000-5;gids=0-1000-10",
        ),
        (
            json!({"type": "bind", "source": "/mnt/volume", "options": ["bind", "idmap=uids=0-1-2;gids=0-1-2"],
                "uidMappings": map, "gidMappings": map}),
            "mount /v: its maps are given twice: as a value of idmap, and as its own members",
        ),
        (
            json!({"type": "bind", "source": "/mnt/volume", "options": ["bind", "copy-symlink", "src-nofollow"]}),
            "mount /v: copy-symlink excludes src-nofollow and dest-nofollow",
        ),
        (
            json!({"type": "tmpfs", "options": ["dest-nofollow"]}),
            "mount /v: copy-symlink, src-nofollow and dest-nofollow are options of bind mounts",
        ),
        (
            json!({"type": "bind", "source": "/proc", "options": ["bind"], "uidMappings": map, "gidMappings": map}),
            "open /proc for /v: invalid argument\nhint: its owners cannot be mapped: the file system or the kernel lacks idmapped mounts",
        ),
    ] {
        let mut bed = Bed::new();
        let mut mount = mount;
        mount["destination"] = json!("/v");
        push(&mut bed, mount);
        assert_eq!(bed.error(&["true"]), expected);
    }
}

fn recursive_attributes() {
    volume();
    for (options, top, below) in [
        ("rbind,rro", "ro,", "ro,"),
        ("rbind,ro", "ro,", "rw,"),
        (
            "rbind,rro,rnosuid,rnodev,rnoexec,rnoatime,rnodiratime,rnosymfollow",
            "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow",
            "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow",
        ),
        ("rbind,rnosuid,suid", "rw,nosuid", "rw,nosuid"),
        ("rbind,ro,rrw", "rw", "rw"),
        ("rbind,rstrictatime", "rw -", "rw -"),
        ("rbind,rnoatime,rrelatime", "rw,relatime", "rw,relatime"),
        ("bind,rro,noexec", "ro,noexec", ""),
    ] {
        let mut bed = Bed::new();
        let text = bed
            .mount("bind", "/mnt/volume", "/v", options)
            .sh("cat /proc/self/mountinfo")
            .output;
        for (at, expected) in [("/v", top), ("/v/below", below)]
            .iter()
            .filter(|(_, e)| !e.is_empty())
        {
            let shown = mountinfo(&text, at).split(' ').nth(5).unwrap();
            match expected.strip_suffix(" -") {
                Some(whole) => assert_eq!(shown, whole, "{options} {at}"),
                None => assert!(
                    format!("{shown},").starts_with(expected),
                    "{options} {at}: {shown}"
                ),
            }
        }
    }
}

fn relative_destinations_start_at_the_root() {
    volume();
    let mut bed = Bed::new();
    let text = bed
        .mount("bind", "/mnt/volume", "rel/to/root", "bind")
        .mount("tmpfs", "tmpfs", "tmp", "size=64k")
        .set("/process/cwd", json!("/tmp"))
        .sh("ls /rel/to/root; cat /proc/self/mountinfo")
        .output;
    assert!(text.contains("five\n"), "{text}");
    mountinfo(&text, "/rel/to/root");
    mountinfo(&text, "/tmp");
    // And are held to the same rules.
    let mut bed = Bed::new();
    fs::remove_dir(bed.bundle.join("rootfs/sys")).unwrap();
    symlink("/tmp", bed.bundle.join("rootfs/sys")).unwrap();
    bed.spec["mounts"]
        .as_array_mut()
        .unwrap()
        .retain(|m| !m["destination"].as_str().unwrap().starts_with("/sys"));
    let error = bed.mount("sysfs", "sysfs", "sys", "").error(&["true"]);
    assert!(error.starts_with("mount sys: it must be mounted"), "{error}");
}

fn tmpfs_starts_with_a_copy() {
    for (options, user_namespace) in [
        ("tmpcopyup", false),
        ("tmpcopyup,ro", false),
        ("tmpcopyup,mode=700", true),
    ] {
        let mut bed = Bed::new();
        let full = bed.bundle.join("rootfs/full");
        let _ = fs::remove_dir_all(&full);
        fs::create_dir_all(full.join("deep/er")).unwrap();
        let large = vec![b'x'; 3 << 20];
        fs::write(full.join("deep/er/large"), &large).unwrap();
        fs::write(full.join("secret"), "s").unwrap();
        symlink("/etc/passwd", full.join("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            full.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o604),
            0,
        )
        .unwrap();
        if user_namespace {
            crate::users::give(&bed.bundle.join("rootfs"), 100_000);
            crate::users::with_user_namespace(&mut bed);
        }
        let owner = if user_namespace { 100_000 } else { 0 };
        chown(full.join("secret"), Some(owner + 7), Some(owner + 8)).unwrap();
        fs::set_permissions(full.join("secret"), fs::Permissions::from_mode(0o4640)).unwrap();
        fs::set_permissions(full.join("deep"), fs::Permissions::from_mode(0o1751)).unwrap();
        fs::set_permissions(&full, fs::Permissions::from_mode(0o711)).unwrap();
        let early = fs::FileTimes::new()
            .set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400));
        fs::File::open(full.join("secret"))
            .unwrap()
            .set_times(early)
            .unwrap();
        let ended = bed
            .mount("tmpfs", "tmpfs", "/full", options)
            .sh("cd /full; stat -c '%n %a %u:%g %Y' secret; stat -c '%n %a %F' . deep pipe; stat -c '%n %s' deep/er/large; readlink link; touch new 2>&1; \
                 /bin/busybox cmp deep/er/large deep/er/large && grep ' /full ' /proc/self/mountinfo");
        let text = ended.output;
        for expected in [
            "secret 4640 7:8 86400\n",
            ". 711 directory\n",
            "deep 1751 directory\n",
            "pipe 604 fifo\n",
            "deep/er/large 3145728\n",
            "/etc/passwd\n",
            " tmpfs ",
        ] {
            assert!(text.contains(expected), "{options}: {expected} in {text}");
        }
        assert_eq!(
            text.contains("Read-only"),
            options.contains("ro"),
            "{options}: {text}"
        );
        assert!(!full.join("new").exists());
    }
    let error = Bed::new()
        .mount("bind", "/mnt", "/x", "bind,tmpcopyup")
        .error(&["true"]);
    assert_eq!(error, "mount /x: only a tmpfs starts with a copy (tmpcopyup)");
}

fn tmpfs_has_the_mode_of_what_it_covers() {
    let mut bed = Bed::new();
    let root = bed.bundle.join("rootfs");
    for (name, mode) in [("tmp", 0o1770), ("kept", 0o2750), ("asked", 0o700)] {
        fs::create_dir_all(root.join(name)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(root.join("kept/hidden"), "").unwrap();
    let text = bed
        .mount("tmpfs", "tmpfs", "/tmp", "")
        .mount("tmpfs", "tmpfs", "/kept", "ro,size=1m")
        .mount("tmpfs", "tmpfs", "/asked", "mode=755")
        .mount("tmpfs", "tmpfs", "/fresh", "")
        .sh("stat -c '%n %a' /tmp /kept /asked /fresh; ls /kept; touch /kept/x 2>&1")
        .output;
    assert!(
        text.starts_with("/tmp 1770\n/kept 2750\n/asked 755\n/fresh 1777\ntouch"),
        "{text}"
    );
    assert!(text.contains("Read-only"), "{text}");
}

fn propagation_of_mounts() {
    fs::create_dir_all("/mnt/shared/sub").unwrap();
    rustix::mount::mount("shared", "/mnt/shared", "tmpfs", MountFlags::empty(), None).unwrap();
    fs::create_dir_all("/mnt/shared/sub").unwrap();
    rustix::mount::mount("sub", "/mnt/shared/sub", "tmpfs", MountFlags::empty(), None).unwrap();
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    rustix::mount::mount_change("/mnt/shared", shared).unwrap();
    for (options, expected, below) in [
        ("rbind,rshared", "shared:", "shared:"),
        ("rbind,shared,rprivate", "- tmpfs", "- tmpfs"),
        ("rbind,rslave", "master:", "master:"),
        ("rbind,rprivate", "- tmpfs", "- tmpfs"),
        ("rbind,private", "- tmpfs", "master:"),
        ("rbind,runbindable", "unbindable", "unbindable"),
        ("rbind,rprivate,unbindable", "unbindable", "- tmpfs"),
    ] {
        let mut bed = Bed::new();
        let text = bed
            .mount("bind", "/mnt/shared", "/v", options)
            .sh("cat /proc/self/mountinfo")
            .output;
        for (at, expected) in [("/v", expected), ("/v/sub", below)] {
            let fields: Vec<&str> = mountinfo(&text, at).split(' ').collect();
            assert!(
                fields[6..].join(" ").starts_with(expected),
                "{options} {at}: {fields:?}"
            );
        }
    }
    // What is mounted inside a shared mount shows outside, where the root lets it out.
    let mut bed = Bed::new();
    bed.mount("bind", "/mnt/shared", "/v", "rbind,rshared")
        .mount("tmpfs", "inner", "/v/sub", "")
        .set("/linux/rootfsPropagation", json!("shared"));
    let seen = bed.while_created(&["true"], |_| fs::read_to_string("/proc/self/mountinfo").unwrap());
    assert!(mountinfo(&seen, "/mnt/shared/sub").contains(" inner "), "{seen}");
}

fn propagation_of_the_root() {
    rustix::mount::mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).unwrap();
    for (word, expected) in [
        ("", "-"),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("slave", "master:"),
        ("rslave", "master:"),
        ("private", "-"),
        ("rprivate", "-"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ] {
        let mut bed = Bed::new();
        let text = bed
            .set("/linux/rootfsPropagation", json!(word))
            .sh("cat /proc/self/mountinfo")
            .output;
        let fields: Vec<&str> = mountinfo(&text, "/").split(' ').collect();
        assert!(fields[6].starts_with(expected), "{word}: {fields:?}");
    }
}

fn binds_of_every_sort() {
    let volume = volume();
    let mut bed = Bed::new();
    let root = bed.bundle.join("rootfs");
    fs::create_dir_all(root.join("real/place")).unwrap();
    symlink("/real", root.join("alias")).unwrap();
    symlink("../real/place", root.join("etc/deep")).unwrap();
    symlink(
        "../run/systemd/resolve/stub-resolv.conf",
        root.join("etc/resolv.conf"),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind("/mnt/socket").unwrap();
    symlink("/mnt/volume", "/mnt/link").unwrap();
    let text = bed
        // Data of other file systems says nothing of a bind mount.
        .mount("bind", "/mnt/volume", "/data", "bind,size=5m,mode=700,nonsense")
        .mount("tmpfs", "alias", "/alias/place", "size=64k")
        .mount("bind", "/mnt/volume", "/etc/deep/new", "bind")
        .mount("bind", "/mnt/socket", "/run/socket", "bind")
        .mount("bind", "/dev/zero", "/dev/nothing", "bind")
        .mount("bind", "/mnt/volume/zero", "/etc/passwd", "bind,ro")
        .mount("bind", "/mnt/link", "/through", "bind")
        .mount("bind", "/mnt/volume/five", "/etc/resolv.conf", "bind")
        // The last one on a place is what shows.
        .mount("tmpfs", "one", "/twice", "size=64k")
        .mount("tmpfs", "two", "/twice", "size=64k")
        .mount("none", "/mnt/volume", "/typeless", "rbind")
        .sh("cat /proc/self/mountinfo; ls /data /through; stat -c '%n %F' /run/socket; stat -c '%n %t:%T' /dev/nothing; cat /etc/passwd; \
             ls /real/place/new; echo x 2>&1 >/etc/passwd")
        .output;
    for (at, part) in [
        ("/data", " /volume "),
        ("/real/place", " alias "),
        ("/real/place/new", " /volume "),
        ("/twice", " two "),
        ("/typeless", " /volume "),
        ("/run/systemd/resolve/stub-resolv.conf", " /volume/five "),
        ("/typeless/below", " below "),
        ("/etc/passwd", " ro,"),
    ] {
        assert!(mountinfo(&text, at).contains(part), "{at} {part}: {text}");
    }
    assert!(
        text.contains("/run/socket socket\n/dev/nothing 1:5\nbelow\nfive\nzero\n"),
        "{text}"
    );
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(volume.join("zero").exists());
    assert_eq!(
        text.lines()
            .filter(|l| l.split(' ').nth(4) == Some("/twice"))
            .count(),
        2,
        "{text}"
    );
}

fn labels_without_selinux_mean_nothing() {
    let label = "system_u:object_r:container_file_t:s0:c1,c2";
    let mut bed = Bed::new();
    bed.set("/linux/mountLabel", json!(label))
        .set(
            "/process/selinuxLabel",
            json!("system_u:system_r:container_t:s0:c1,c2"),
        )
        .set("/process/apparmorProfile", json!("docker-default"));
    assert!(!bed.facts.selinux && !bed.facts.apparmor && Path::new("/sys/fs").exists());
    assert_eq!(bed.sh("echo fine").output, "fine\n");
    // With it they are given to the kernel, which here knows nothing of them.
    bed.facts.selinux = true;
    let error = bed.error(&["true"]);
    assert_eq!(
        error,
        "mount /dev: invalid argument\nhint: the file system refused \"context\""
    );
}

fn owners_are_mapped_as_written() {
    let volume = volume();
    for (option, below) in [
        ("idmap=uids=0-1000-100;gids=0-2000-100", "5:5"),
        ("ridmap=uids=0-1000-3#3-1003-97;gids=0-2000-100", "1005:2005"),
    ] {
        let mut bed = Bed::new();
        bed.mount("bind", "/mnt/volume", "/v", &format!("rbind,{option}"))
            .set("/process/user", json!({"uid": 1003, "gid": 2003}));
        let expected = format!("/v/zero:1000:2000\n/v/five:1005:2005\n/v/below/five:{below}\n");
        assert_eq!(bed.sh(OWNERS).output, expected, "{option}");
        fs::remove_file(volume.join("made")).unwrap();
    }
    // Behind an @ the ids are those of the container.
    let mut bed = Bed::new();
    crate::users::give(&bed.bundle.join("rootfs"), 100_000);
    crate::users::with_user_namespace(&mut bed);
    let option = "idmap=uids=@0-7-10;gids=@0-8-10";
    let text = bed
        .mount("bind", "/mnt/volume", "/v", &format!("bind,{option}"))
        .sh("stat -c %n:%u:%g /v/zero; stat -c %n:%u:%g /v/five")
        .output;
    assert_eq!(text, "/v/zero:7:8\n/v/five:12:13\n");
}

fn links_are_copied() {
    fs::write("/mnt/file", "of a file\n").unwrap();
    symlink("/mnt/file", "/mnt/link").unwrap();
    let mut bed = Bed::new();
    let root = bed.bundle.join("rootfs");
    symlink("/mnt/file", root.join("same")).unwrap();
    let script = "readlink /new/link; readlink /same; cat /plain; grep -c copied /proc/self/mountinfo";
    let text = bed
        .mount("bind", "/mnt/link", "/new/link", "bind,copy-symlink,ro")
        .mount("bind", "/mnt/link", "/same", "bind,copy-symlink")
        .mount("bind", "/mnt/file", "/plain", "bind,copy-symlink")
        .sh(script)
        .output;
    assert_eq!(text, "/mnt/file\n/mnt/file\nof a file\n0\n");
    for (other, user) in [("file", false), ("link", false), ("directory", true)] {
        let mut bed = Bed::at(PathBuf::from(format!("/mnt/{other}-in-the-way")));
        let place = bed.bundle.join("rootfs/place");
        match other {
            "file" => fs::write(&place, "kept\n").unwrap(),
            "link" => symlink("/elsewhere", &place).unwrap(),
            _ => fs::create_dir(&place).unwrap(),
        }
        if user {
            crate::users::give(&bed.bundle.join("rootfs"), 100_000);
            crate::users::with_user_namespace(&mut bed);
        }
        let error = bed
            .mount("bind", "/mnt/link", "/place", "bind,copy-symlink")
            .error(&["true"]);
        assert_eq!(
            error,
            "bind mount /place: file exists\nhint: copy-symlink makes a link where nothing is, or the same link"
        );
    }
}

fn links_are_bound_and_covered() {
    fs::write("/mnt/file", "of the host\n").unwrap();
    symlink("/mnt/file", "/mnt/link").unwrap();
    for user in [false, true] {
        let mut bed = Bed::at(PathBuf::from(format!("/mnt/user-{user}")));
        let root = bed.bundle.join("rootfs");
        fs::write(root.join("inside"), "of the container\n").unwrap();
        for name in ["followed", "covered", "both"] {
            symlink("inside", root.join(name)).unwrap();
        }
        symlink("nowhere", root.join("dangling")).unwrap();
        if user {
            crate::users::give(&root, 100_000);
            crate::users::with_user_namespace(&mut bed);
        }
        let script = "cat /covered /dangling /inside; readlink /both; readlink /source; ls /nowhere 2>&1";
        let text = bed
            .mount("bind", "/mnt/file", "/covered", "bind,dest-nofollow")
            .mount("bind", "/mnt/file", "/dangling", "bind,dest-nofollow,ro")
            .mount("bind", "/mnt/link", "/both", "bind,src-nofollow,dest-nofollow")
            .mount("bind", "/mnt/link", "/source", "bind,src-nofollow")
            .sh(script)
            .output;
        assert_eq!(
            text,
            "of the host\nof the host\nof the container\n/mnt/file\n/mnt/file\n\
             ls: /nowhere: No such file or directory\n",
            "{user}"
        );
        let text = bed
            .mount("bind", "/mnt/file", "/followed", "bind")
            .sh("cat /inside")
            .output;
        assert_eq!(text, "of the host\n");
    }
}
