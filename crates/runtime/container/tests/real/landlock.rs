//! What Landlock allows a container and what not, and kernels that have none or less of it.

use crate::Test;
use crate::bed::{Bed, make_root};
use crate::denied::{deny, filter};
use crate::layers::overlay;
use rustix::io::Errno;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tare_container::{HostFacts, Landlock, PathRights, PathRule, Scopes};
use tare_sys::FilterFlags;

pub(crate) const TESTS: &[Test] = &[
    ("landlock_reads_and_does_not_write", reads_and_does_not_write),
    ("landlock_executes_in_one_place", executes_in_one_place),
    ("landlock_ports", ports),
    ("landlock_scopes", scopes),
    ("landlock_paths_are_the_containers", paths_are_the_containers),
    ("landlock_on_layers", on_layers),
    ("landlock_is_for_any_user", for_any_user),
    ("landlock_is_not_there", is_not_there),
    ("landlock_is_refused", is_refused),
    ("landlock_is_older", is_older),
    ("landlock_not_asked_for_is_no_call", not_asked_for_is_no_call),
];

/// Whether this kernel can do all that is tested.
fn is_here() -> bool {
    let here = HostFacts::find_landlock() >= 6;
    if !here {
        println!("not looked at: this kernel has no Landlock of version 6");
    }
    here
}

/// Rights by their names.
fn rights(names: &str) -> PathRights {
    names
        .split(' ')
        .map(|name| Landlock::path_rights(name).unwrap())
        .collect()
}

/// What restricts files: all that can be, or some rights.
fn files(handled: &str, rules: &[(&str, &str)]) -> Landlock {
    let rule = |(path, names): &(&str, &str)| PathRule {
        path: path.into(),
        rights: rights(names),
    };
    Landlock {
        handled: rights(handled),
        paths: rules.iter().map(rule).collect(),
        bind: None,
        connect: None,
        scopes: Scopes::empty(),
        required: true,
    }
}

fn confined(landlock: Landlock) -> Bed {
    let mut bed = Bed::new();
    bed.facts.landlock = HostFacts::find_landlock();
    bed.landlock = Some(landlock);
    bed
}

fn reads_and_does_not_write() {
    if !is_here() {
        return;
    }
    let mut bed = confined(files(
        "all",
        &[("/", "read execute"), ("/tmp", "write"), ("/etc/motd", "write")],
    ));
    fs::write(bed.bundle.join("rootfs/etc/motd"), "long\n").unwrap();
    let script = "cat /etc/passwd; echo a >/etc/x; echo b >/tmp/b; cat /tmp/b; busybox mv /tmp/b /etc/b; busybox mkdir /etc/d; \
        busybox rm /etc/passwd; busybox truncate -s 0 /etc/passwd; busybox ln -s x /tmp/l; ls /tmp; echo new >/etc/motd; cat /etc/motd; \
        grep NoNewPrivs /proc/self/status; busybox mount -t tmpfs t /tmp";
    let text = bed.sh(&format!("exec 2>&1; {script}")).output;
    let expected = "root:x:0:0::/root:/bin/sh
/bin/sh: can't create /etc/x: Permission denied
b
mv: can't rename '/tmp/b': Permission denied
mkdir: can't create directory '/etc/d': Permission denied
rm: can't remove '/etc/passwd': Permission denied
truncate: /etc/passwd: open: Permission denied
b
l
new
NoNewPrivs:\t0
mount: permission denied (are you root?)
";
    assert_eq!(text, expected);
    bed.landlock = None;
    let text = bed.sh("echo a >/etc/x && cat /etc/x").output;
    assert_eq!(text, "a\n", "without it nothing is confined");
}

fn executes_in_one_place() {
    if !is_here() {
        return;
    }
    let mut bed = confined(files("execute", &[("/bin", "execute")]));
    let root = bed.bundle.join("rootfs");
    fs::copy(root.join("bin/busybox"), root.join("tmp/busybox")).unwrap();
    let text = bed
        .sh("exec 2>&1; echo x >/etc/x; cat /etc/x; /bin/ls /etc; /tmp/busybox true")
        .output;
    assert_eq!(text, "x\npasswd\nx\n/bin/sh: /tmp/busybox: Permission denied\n");
    let error = bed.error(&["/tmp/busybox", "true"]);
    assert!(
        error.starts_with(
            "execute /tmp/busybox: permission denied\nhint: what confines it by Landlock must allow"
        ),
        "{error}"
    );
}

