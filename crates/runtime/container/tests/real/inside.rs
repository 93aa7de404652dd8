//! What a container looks like from inside.

use crate::Test;
use crate::bed::Bed;
use serde_json::json;
use std::fs;

pub(crate) const TESTS: &[Test] = &[
    ("status_is_dockers", status_is_dockers),
    ("mounts_are_as_asked", mounts_are_as_asked),
    ("devices_and_links", devices_and_links),
    ("namespaces_are_new", namespaces_are_new),
    ("masked_and_read_only", masked_and_read_only),
    ("names_parameters_and_loopback", names_parameters_and_loopback),
    ("user_limits_and_directory", user_limits_and_directory),
    ("exit_code_is_the_process_own", exit_code_is_the_process_own),
];

fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("{key} in {text}"))
        .trim()
}

fn status_is_dockers() {
    let mut bed = Bed::new();
    let status = bed.try_run(&["cat", "/proc/self/status"]).unwrap().output;
    assert_eq!(value(&status, "CapEff"), "00000000a80425fb");
    assert_eq!(value(&status, "CapPrm"), "00000000a80425fb");
    assert_eq!(value(&status, "CapBnd"), "00000000a80425fb");
    assert_eq!(value(&status, "CapInh"), "0000000000000000");
    assert_eq!(value(&status, "CapAmb"), "0000000000000000");
    assert_eq!(value(&status, "NoNewPrivs"), "0");
    assert_eq!(value(&status, "SigIgn"), "0000000000000000");
    assert_eq!(value(&status, "SigBlk"), "0000000000000000");
    assert_eq!(value(&status, "Umask"), "0022");
    assert_eq!(value(&status, "Groups"), "");
    bed.set("/process/noNewPrivileges", json!(true));
    assert_eq!(value(&bed.sh("cat /proc/self/status").output, "NoNewPrivs"), "1");
}

