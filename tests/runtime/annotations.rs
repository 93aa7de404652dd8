//! crun's extensions by annotation.

use crate::bundle::{Bundle, NEEDS, receive};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use tare_kit::{Need, Tare, test};

fn annotate(bundle: &mut Bundle<'_>, name: &str, value: &str) {
    bundle.set("/annotations", json!({name: value}));
}

/// A program that answers the making of directories so, and allows all else, in base64.
fn on_mkdir(action: u32) -> String {
    let calls: [u32; 2] = if cfg!(target_arch = "x86_64") {
        [83, 258]
    } else {
        [34, 34]
    };
    let instructions: [(u16, u8, u8, u32); 5] = [
        (0x20, 0, 0, 0),
        (0x15, 2, 0, calls[0]),
        (0x15, 1, 0, calls[1]),
        (0x06, 0, 0, 0x7fff_0000),
        (0x06, 0, 0, action),
    ];
    let bytes: Vec<u8> = instructions
        .iter()
        .flat_map(|(code, yes, no, k)| [&code.to_ne_bytes()[..], &[*yes, *no], &k.to_ne_bytes()].concat())
        .collect();
    let text = Tare::program("base64").args(["-w0"]).stdin(bytes).ok();
    text.trim().to_owned()
}

#[test]
fn a_filter_that_is_compiled_already_takes_the_place_of_the_policy() {
    test(NEEDS, |world| {
        let script = "mkdir /tmp 2>&1; grep Seccomp: /proc/self/status";
        let mut bundle = Bundle::new(world, script);
        bundle.set("/root/readonly", json!(false));
        bundle.set("/process/noNewPrivileges", json!(false));
        // A policy under which nothing runs.
        bundle.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_KILL"}));
        annotate(
            &mut bundle,
            "run.oci.seccomp_bpf_data",
            &on_mkdir(0x0005_0000 | 77),
        );
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(0), "{ran}");
        // Error 77 is one that the kernel itself does not give here.
        assert!(ran.stdout.contains("bad state"), "{ran}");
        assert!(ran.stdout.contains("Seccomp:\t2"), "{ran}");
        assert!(
            !bundle.home().join("@filters").exists(),
            "what was not compiled here is not kept"
        );
        bundle.set("/process/args", json!(["sleep", "100"]));
        bundle.start();
        let said = bundle.runtime(&["exec", "c", "sh", "-c", "mkdir /x 2>&1"]).run();
        assert!(said.stdout.contains("bad state"), "{said}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        for (data, told) in [
            ("????", "it is not base64"),
            ("AAAA", "this has 3 bytes"),
            (
                "IAAAAAAAAAA=",
                "instruction 0: it is the last one, and does not return",
            ),
            ("BgAAAAAA/38oAAAAAAAAAA==", "instruction 1: 0x28 is no operation"),
        ] {
            annotate(&mut bundle, "run.oci.seccomp_bpf_data", data);
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(1), "{ran}");
            assert!(ran.stderr.contains(told), "{ran}");
            bundle.assert_nothing_left();
        }
    });
}

#[test]
fn the_receiver_gets_the_listener() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "mkdir /dev/shm/made 2>&1; sleep 100");
        let path = world.folder("out").join("receiver");
        let policy = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        });
        let by_policy = json!({"run.oci.seccomp.receiver": path});
        // SECCOMP_RET_USER_NOTIF.
        let by_program = json!({
            "run.oci.seccomp.receiver": path,
            "run.oci.seccomp_bpf_data": on_mkdir(0x7fc0_0000),
        });
        for (policy, annotations) in [(policy.clone(), by_policy), (Value::Null, by_program)] {
            let _ = fs::remove_file(&path);
            bundle.set("/linux/seccomp", policy);
            bundle.set("/annotations", annotations);
            let refused = bundle.run();
            assert!(refused.stderr.contains(path.to_str().unwrap()), "{refused}");
            bundle.assert_nothing_left();
            let receiver = UnixListener::bind(&path).unwrap();
            bundle.create();
            let is_listener = |fd: &OwnedFd| {
                let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
                assert_eq!(link.to_str(), Some("anon_inode:seccomp notify"));
            };
            let first = receive(&receiver);
            is_listener(&first);
            let _ = bundle.runtime(&["start", "c"]).ok();
            let script = "mkdir /dev/shm/other 2>&1";
            let second = bundle.runtime(&["exec", "c", "sh", "-c", script]).start();
            let listener = receive(&receiver);
            is_listener(&listener);
            // Where nobody listens any more, nobody can decide.
            drop(listener);
            let (_, told) = second.finish();
            assert!(told.contains("Function not implemented"), "{told}");
            drop(first);
            let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
            bundle.assert_nothing_left();
        }
        bundle.set("/linux/seccomp", policy);
        bundle.set("/annotations", json!({}));
        let ran = bundle.run();
        assert!(ran.stderr.contains("listenerPath: it is missing"), "{ran}");
    });
}