fn ports() {
    if !is_here() {
        return;
    }
    let mut asked = files("execute", &[("/", "execute")]);
    (asked.handled, asked.paths) = (PathRights::empty(), Vec::new());
    asked.bind = Some(vec![8080]);
    asked.connect = Some(vec![81, 8080]);
    let mut bed = confined(asked);
    let script = "busybox nc -l -p 80; (until echo over | busybox nc 127.0.0.1 8080; do :; done) 2>/dev/null & \
        busybox nc -l -p 8080; busybox nc 127.0.0.1 81; busybox nc 127.0.0.1 82; echo free >/etc/x; cat /etc/x";
    let text = bed.sh(&format!("exec 2>&1; {script}")).output;
    let expected = "nc: bind: Permission denied
over
nc: can't connect to remote host (127.0.0.1): Connection refused
nc: can't connect to remote host (127.0.0.1): Permission denied
free
";
    assert_eq!(text, expected);
}

fn scopes() {
    if !is_here() {
        return;
    }
    let mut asked = files("execute", &[]);
    asked.handled = PathRights::empty();
    asked.scopes = Scopes::SIGNAL;
    let mut bed = confined(asked);
    // Among the host's processes, to which a container of root's may send signals.
    let mut namespaces = bed.spec["linux"]["namespaces"].clone();
    namespaces.as_array_mut().unwrap().retain(|n| n["type"] != "pid");
    bed.set("/linux/namespaces", namespaces);
    let script = "exec 2>&1; sleep 100 & kill -0 $! && echo own; kill $!; kill -0 $PPID && echo other";
    let text = bed.sh(script).output;
    assert_eq!(
        text,
        format!(
            "own\nsh: can't kill pid {}: Operation not permitted\n",
            std::process::id()
        )
    );
    bed.landlock = None;
    assert_eq!(bed.sh(script).output, "own\nother\n");
}

fn paths_are_the_containers() {
    if !is_here() {
        return;
    }
    let mut bed = confined(files("write", &[("/into/x", "write")]));
    let root = bed.bundle.join("rootfs");
    // A link of the image leads below the container's root, whatever stands there on the host.
    fs::create_dir_all("/mnt/outside/x").unwrap();
    symlink("/mnt/outside", root.join("into")).unwrap();
    assert_eq!(
        bed.error(&["true"]),
        "allow write below /into/x: no such file or directory"
    );
    fs::create_dir_all(root.join("mnt/outside/x")).unwrap();
    let text = bed
        .sh("exec 2>&1; echo a >/mnt/outside/x/a; cat /into/x/a; echo a >/mnt/outside/a")
        .output;
    assert_eq!(
        text,
        "a\n/bin/sh: can't create /mnt/outside/a: Permission denied\n"
    );
    for (path, names, told) in [
        (
            "/nosuch",
            "read execute",
            "allow read, execute below /nosuch: no such file or directory",
        ),
        (
            "/etc/passwd",
            "makeDir",
            "allow makeDir below /etc/passwd: not a directory",
        ),
        (
            "/proc/self/root",
            "all",
            "allow all below /proc/self/root: symbolic link loop",
        ),
        ("etc", "read", "allow read below etc: the path must be absolute"),
    ] {
        bed.landlock = Some(files("all", &[(path, names)]));
        assert_eq!(bed.error(&["true"]).lines().next().unwrap_or_default(), told);
    }
}

/// What a rule names in a layer below is the same once it was copied to the top.
fn on_layers() {
    if !is_here() {
        return;
    }
    let rules = [
        ("/", "read execute"),
        ("/etc/passwd", "write"),
        ("/etc/ssl", "write"),
    ];
    let mut bed = confined(files("all", &rules));
    make_root(Path::new("/mnt/layer"));
    for folder in ["layer/etc/ssl", "upper", "work"] {
        fs::create_dir_all(Path::new("/mnt").join(folder)).unwrap();
    }
    let options = ["lowerdir=/mnt/layer", "upperdir=/mnt/upper", "workdir=/mnt/work"];
    bed.rootfs = vec![overlay(&options.map(str::to_owned))];
    let script = "exec 2>&1; echo a >>/etc/passwd; echo b >>/etc/passwd; echo c >/etc/ssl/c; echo d >>/etc/ssl/c; \
        echo e >/etc/e; busybox tail -n 2 /etc/passwd; cat /etc/ssl/c";
    let text = bed.sh(script).output;
    assert_eq!(
        text,
        "/bin/sh: can't create /etc/e: Permission denied\na\nb\nc\nd\n"
    );
    assert!(Path::new("/mnt/upper/etc/passwd").exists());
}