fn mounts_are_as_asked() {
    let mut bed = Bed::new();
    fs::create_dir_all("/mnt/data/sub").unwrap();
    fs::write("/mnt/data/sub/f", "bound\n").unwrap();
    fs::write("/mnt/file", "one file\n").unwrap();
    bed.mount("bind", "/mnt/data", "/data", "rbind,ro,rprivate")
        .mount("bind", "/mnt/file", "/etc/made/file", "bind");
    bed.mount("tmpfs", "tmpfs", "/scratch", "size=1m,mode=700,noexec");
    let ended = bed
        .sh("cat /proc/self/mountinfo; cat /data/sub/f /etc/made/file; touch /data/x 2>&1; touch /scratch/y");
    let text = ended.output;
    assert_eq!(ended.code, Some(0), "{text}");
    for (at, parts) in [
        ("/proc", "rw,nosuid,nodev,noexec,relatime"),
        ("/dev", "rw,nosuid -"),
        ("/dev/pts", "rw,nosuid,noexec,relatime"),
        ("/sys", "ro,nosuid,nodev,noexec,relatime"),
        ("/dev/shm", "rw,nosuid,nodev,noexec,relatime"),
        ("/data", "ro"),
        ("/scratch", "rw,noexec"),
        ("/etc/made/file", "rw"),
    ] {
        let line = text
            .lines()
            .find(|l| l.split(' ').nth(4) == Some(at))
            .unwrap_or_else(|| panic!("{at} in {text}"));
        assert!(
            line.split(' ')
                .nth(5)
                .unwrap()
                .starts_with(parts.trim_end_matches(" -")),
            "{line}"
        );
        assert!(!line.contains("shared:"), "{line}");
    }
    assert!(text.contains("bound\none file\n"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
}

fn devices_and_links() {
    let mut bed = Bed::new();
    bed.set("/linux/devices", json!([{"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o640, "gid": 7}]));
    let text = bed
        .sh("stat -c '%n %t:%T %a %u:%g' /dev/null /dev/tty /dev/net/tun; for l in fd ptmx stdout; do readlink /dev/$l; done; echo x >/dev/null")
        .output;
    for line in [
        "/dev/null 1:3 666 0:0",
        "/dev/tty 5:0 666 0:0",
        "/dev/net/tun a:c8 640 0:7",
        "/proc/self/fd",
        "pts/ptmx",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

fn namespaces_are_new() {
    let mut bed = Bed::new();
    let text = bed.sh("for n in mnt net uts pid ipc cgroup user; do readlink /proc/1/ns/$n; done; echo $$; cat /proc/1/cgroup").output;
    for name in ["mnt", "net", "uts", "pid", "ipc", "cgroup"] {
        let own = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(text.contains(&format!("{name}:[")), "{text}");
        assert!(
            !text.contains(own.to_str().unwrap()),
            "{name} is the host's: {text}"
        );
    }
    assert!(text.contains(fs::read_link("/proc/self/ns/user").unwrap().to_str().unwrap()));
    assert!(text.contains("\n1\n"), "the shell is pid 1: {text}");
}

fn masked_and_read_only() {
    let mut bed = Bed::new();
    let text = bed
        .sh("cat /proc/keys /proc/timer_list | wc -c 2>/dev/null || cat /proc/keys; ls /sys/firmware; stat -c %t:%T /proc/keys; \
             echo 1 2>&1 >/proc/sys/kernel/domainname; touch /proc/irq 2>&1; mount -o remount,rw /proc/sys 2>&1")
        .output;
    assert!(text.contains("1:3"), "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(
        text.to_lowercase().contains("permi") || text.contains("not permitted"),
        "{text}"
    );
    bed.set("/root/readonly", json!(true));
    let ended = bed.sh("touch /new 2>&1; touch /dev/shm/fine && echo fine");
    assert!(
        ended.output.contains("Read-only file system") && ended.output.contains("fine"),
        "{}",
        ended.output
    );
}

fn names_parameters_and_loopback() {
    let mut bed = Bed::new();
    bed.set(
        "/linux/sysctl",
        json!({"net.core.somaxconn": "77", "kernel.msgmax": "9000"}),
    )
    .set("/domainname", json!("home"));
    let text = bed.sh("hostname; cat /proc/sys/kernel/domainname /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax; ip addr show lo").output;
    assert!(text.starts_with("first\nhome\n77\n9000\n"), "{text}");
    assert!(text.contains("127.0.0.1/8"), "{text}");
    let error = bed
        .set("/linux/sysctl", json!({"kernel.core_pattern": "|/x"}))
        .error(&["true"]);
    assert!(
        error.starts_with("set kernel parameter kernel.core_pattern: it belongs to no namespace"),
        "{error}"
    );
}

fn user_limits_and_directory() {
    let mut bed = Bed::new();
    bed.set(
        "/process/user",
        json!({"uid": 1000, "gid": 100, "umask": 0o027, "additionalGids": [5, 6]}),
    )
    .set("/process/cwd", json!("/made/here"))
    .set("/process/oomScoreAdj", json!(500))
    .set(
        "/process/rlimits",
        json!([{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 200}]),
    );
    let text = bed
        .sh("id; umask; pwd; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj /proc/self/status; echo via >/dev/stdout")
        .output;
    assert!(
        text.starts_with("uid=1000 gid=100 groups=5,6\n0027\n/made/here\n99\n200\n500\n"),
        "{text}"
    );
    assert_eq!(value(&text, "CapEff"), "0000000000000000");
    assert_eq!(value(&text, "CapBnd"), "00000000a80425fb");
    assert!(text.ends_with("via\n"), "{text}");
}

fn exit_code_is_the_process_own() {
    let mut bed = Bed::new();
    assert_eq!(bed.sh("exit 42").code, Some(42));
    assert_eq!(bed.try_run(&["true"]).unwrap().code, Some(0));
}