#[test]
fn a_call_that_nobody_knows_is_refused_if_asked() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "true");
        let rule = json!({"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO"});
        bundle.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}),
        );
        // Compiled and kept by the first of them.
        for _ in 0..2 {
            assert_eq!(bundle.run().code(), Some(0));
        }
        annotate(&mut bundle, "run.oci.seccomp_fail_unknown_syscall", "1");
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(1), "{ran}");
        assert!(
            ran.stderr.contains("there is no system call \"no_such_call\""),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn clocks_are_set_where_the_configuration_sets_none() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "cut -d. -f1 /proc/uptime");
        let mut namespaces = bundle.config["linux"]["namespaces"].clone();
        annotate(
            &mut bundle,
            "run.oci.timens_offset",
            "boottime 100000000 0\n1 5 0",
        );
        let uptime = |bundle: &Bundle<'_>| -> u64 { bundle.run().stdout.trim().parse().unwrap() };
        assert!(
            uptime(&bundle) < 100_000_000,
            "without a namespace there is no clock to set"
        );
        namespaces.as_array_mut().unwrap().push(json!({"type": "time"}));
        bundle.set("/linux/namespaces", namespaces);
        assert!((100_000_000..200_000_000).contains(&uptime(&bundle)));
        bundle.set("/linux/timeOffsets", json!({"boottime": {"secs": 300_000_000}}));
        assert!(uptime(&bundle) > 300_000_000);
    });
}

#[test]
fn the_groups_of_the_caller_are_kept() {
    const NEEDS: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("setpriv")];
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "grep Groups /proc/self/status");
        bundle.set("/process/user/additionalGids", json!([7]));
        let run = |bundle: &Bundle<'_>, words: &[&str]| {
            Tare::program("setpriv")
                .args(["--groups", "5,6", "/mnt/bin/tare-runtime", "--root"])
                .args([bundle.home()])
                .args(words)
                .ok()
        };
        let path = bundle.path.to_str().unwrap().to_owned();
        assert_eq!(run(&bundle, &["run", "-b", &path, "c"]).trim(), "Groups:\t7");
        annotate(&mut bundle, "run.oci.keep_original_groups", "1");
        assert_eq!(run(&bundle, &["run", "-b", &path, "c"]).trim(), "Groups:\t5 6");
        bundle.set("/process/args", json!(["sleep", "100"]));
        bundle.start();
        let command = ["exec", "c", "grep", "Groups", "/proc/self/status"];
        assert_eq!(run(&bundle, &command).trim(), "Groups:\t5 6");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        annotate(&mut bundle, "run.oci.keep_original_groups", "perhaps");
        assert!(bundle.run().stderr.contains("neither 1 nor 0"));
        bundle.assert_nothing_left();
    });
}

