//! Each word form with what it means, and with what is refused.

use super::*;
use std::path::{Path, PathBuf};

/// The hint a person sees for a request that is refused.
fn hint(e: &tare_error::Error) -> String {
    e.first_hint().unwrap_or_default().to_owned()
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64mb", 64 << 20),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("512k", 512 << 10),
        ("1024", 1024),
        ("7b", 7),
        ("0", 0),
        ("64 m", 64 << 20),
        ("1t", 1 << 40),
        (".5k", 512),
    ] {
        assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
    }
    for text in [
        "64x",
        "",
        "m",
        "-1",
        "1e3",
        "64mm",
        "8192p",
        "9223372036854775808",
        "1.5.5m",
        "bb",
        "5bb",
    ] {
        let e = parse_size(text).unwrap_err();
        assert!(hint(&e).contains("b, k, m, g"), "{text}: {e}");
    }
    for (bytes, text) in [
        (67_108_864, "64 MiB"),
        (1, "1 bytes"),
        (1_610_612_736, "1.5 GiB"),
        (6 << 20, "6 MiB"),
    ] {
        assert_eq!(show_size(bytes), text);
    }
}

#[test]
fn memory_has_dockers_least() {
    assert_eq!(ResourcesRequest::parse_memory("6m").unwrap(), Some(6 << 20));
    assert_eq!(ResourcesRequest::parse_memory("0").unwrap(), None);
    assert_eq!(
        hint(&ResourcesRequest::parse_memory("5m").unwrap_err()),
        "the least is 6m"
    );
    assert_eq!(SwapLimit::parse("-1").unwrap(), Some(SwapLimit::Unlimited));
    assert_eq!(SwapLimit::parse("1g").unwrap(), Some(SwapLimit::Total(1 << 30)));
    SwapLimit::parse("-2").unwrap_err();
}

#[test]
fn processors() {
    for (text, thousandths) in [
        ("1.5", Some(1500)),
        (".25", Some(250)),
        ("2", Some(2000)),
        ("0", None),
        ("0.01", Some(10)),
        ("1.23456", Some(1234)),
    ] {
        assert_eq!(Cpus::parse(text).unwrap().map(|c| c.0), thousandths, "{text}");
    }
    for text in ["", "-1", "x", "0.001", "1,5", "99999999999999999999"] {
        Cpus::parse(text).unwrap_err();
    }
    for text in ["0", "0-3", "0,2", "0-1,4-7"] {
        CpuSet::parse(text).unwrap();
    }
    assert_eq!(CpuSet::parse("0-1,4-7").unwrap().highest(), 7);
    for text in ["", "3-1", "a", "0-", "0,,1", "99999"] {
        CpuSet::parse(text).unwrap_err();
    }
    assert_eq!(ResourcesRequest::parse_shares("512").unwrap(), Some(512));
    assert_eq!(ResourcesRequest::parse_shares("0").unwrap(), None);
    ResourcesRequest::parse_shares("1").unwrap_err();
    assert_eq!(PidsLimit::parse("-1").unwrap(), PidsLimit::Unlimited);
    assert_eq!(PidsLimit::parse("100").unwrap(), PidsLimit::Max(100));
    PidsLimit::parse("-2").unwrap_err();
    PidsLimit::parse("5000000").unwrap_err();
}

#[test]
fn users_are_numbers_or_names_and_never_both() {
    let id = IdOrName::Id;
    let name = |n: &str| IdOrName::Name(n.to_owned());
    for (text, user, group) in [
        ("0", id(0), None),
        ("1000:1000", id(1000), Some(id(1000))),
        ("www-data", name("www-data"), None),
        ("app:4294967294", name("app"), Some(id(4_294_967_294))),
        ("7seas", name("7seas"), None),
    ] {
        assert_eq!(
            UserRequest::parse(text).unwrap(),
            UserRequest { user, group },
            "{text}"
        );
    }
    // CVE-2024-40635: 32 bits overflow; CVE-2026-30892: trailing bytes.
    for text in [
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "-1",
        "+1",
        "",
        ":",
        "1:",
        ":1",
        "a b",
        "0 ",
        "1:2:3",
        "a/b",
        "a\n",
    ] {
        UserRequest::parse(text).unwrap_err();
    }
}

