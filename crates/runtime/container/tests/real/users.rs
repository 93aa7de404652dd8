//! User namespaces: made by root for a container, and entered by an ordinary user for everything.

use crate::Test;
use crate::bed::{Bed, make_root};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use tare_process::rootless::{self, Standing};
use tare_spec_oci::Mount;

pub(crate) const TESTS: &[Test] = &[
    ("user_namespace_of_a_container", user_namespace_of_a_container),
    ("user_namespace_over_an_overlay", user_namespace_over_an_overlay),
    (
        "user_namespace_names_a_missing_source",
        user_namespace_names_a_missing_source,
    ),
    (
        "ordinary_user_with_subordinate_ids",
        ordinary_user_with_subordinate_ids,
    ),
    ("ordinary_user_alone", ordinary_user_alone),
];

/// The argument by which this program knows that it plays an ordinary user.
pub(crate) const ORDINARY: &str = "--ordinary";

pub(crate) fn give(path: &Path, id: u32) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path(), id);
        }
        std::os::unix::fs::lchown(entry.path(), Some(id), Some(id)).unwrap();
    }
    chown(path, Some(id), Some(id)).unwrap();
}

pub(crate) fn with_user_namespace(bed: &mut Bed) {
    bed.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bed.set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
}

fn user_namespace_of_a_container() {
    let mut bed = Bed::new();
    give(&bed.bundle.join("rootfs"), 100_000);
    // A volume below a directory that only root may enter, as the engine's are.
    fs::create_dir_all("/mnt/private/volume").unwrap();
    fs::set_permissions(
        "/mnt/private",
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    give(Path::new("/mnt/private/volume"), 100_007);
    with_user_namespace(&mut bed);
    bed.mount("bind", "/mnt/private/volume", "/volume", "rbind")
        .set(
            "/process/user",
            json!({"uid": 7, "gid": 7, "additionalGids": [9]}),
        )
        .set("/process/oomScoreAdj", json!(300))
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}]),
        )
        .set("/linux/sysctl", json!({"net.core.somaxconn": "99"}));
    let script = "id; cat /proc/self/uid_map /proc/self/oom_score_adj /proc/sys/net/core/somaxconn; ulimit -n; \
        stat -c %u:%t:%T /dev/null /proc/1; echo x >/volume/made; echo out >/dev/stdout; ls /sys/fs/cgroup";
    let text = bed.sh(script).output;
    assert!(
        text.starts_with("uid=7 gid=7 groups=9\n         0     100000      65536\n300\n99\n100\n"),
        "{text}"
    );
    assert!(text.contains("out\n"), "{text}");
    assert_eq!(fs::metadata("/mnt/private/volume/made").unwrap().uid(), 100_007);
    let root = bed
        .set("/process/user", json!({"uid": 0, "gid": 0}))
        .sh("cat /proc/self/status; touch /made; hostname")
        .output;
    assert!(
        root.contains("CapEff:\t00000000a80425fb") && root.ends_with("first\n"),
        "{root}"
    );
    assert_eq!(
        fs::metadata(bed.bundle.join("rootfs/made")).unwrap().uid(),
        100_000
    );
}