#[test]
fn hooks_write_where_they_are_told_to() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "true");
        let out = world.folder("out");
        let hook = |point: &str| {
            let script = format!("cat >/dev/null; echo {point}; echo {point} >&2");
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
        };
        let points = [
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop",
        ];
        let hooks = points
            .iter()
            .map(|point| ((*point).to_owned(), hook(point)))
            .collect();
        bundle.set("/hooks", Value::Object(hooks));
        let (stdout, stderr) = (out.join("stdout"), out.join("stderr"));
        fs::write(&stdout, "before\n").unwrap();
        bundle.set(
            "/annotations",
            json!({"run.oci.hooks.stdout": stdout, "run.oci.hooks.stderr": stderr}),
        );
        let ran = bundle.run();
        assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), ""), "{ran}");
        let all = format!("{}\n", points.join("\n"));
        assert_eq!(fs::read_to_string(&stdout).unwrap(), format!("before\n{all}"));
        assert_eq!(fs::read_to_string(&stderr).unwrap(), all);
        annotate(&mut bundle, "run.oci.hooks.stdout", "relative");
        assert!(bundle.run().stderr.contains("must be an absolute path"));
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_handle_on_the_first_process_is_sent() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        let path = world.folder("out").join("receiver");
        annotate(&mut bundle, "run.oci.pidfd_receiver", path.to_str().unwrap());
        let ran = bundle
            .runtime(&["create", "-b", bundle.path.to_str().unwrap(), "c"])
            .run();
        assert!(ran.stderr.contains("connect to pidfd receiver"), "{ran}");
        bundle.assert_nothing_left();
        let receiver = UnixListener::bind(&path).unwrap();
        bundle.create();
        let handle = receive(&receiver);
        let state: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&handle);
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        assert!(info.contains(&format!("Pid:\t{}\n", state["pid"])), "{info}");
        drop(handle);
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_group_below_is_handed_to_the_container() {
    const NEEDS: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Cgroup2];
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(
            world,
            "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/payload; sleep 100",
        );
        annotate(&mut bundle, "run.oci.delegate-cgroup", "/payload");
        let is_bound = !Path::new("/sys/fs/cgroup/cgroup.procs").exists();
        if is_bound {
            let ran = bundle.run();
            assert!(ran.stderr.contains("on cgroup version 2 alone"), "{ran}");
            bundle.assert_nothing_left();
            let unified = ["--bind", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
            let _ = Tare::program("mount").args(unified).ok();
        }
        let mut namespaces = bundle.config["linux"]["namespaces"].clone();
        let list = namespaces.as_array_mut().unwrap();
        list.retain(|n| n["type"] != "cgroup");
        list.extend([json!({"type": "cgroup"}), json!({"type": "user"})]);
        bundle.set("/linux/namespaces", namespaces);
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        bundle.set("/linux/uidMappings", map.clone());
        bundle.set("/linux/gidMappings", map);
        let root = bundle.path.join("rootfs");
        let _ = Tare::program("chown")
            .args(["-R", "100000:100000"])
            .args([root])
            .ok();
        bundle.start();
        let own = "/sys/fs/cgroup/tare/c";
        let first = fs::read_to_string(format!("{own}/payload/cgroup.procs")).unwrap();
        let state: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        let pid = state["pid"].to_string();
        assert!(first.lines().any(|line| line == pid), "{first}");
        assert_eq!(fs::read_to_string(format!("{own}/cgroup.procs")).unwrap(), "");
        let owner = |name: &str| {
            let found = fs::metadata(format!("{own}/{name}")).unwrap();
            std::os::unix::fs::MetadataExt::uid(&found)
        };
        assert_eq!(
            (owner("payload"), owner("payload/cgroup.procs")),
            (100_000, 100_000)
        );
        assert_eq!((owner("cgroup.procs"), owner("payload/cgroup.freeze")), (0, 0));
        // The namespace begins at the container's own group; another process goes to the side of the first.
        let script = "grep ^0: /proc/self/cgroup; grep ^0: /proc/1/cgroup";
        let said = bundle.runtime(&["exec", "c", "sh", "-c", script]).ok();
        assert_eq!(said, "0::/payload\n0::/payload\n");
        let processes = bundle.runtime(&["ps", "-f", "json", "c"]).ok();
        assert!(processes.contains(&state["pid"].to_string()), "{processes}");
        let _ = bundle.runtime(&["pause", "c"]).ok();
        assert_eq!(bundle.status(), "paused");
        let _ = bundle.runtime(&["resume", "c"]).ok();
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
        if is_bound {
            let _ = Tare::program("umount").args(["/sys/fs/cgroup"]).run();
        }
    });
}

#[test]
fn features_tell_them() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        let told: Value = serde_json::from_str(&bundle.runtime(&["features"]).ok()).unwrap();
        let names = &told["potentiallyUnsafeConfigAnnotations"];
        assert_eq!(*names, json!(["org.systemd.property.", "run.oci."]));
        // One that only takes rights away is not among them.
        assert_eq!(told["annotations"]["io.tare.runtime.landlock.enabled"], "true");
        let mut bundle = bundle;
        annotate(&mut bundle, "run.oci.nosuch", "whatever");
        assert_eq!(bundle.run().code(), Some(0), "what is not known means nothing");
    });
}