#[test]
fn environment() {
    let own = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    let set = |n: &str, v: &str| Variable::Set(n.into(), v.into());
    assert_eq!(Variable::parse("A=b=c", own).unwrap(), set("A", "b=c"));
    assert_eq!(Variable::parse("A=", own).unwrap(), set("A", ""));
    assert_eq!(Variable::parse("HOME", own).unwrap(), set("HOME", "/root"));
    assert_eq!(
        Variable::parse("GONE", own).unwrap(),
        Variable::Unset("GONE".into())
    );
    Variable::parse("=x", own).unwrap_err();
    let file = "\u{feff}# comment\n\n  A=1 2 \nB=\"q\"\nHOME\nGONE\n";
    let read = parse_environment_file("f", file, own).unwrap();
    assert_eq!(read, [set("A", "1 2 "), set("B", "\"q\""), set("HOME", "/root")]);
    let e = parse_environment_file("f", "A=1\nexport B=2\n", own).unwrap_err();
    assert_eq!(
        e.to_string(),
        "read environment file \"f\": line 2: the name has a space in it"
    );
    parse_environment_file("f", "=1\n", own).unwrap_err();
}

#[test]
fn capabilities() {
    for text in ["NET_ADMIN", "CAP_NET_ADMIN", "net_admin", "cap_net_admin"] {
        assert_eq!(Capability::parse(text).unwrap().to_string(), "CAP_NET_ADMIN");
    }
    assert_eq!(CapabilityChange::parse("ALL").unwrap(), CapabilityChange::All);
    assert_eq!(
        hint(&Capability::parse("RESOURCE").unwrap_err()),
        "did you mean SYS_RESOURCE?"
    );
    Capability::parse("").unwrap_err();
    let names: Vec<String> = Capability::of_set(Capability::DEFAULT)
        .map(|c| c.to_string())
        .collect();
    assert_eq!(names.len(), 14);
    assert_eq!(names[0], "CAP_CHOWN");
    assert_eq!(Capability::SYS_RESOURCE.to_string(), "CAP_SYS_RESOURCE");
    assert_eq!(Capability::MKNOD.to_string(), "CAP_MKNOD");
}

#[test]
fn names_and_host_names() {
    for good in ["web", "a1", "/web", "A_b.c-d"] {
        Name::parse(good).unwrap();
    }
    for bad in ["", "a", "-web", "w b", "we/b", "../x", "ä1", "/"] {
        Name::parse(bad).unwrap_err();
    }
    for good in ["web", "a.b.c", "x-1", "under_score"] {
        Hostname::parse(good).unwrap();
    }
    let long = "a".repeat(65);
    for bad in ["", "a b", "a\n127.0.0.1 x", "-a", "a.", long.as_str()] {
        Hostname::parse(bad).unwrap_err();
    }
}