/// With and without `no_new_privs`, whoever the user is.
fn for_any_user() {
    if !is_here() {
        return;
    }
    let rules = [("/", "read execute")];
    for no_new_privileges in [false, true] {
        let mut bed = confined(files("all", &rules));
        bed.set("/process/user", json!({"uid": 1000, "gid": 1000}));
        bed.set("/process/noNewPrivileges", json!(no_new_privileges));
        bed.set("/process/capabilities", json!({}));
        // mkdir: ENOSYS, by a filter that comes after.
        bed.seccomp = Some(deny(83, 38));
        fs::set_permissions(
            bed.bundle.join("rootfs/tmp"),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let text = bed
            .sh("exec 2>&1; id -u; echo x >/tmp/x; busybox mkdir /tmp/d")
            .output;
        assert_eq!(
            text,
            "1000\n/bin/sh: can't create /tmp/x: Permission denied\nmkdir: can't create directory '/tmp/d': Function not implemented\n"
        );
    }
    // In a user namespace, whose root may confine itself, too.
    let mut bed = confined(files("all", &rules));
    let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    bed.set("/linux/uidMappings", map.clone());
    bed.set("/linux/gidMappings", map);
    let mut namespaces = bed.spec["linux"]["namespaces"].clone();
    namespaces.as_array_mut().unwrap().push(json!({"type": "user"}));
    bed.set("/linux/namespaces", namespaces);
    let text = bed.sh("exec 2>&1; id -u; echo x >/tmp/x").output;
    assert_eq!(text, "0\n/bin/sh: can't create /tmp/x: Permission denied\n");
}

/// Loads a filter that has a system call fail.
fn without(call: u32, errno: Errno) {
    let errno = u32::try_from(errno.raw_os_error()).unwrap();
    tare_sys::load_filter(&deny(call, errno), FilterFlags::empty()).unwrap();
}

fn is_not_there() {
    let mut bed = Bed::new();
    // landlock_create_ruleset(2), of a kernel that was booted without.
    without(444, Errno::OPNOTSUPP);
    bed.facts.landlock = HostFacts::find_landlock();
    assert_eq!(bed.facts.landlock, 0);
    let mut asked = files("all", &[("/", "read execute")]);
    bed.landlock = Some(asked.clone());
    assert_eq!(
        bed.error(&["true"]),
        "confine by Landlock: this kernel has no Landlock, or a filter hides it\n\
        hint: where it is not required, as much is done as the kernel can"
    );
    asked.required = false;
    bed.landlock = Some(asked);
    assert_eq!(bed.sh("echo x >/etc/x; cat /etc/x").output, "x\n");
}

fn is_refused() {
    if !is_here() {
        return;
    }
    for (call, step) in [
        (444, "make a Landlock ruleset"),
        (445, "allow read, execute below /"),
        (446, "confine by Landlock"),
    ] {
        let mut bed = confined(files("all", &[("/", "read execute")]));
        // Each in a process of its own, as a filter stays.
        let forked = tare_process::spawn(
            &tare_process::Fork {
                flags: tare_sys::CloneFlags::empty(),
                group: None,
                keep: &[],
            },
            || {
                without(call, Errno::NOSYS);
                let told = bed.error(&["true"]);
                let expected = format!(
                    "{step}: function not implemented\nhint: a seccomp filter or an old kernel denies a system call that this needs"
                );
                assert_eq!(told, expected);
                0
            },
        );
        let ended = forked.unwrap().wait().unwrap();
        assert_eq!(ended.exit_status(), Some(0), "{step}");
    }
}

/// Played by facts: this kernel would take more.
fn is_older() {
    if !is_here() {
        return;
    }
    let mut asked = files(
        "all",
        &[("/", "read execute"), ("/dev/null", "write"), ("/tmp", "refer")],
    );
    asked.bind = Some(Vec::new());
    asked.scopes = Scopes::all();
    for (version, lacking) in [
        (
            1,
            "refer, truncate, ioctlDev, tcp.bind, abstractUnixSocket, signal",
        ),
        (3, "ioctlDev, tcp.bind, abstractUnixSocket, signal"),
        (5, "abstractUnixSocket, signal"),
    ] {
        asked.required = true;
        let mut bed = confined(asked.clone());
        bed.facts.landlock = version;
        let told = bed.error(&["true"]);
        let expected =
            format!("confine by Landlock: version {version} of this kernel cannot restrict {lacking}\n");
        assert!(told.starts_with(&expected), "{told}");
        asked.required = false;
        bed.landlock = Some(asked.clone());
        let script = "exec 2>&1; echo x >/etc/x; (until echo bound | busybox nc 127.0.0.1 80; do :; done) 2>/dev/null & busybox nc -l -p 80";
        let expected = match version {
            ..4 => "bound",
            _ => "nc: bind: Permission denied",
        };
        assert_eq!(
            bed.sh(script).output,
            format!("/bin/sh: can't create /etc/x: Permission denied\n{expected}\n"),
            "{version}"
        );
    }
}

fn not_asked_for_is_no_call() {
    let mut bed = Bed::new();
    for call in 444..=446 {
        // Whoever makes the call is killed.
        tare_sys::load_filter(&filter(call, 0x8000_0000), FilterFlags::empty()).unwrap();
    }
    bed.facts = HostFacts::read_for(&tare_container::Options::default()).unwrap();
    assert_eq!(bed.sh("echo well").output, "well\n");
}
