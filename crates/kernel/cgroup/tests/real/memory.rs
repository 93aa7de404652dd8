//! Which limit killed it.

use crate::{host, memory, path, run};
use std::fs;
use tare_cgroup::{Group, OomKill};
use tare_error::Kind;
use tare_kit::{Need, test};
use tare_spec_oci::Resources;

const MIB: i64 = 1 << 20;
/// `tail` keeps the last line of an endless one in memory.
const HOG: &str = "tail /dev/zero";

#[test]
fn a_limit_holds_and_is_named() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &memory(32 * MIB, 32 * MIB)).unwrap();
        let before = group.memory_report().unwrap();
        assert_eq!(before.groups[0].limit, Some(32 << 20));
        assert_eq!(before.groups[0].swap_limit, Some(32 << 20));
        assert_eq!(before.since(None), None);

        let (code, _) = run(&group, HOG);
        assert_ne!(code, Some(0));
        let after = group.memory_report().unwrap();
        let kill = after.since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: Some("/tare/web".to_owned()),
                limit: Some(32 << 20)
            }
        );
        assert!(after.groups[0].peak.unwrap() > 30 << 20);

        // A second process that is well behaved inherits no blame.
        assert_eq!(run(&group, "exit 0").0, Some(0));
        assert_eq!(group.memory_report().unwrap().since(Some(&after)), None);
        group.remove().unwrap();
    });
}

#[test]
fn the_limit_of_a_group_above_is_named_as_such() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let pod = Group::create(&host(), &path("pod"), &memory(32 * MIB, 32 * MIB)).unwrap();
        let web = Group::create(&host(), &path("pod").join("web").unwrap(), &Resources::default()).unwrap();
        let before = web.memory_report().unwrap();
        let shown: Vec<&str> = before.groups.iter().map(|group| group.group.as_str()).collect();
        assert_eq!(shown, ["/tare/pod/web", "/tare/pod", "/tare", "/"]);

        run(&web, HOG);
        let kill = web.memory_report().unwrap().since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: Some("/tare/pod".to_owned()),
                limit: Some(32 << 20)
            }
        );
        // The pod's own report counts what was killed below it.
        assert_eq!(pod.memory_report().unwrap().since(None).unwrap().kills, 1);

        // Its sibling, made now, is not blamed for it.
        let db = Group::create(&host(), &path("pod").join("db").unwrap(), &Resources::default()).unwrap();
        assert_eq!(db.memory_report().unwrap().since(None), None);
        pod.remove().unwrap();
        assert_eq!(
            Group::open(&host(), db.path()).unwrap_err().kind(),
            Kind::NotFound
        );
    });
}

/// Memory with swap may never be below memory: raising and lowering need opposite orders.
#[test]
fn limits_are_raised_and_lowered_in_the_right_order() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &memory(64 * MIB, 64 * MIB)).unwrap();
        let read = |file: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup/memory/tare/web/{file}")).unwrap();
            text.trim().parse::<i64>().unwrap() / MIB
        };
        for (limit, swap) in [(256, 300), (32, 32), (32, 512), (500, 500), (16, 20)] {
            group.apply(&memory(limit * MIB, swap * MIB)).unwrap();
            assert_eq!(
                (read("memory.limit_in_bytes"), read("memory.memsw.limit_in_bytes")),
                (limit, swap)
            );
        }
        group.apply(&memory(-1, -1)).unwrap();
        let report = group.memory_report().unwrap();
        assert_eq!(
            (report.groups[0].limit, report.groups[0].swap_limit),
            (None, None)
        );
        group.remove().unwrap();
    });
}

#[test]
fn a_limit_below_what_is_in_use_says_how_much_that_is() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &Resources::default()).unwrap();
        // 40 MiB of anonymous memory, held until its input ends.
        let script = "read go; v=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ready; read line";
        let mut child = std::process::Command::new("sh");
        child
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        group.attach(rustix::process::Pid::from_child(&child)).unwrap();
        // Only now, so that what it takes is charged to the group.
        let mut orders = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut orders, b"go\n").unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        assert_eq!(line, "ready\n");

        let e = group.apply(&memory(4 * MIB, 4 * MIB)).unwrap_err();
        assert_eq!(e.kind(), Kind::Conflict, "{e:?}");
        assert!(e.to_string().contains("memory.limit_in_bytes = 4194304"), "{e}");
        assert!(e.first_hint().unwrap().contains("bytes are in use"), "{e:?}");
        drop(orders);
        child.wait().unwrap();
        group.remove().unwrap();
    });
}