#[test]
fn volumes() {
    let here = Path::new("/home/me");
    let read = |text| MountRequest::parse_volume(text, here);
    let mount = read("/srv:/data:ro,rslave").unwrap();
    let MountKind::Bind(source) = &mount.kind else {
        panic!()
    };
    assert_eq!(
        (mount.target.as_path(), mount.read_only),
        (Path::new("/data"), true)
    );
    assert_eq!(
        (source.path.as_path(), source.propagation),
        (Path::new("/srv"), Propagation::Slave)
    );
    let MountKind::Bind(source) = read("./a:/b/../c").unwrap().kind else {
        panic!()
    };
    assert_eq!(source.path, PathBuf::from("/home/me/a"));
    assert_eq!(read("./a:/b/../c").unwrap().target, PathBuf::from("/c"));
    for bad in ["/a:b", ":/b", "/a:/", "/a:/b:bogus", "/a:/.."] {
        assert_eq!(read(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
    for (text, name, no_copy, read_only) in [
        ("data:/data", Some("data"), false, false),
        ("data:/data:nocopy,ro", Some("data"), true, true),
        ("/data", None, false, false),
    ] {
        let mount = read(text).unwrap();
        let MountKind::Volume(source) = &mount.kind else {
            panic!()
        };
        let found = (
            source.name.as_ref().map(Name::as_str),
            source.no_copy,
            mount.read_only,
        );
        assert_eq!(
            (found, mount.target.as_path()),
            ((name, no_copy, read_only), Path::new("/data"))
        );
    }
    for bad in ["data", "d:/data", "a/b:/data", "data:/data:rslave"] {
        assert_eq!(read(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
}

#[test]
fn tmpfs_mounts() {
    let mount = MountRequest::parse_tmpfs("/run:size=64k,mode=1777,exec").unwrap();
    assert_eq!(
        mount.kind,
        MountKind::Tmpfs(vec!["size=64k".into(), "mode=1777".into()])
    );
    assert_eq!(mount.flags, ["nosuid", "nodev", "exec"]);
    assert_eq!(
        MountRequest::parse_tmpfs("/run").unwrap().flags,
        ["noexec", "nosuid", "nodev"]
    );
    for bad in [
        "run",
        "/run:bogus",
        "/run:size=",
        "/run:mode=9",
        "/run:uid=-1",
        "/run:size=1;x",
    ] {
        MountRequest::parse_tmpfs(bad).unwrap_err();
    }
}

#[test]
fn mounts_by_fields() {
    let read = |text| MountRequest::parse_mount(text, Path::new("/h"));
    let mount = read("type=bind,src=/a,dst=/b,readonly,bind-propagation=rshared").unwrap();
    assert!(mount.read_only);
    let MountKind::Bind(source) = mount.kind else {
        panic!()
    };
    assert_eq!(
        (source.path, source.propagation),
        (PathBuf::from("/a"), Propagation::Shared)
    );
    let MountKind::Bind(source) = read("type=bind,\"source=/a,b\",target=/b").unwrap().kind else {
        panic!()
    };
    assert_eq!(source.path, PathBuf::from("/a,b"));
    let mount = read("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700").unwrap();
    assert_eq!(
        mount.kind,
        MountKind::Tmpfs(vec!["size=1048576".into(), "mode=700".into()])
    );
    for bad in [
        "type=bind,src=/a",
        "type=bind,dst=/b",
        "type=bind,src=/a,dst=/b,bogus=1",
        "type=nfs,dst=/b",
        "type=tmpfs,src=/a,dst=/b",
        "type=bind,\"src=/a,dst=/b",
        "type=bind,src=/a,dst=/b,readonly=maybe",
        "type=tmpfs,dst=/b,tmpfs-mode=+1",
    ] {
        assert_eq!(read(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
    let MountKind::Volume(source) = read("src=ab,dst=/b,volume-nocopy,ro").unwrap().kind else {
        panic!()
    };
    assert_eq!((source.name.unwrap().as_str(), source.no_copy), ("ab", true));
    assert!(read("type=volume,dst=/b,volume-opt=type=nfs").is_err());
}

#[test]
fn devices() {
    let device = DeviceRequest::parse("/dev/fuse").unwrap();
    assert_eq!(
        (device.target.as_path(), device.access.as_str()),
        (Path::new("/dev/fuse"), "rwm")
    );
    assert_eq!(DeviceRequest::parse("/dev/a:/dev/b:r").unwrap().access, "r");
    assert_eq!(
        DeviceRequest::parse("/dev/a:rw").unwrap().target,
        PathBuf::from("/dev/a")
    );
    for bad in [
        "fuse",
        "/dev/a:/dev/b:x",
        "/dev/a:/dev/b:rr",
        "/dev/../etc/passwd",
        "/dev/a:b",
        "a:b:c:d",
    ] {
        DeviceRequest::parse(bad).unwrap_err();
    }
}

#[test]
fn security_options() {
    let read = |text| SecurityOption::parse(text, Path::new("/h"));
    assert_eq!(
        read("no-new-privileges").unwrap(),
        SecurityOption::NoNewPrivileges(true)
    );
    assert_eq!(
        read("no-new-privileges:false").unwrap(),
        SecurityOption::NoNewPrivileges(false)
    );
    assert_eq!(
        read("seccomp=unconfined").unwrap(),
        SecurityOption::Seccomp(SeccompChoice::Unconfined)
    );
    assert_eq!(
        read("seccomp=p.json").unwrap(),
        SecurityOption::Seccomp(SeccompChoice::File("/h/p.json".into()))
    );
    assert_eq!(
        read("label:disable").unwrap(),
        SecurityOption::Label("disable".into())
    );
    for bad in [
        "",
        "seccomp",
        "seccomp=",
        "no-new-privileges=maybe",
        "bogus=1",
        "systempaths=x",
    ] {
        read(bad).unwrap_err();
    }
}

#[test]
fn sysctls_stay_inside_a_namespace() {
    for (text, scope) in [
        ("net.ipv4.ip_forward=1", Scope::Network),
        ("kernel.shmmax=1", Scope::Ipc),
        ("kernel.sem=250 32000 100 128", Scope::Ipc),
        ("fs.mqueue.msg_max=10", Scope::Ipc),
        ("kernel.domainname=x", Scope::Uts),
    ] {
        assert_eq!(Sysctl::parse(text).unwrap().scope(), scope, "{text}");
    }
    for denied in [
        "kernel.core_pattern=|/x",
        "vm.swappiness=1",
        "fs.file-max=1",
        "kernel.hostname=x",
        "kernel.shmmaxx=1",
    ] {
        assert_eq!(
            Sysctl::parse(denied).unwrap_err().kind(),
            Kind::Denied,
            "{denied}"
        );
    }
    // CVE-2022-0811: separators in names or values smuggled a second parameter.
    for bad in [
        "net",
        "net.ipv4.ip_forward",
        "net/ipv4/ip_forward=1",
        "net.ipv4..x=1",
        "net.a=1\nkernel.core_pattern=|/x",
        "kernel.shm_rmid_forced=1+kernel.core_pattern",
        "net.a=",
        "net.../../kernel=1",
    ] {
        assert_eq!(Sysctl::parse(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
}

#[test]
fn ulimits() {
    let limit = Ulimit::parse("nofile=10:20").unwrap();
    assert_eq!((limit.kind, limit.soft, limit.hard), ("RLIMIT_NOFILE", 10, 20));
    assert_eq!(Ulimit::parse("core=-1").unwrap().hard, u64::MAX);
    for bad in [
        "nofile",
        "files=1",
        "nofile=x",
        "nofile=2:1",
        "nofile=-2",
        "nofile=1:2:3",
    ] {
        Ulimit::parse(bad).unwrap_err();
    }
}

#[test]
fn namespaces() {
    assert_eq!(PidMode::parse("host").unwrap(), PidMode::Host);
    assert_eq!(NetworkMode::parse("none").unwrap(), NetworkMode::None);
    assert_eq!(UserMode::parse("host").unwrap(), UserMode::Host);
    for (e, kind) in [
        (PidMode::parse("container:x").unwrap_err(), Kind::Unsupported),
        (IpcMode::parse("bogus").unwrap_err(), Kind::Invalid),
        (NetworkMode::parse("bridge").unwrap_err(), Kind::Unsupported),
        (NetworkMode::parse("").unwrap_err(), Kind::Invalid),
        (UserMode::parse("auto:size=1").unwrap_err(), Kind::Unsupported),
        (UserMode::parse("bogus").unwrap_err(), Kind::Invalid),
        (PullPolicy::parse("no").unwrap_err(), Kind::Invalid),
        (parse_label("=x").unwrap_err(), Kind::Invalid),
    ] {
        assert_eq!(e.kind(), kind, "{e}");
    }
    assert_eq!(parse_label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
    assert_eq!(parse_label("a").unwrap(), ("a".into(), String::new()));
}