fn user_namespace_over_an_overlay() {
    for append in [true, false] {
        let mut bed = Bed::new();
        bed.facts.overlay_append = append;
        with_user_namespace(&mut bed);
        let name = |n: &str| format!("/mnt/private{append}/{n}");
        make_root(Path::new(&name("lower")));
        for directory in ["lower", "upper", "work"] {
            fs::create_dir_all(name(directory)).unwrap();
            give(Path::new(&name(directory)), 100_000);
        }
        fs::set_permissions(name(""), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let options = [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")];
        bed.rootfs = vec![Mount {
            destination: "/".into(),
            kind: Some("overlay".into()),
            options: options.map(|(k, n)| format!("{k}={}", name(n))).to_vec(),
            ..Mount::default()
        }];
        assert_eq!(bed.sh("id -u; touch /made").output, "0\n");
        assert_eq!(fs::metadata(name("upper/made")).unwrap().uid(), 100_000);
    }
}

fn user_namespace_names_a_missing_source() {
    let mut bed = Bed::new();
    with_user_namespace(&mut bed);
    let error = bed.mount("bind", "/mnt/none/x", "/x", "bind").error(&["true"]);
    assert_eq!(error, "open /mnt/none/x for /x: /mnt/none does not exist");
}

/// Runs this program as uid 1000 in a home of its own, with what `/etc/subuid` and `/etc/subgid` say.
fn as_user(subordinate: &str) -> String {
    for (name, content) in [
        ("subuid", subordinate),
        ("subgid", subordinate),
        ("passwd", "root:x:0:0::/:\nann:x:1000:1000::/:\n"),
    ] {
        let path = format!("/mnt/{name}");
        fs::write(&path, content).unwrap();
        rustix::mount::mount_bind(&path, format!("/etc/{name}")).unwrap();
    }
    let home = Path::new("/mnt/home");
    fs::create_dir_all(home).unwrap();
    fs::copy("/proc/self/exe", home.join("program")).unwrap();
    give(home, 1000);
    let output = Command::new(home.join("program"))
        .arg(ORDINARY)
        .uid(1000)
        .gid(1000)
        .current_dir(home)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

fn ordinary_user_with_subordinate_ids() {
    let text = as_user("ann:200000:65536\n");
    assert!(text.contains("Inside { ids: 65537 }, sealed true"), "{text}");
    assert!(text.contains("uid=33 gid=33 groups=34\n"), "{text}");
    assert!(
        text.contains("0       1000          1\n         1     200000      65536\n"),
        "{text}"
    );
    assert!(text.contains("via the pipe\n1:3\n"), "{text}");
    // Inside 33, outside the 33rd of the range, as 0 is the user itself.
    assert_eq!(fs::metadata("/mnt/home/upper/tmp/made").unwrap().uid(), 200_032);
}

fn ordinary_user_alone() {
    let text = as_user("");
    assert!(text.contains("Inside { ids: 1 }, sealed true"), "{text}");
    assert!(text.contains("uid=0(root) gid=0\n"), "{text}");
}

/// The ordinary user's part: enters, then makes a container of an overlay as root would.
pub(crate) fn as_ordinary_user() -> ExitCode {
    let standing = rootless::enter().unwrap();
    tare_process::seal::enter().unwrap();
    println!(
        "{standing:?}, sealed {}",
        tare_process::seal::is_sealed().unwrap()
    );
    let home = Path::new("/mnt/home");
    make_root(&home.join("lower"));
    fs::set_permissions(
        home.join("lower/tmp"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    for name in ["upper", "work"] {
        fs::create_dir_all(home.join(name)).unwrap();
    }
    let mut bed = Bed::at(home.join("bundle"));
    assert!(bed.facts.user_namespace);
    bed.rootfs = vec![Mount {
        destination: "/".into(),
        kind: Some("overlay".into()),
        options: ["lowerdir=lower", "upperdir=upper", "workdir=work"]
            .map(|o| o.replace('=', "=/mnt/home/"))
            .into_iter()
            .chain(["userxattr".to_owned()])
            .collect(),
        ..Mount::default()
    }];
    if standing != (Standing::Inside { ids: 1 }) {
        bed.set(
            "/process/user",
            json!({"uid": 33, "gid": 33, "additionalGids": [34]}),
        );
    }
    let script = "id; cat /proc/self/uid_map; echo via the pipe >/dev/stdout; stat -c %t:%T /dev/null; echo x >/dev/null; \
        echo x >/tmp/made; ls /sys/class/net /sys/fs/cgroup /proc/1/ns >/dev/null";
    let ended = bed.sh(script);
    println!("{}", ended.output);
    assert_eq!(ended.code, Some(0));
    // And with the host's network, where sysfs cannot be mounted anew.
    bed.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|n| n["type"] != "network");
    let ended = bed.sh("ls /sys/class/net");
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    ExitCode::SUCCESS
}
