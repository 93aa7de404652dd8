//! Pods: containers that share a network, a host name, queues, memory and a supervisor.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, wait_until_cleared};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use tare_kit::{Tare, World, test};

/// `tare WORDS` that has to succeed.
fn tare(world: &World, words: &[&str]) -> String {
    world.tare(words).ok()
}

/// A container of the pod that stays, by this name.
fn stays(world: &World, pod: &str, name: &str) {
    let _ = tare(
        world,
        &[
            "run", "-d", "--pod", pod, "--name", name, "busybox", "sleep", "1000",
        ],
    );
}

/// What a shell says in a container.
fn sh(world: &World, name: &str, script: &str) -> String {
    tare(world, &["exec", name, "sh", "-c", script])
}

/// One row of the list of pods, as the template says.
fn row(world: &World, template: &str) -> String {
    tare(world, &["pod", "ps", "--format", template])
}

#[test]
fn two_containers_share_what_a_pod_has() {
    test(NEEDS, |world| {
        ready(world);
        let id = tare(world, &["pod", "create", "--name", "web"]);
        assert_eq!(id.len(), 65, "{id}");
        assert_eq!(
            row(world, "{{.Name}} {{.Status}} {{.NumberOfContainers}}"),
            "web Created 0\n"
        );
        let serve = "while :; do echo hello | nc -l -p 80 127.0.0.1; done";
        let words = [
            "run", "-d", "--pod", "web", "--name", "one", "busybox", "sh", "-c", serve,
        ];
        let _ = tare(world, &words);
        let asked = [
            "run",
            "--rm",
            "--pod",
            "web",
            "busybox",
            "sh",
            "-c",
            "until nc 127.0.0.1 80 </dev/null 2>/dev/null | grep hello; do :; done; hostname",
        ];
        assert_eq!(tare(world, &asked), "hello\nweb\n");
        stays(world, "web", "two");
        for kind in ["net", "ipc", "uts"] {
            let script = format!("readlink /proc/self/ns/{kind}");
            assert_eq!(sh(world, "one", &script), sh(world, "two", &script), "{kind}");
        }
        for kind in ["pid", "mnt"] {
            let script = format!("readlink /proc/self/ns/{kind}");
            assert_ne!(sh(world, "one", &script), sh(world, "two", &script), "{kind}");
        }
        let _ = sh(world, "one", "echo shared > /dev/shm/x");
        assert_eq!(sh(world, "two", "cat /dev/shm/x"), "shared\n");
        assert_eq!(row(world, "{{.Status}} {{.NumberOfContainers}}"), "Running 2\n");
        let refused = world.tare(["pod", "rm", "web"]).fails(125);
        assert!(refused.contains(" of it is running\n"), "{refused}");
        for line in [
            &["run", "--rm", "--name", "web", "busybox", "true"][..],
            &["rename", "one", "web"],
        ] {
            let refused = world.tare(line).fails(125);
            assert!(refused.contains("use name web: pod "), "{refused}");
        }
        assert_eq!(tare(world, &["pod", "rm", "-f", "-t", "0", "web"]), id);
        // What has ended goes with its pod.
        let create = ["create", "--pod", "new:web", "busybox", "true"];
        let _ = tare(world, &create);
        let _ = tare(world, &["pod", "rm", "web"]);
        assert_eq!(row(world, "{{.Name}}"), "");
        assert_nothing_left(world);
    });
}

/// The process id of the supervisor of the pod that there is.
fn supervisor(world: &World) -> Pid {
    let pods = std::fs::read_dir(world.run_root().join("pods")).expect("the pods");
    let found = pods.flatten().find_map(|pod| {
        let text = std::fs::read(pod.path().join("supervisor.json")).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Pid::from_raw(i32::try_from(record["pid"].as_i64()?).ok()?)
    });
    found.expect("a supervisor")
}

/// Whether a process lives: it may be nobody's to wait for yet.
fn lives(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.is_empty() && !state.starts_with('Z')
}

/// Kills the supervisor, and waits until it is gone.
fn kill_supervisor(world: &World) {
    let pid = supervisor(world);
    kill_process(pid, Signal::KILL).expect("kill the supervisor");
    while lives(pid) {}
}

#[test]
fn a_supervisor_killed_has_a_successor_that_keeps_all_of_the_pod() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(world, &["pod", "create", "--name", "web"]);
        stays(world, "web", "one");
        stays(world, "web", "two");
        let _ = sh(world, "one", "echo before > /dev/shm/x");
        let own = |name: &str| {
            sh(
                world,
                name,
                "for kind in net ipc uts; do readlink /proc/self/ns/$kind; done",
            )
        };
        let before = own("one");
        kill_supervisor(world);
        // One that comes later is where the others are.
        stays(world, "web", "three");
        for name in ["one", "two", "three"] {
            assert_eq!(own(name), before, "{name}");
            assert_eq!(
                sh(world, name, "hostname; cat /dev/shm/x"),
                "web\nbefore\n",
                "{name}"
            );
        }
        assert_eq!(row(world, "{{.Status}} {{.NumberOfContainers}}"), "Running 3\n");
        kill_supervisor(world);
        let _ = tare(world, &["stop", "-t", "0", "one", "two", "three"]);
        kill_supervisor(world);
        // Nobody is in it, and it goes on all the same.
        assert_eq!(row(world, "{{.Status}}"), "Exited\n");
        let _ = tare(world, &["start", "one"]);
        assert_eq!(
            sh(world, "one", "hostname; cat /sys/class/net/lo/flags"),
            "web\n0x9\n"
        );
        kill_supervisor(world);
        let _ = tare(world, &["pod", "rm", "-f", "-t", "0", "web"]);
        assert_nothing_left(world);
    });
}

#[test]
fn a_supervisor_becomes_another_program_and_keeps_all_of_the_pod() {
    test(NEEDS, |world| {
        ready(world);
        let pod = tare(world, &["pod", "create", "--name", "web"]);
        let own = |name: &str| {
            sh(
                world,
                name,
                "readlink /proc/self/ns/net; hostname; cat /dev/shm/x",
            )
        };
        let mut running = world
            .tare([
                "run", "-i", "--rm", "--pod", "web", "--name", "said", "busybox", "sh", "-c",
            ])
            .args(["echo up; while read line; do echo $line; done; exit 7"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let mut stdin = running.stdin.take().expect("its input");
        stays(world, "web", "one");
        let _ = sh(world, "one", "echo before > /dev/shm/x");
        let (seen, pid) = (own("one"), supervisor(world));
        let folder = world.run_root().join("pods").join(pod.trim());
        let containers = world.run_root().join("containers");
        for name in ["two", "three"] {
            let out = Tare::program(world.program_path("containerd-shim-tare-v2"))
                .args([OsStr::new("-pod"), folder.as_os_str()])
                .args([OsStr::new("-containers"), containers.as_os_str()])
                .args(["upgrade"])
                .ok();
            assert!(out.contains(": runs "), "{out}");
            assert_eq!(supervisor(world), pid);
            // Who comes later is where the others are, and who was there is heard.
            stays(world, "web", name);
            assert_eq!((own("one"), own(name)), (seen.clone(), seen.clone()));
            std::io::Write::write_all(&mut stdin, format!("{name}\n").as_bytes()).expect("say something");
            assert_eq!(running.line().as_deref(), Some(name));
        }
        drop(stdin);
        assert_eq!(running.finish().0.code(), Some(7));
        assert_eq!(row(world, "{{.Status}} {{.NumberOfContainers}}"), "Running 3\n");
        let _ = tare(world, &["kill", "two"]);
        assert_eq!(tare(world, &["wait", "two"]), "137\n");
        let _ = tare(world, &["pod", "rm", "-f", "-t", "0", "web"]);
        assert_nothing_left(world);
    });
}

#[test]
fn a_foreground_container_of_a_pod_goes_on_with_a_successor() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = world
            .tare(["run", "-i", "--rm", "--pod", "new:web", "busybox", "sh", "-c"])
            .args(["echo up; while read line; do echo $line; [ $line = three ] && exit 7; done"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        stays(world, "web", "two");
        let mut stdin = running.stdin.take().expect("its input");
        for line in ["one", "two", "three"] {
            kill_supervisor(world);
            // Whoever is the first has the successor.
            let _ = tare(world, &["exec", "two", "true"]);
            std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).expect("say something");
            assert_eq!(running.line().as_deref(), Some(line));
        }
        drop(stdin);
        assert_eq!(running.finish().0.code(), Some(7));
        assert_eq!(
            tare(world, &["ps", "-aq", "--filter", "pod=web"]).lines().count(),
            1
        );
        let _ = tare(world, &["pod", "rm", "-f", "-t", "0", "web"]);
        assert_nothing_left(world);
    });
}

#[test]
fn verbs_are_for_every_container_of_a_pod() {
    test(NEEDS, |world| {
        ready(world);
        two(world);
        assert_eq!(row(world, "{{.Status}}"), "Created\n");
        let status = || row(world, "{{.Status}} {{.ContainerStatuses}}");
        for (words, after) in [
            (&["start"][..], "Running running,running\n"),
            (&["pause"], "Paused paused,paused\n"),
            (&["unpause"], "Running running,running\n"),
            (&["kill", "-s", "STOP"], "Running running,running\n"),
            (&["kill", "-s", "CONT"], "Running running,running\n"),
            (&["restart", "-t", "5"], "Running running,running\n"),
            (&["stop", "-t", "5"], "Exited exited,exited\n"),
            (&["start"], "Running running,running\n"),
            (&["kill"], "Exited exited,exited\n"),
            (&["start"], "Running running,running\n"),
        ] {
            let line: Vec<&str> = [&["pod"], words, &["web"]].concat();
            assert_eq!(tare(world, &line).len(), 65, "{line:?}");
            assert_eq!(status(), after, "{line:?}");
        }
        gone(world, "web");
    });
}

/// Two containers of a pod `web`, and that with a label.
fn two(world: &World) {
    let _ = tare(world, &["pod", "create", "-l", "tier=front", "web"]);
    let script = "echo up; trap 'exit 3' TERM; while :; do sleep 0.05; done";
    for name in ["one", "two"] {
        let words = [
            "create", "--pod", "web", "--name", name, "busybox", "sh", "-c", script,
        ];
        let _ = tare(world, &words);
    }
}

/// Removes a pod, and nothing is left.
fn gone(world: &World, pod: &str) {
    let _ = tare(world, &["pod", "rm", "-f", "-t", "0", pod]);
    assert_nothing_left(world);
}

#[test]
fn what_is_in_a_pod_can_be_seen() {
    test(NEEDS, |world| {
        ready(world);
        two(world);
        let _ = tare(world, &["pod", "start", "web"]);
        let status = || row(world, "{{.Status}} {{.ContainerStatuses}}");
        while tare(world, &["pod", "logs", "-n", "web"])
            .lines()
            .filter(|line| line.ends_with(" up"))
            .count()
            < 2
        {}
        let logs = tare(world, &["pod", "logs", "-n", "--tail", "1", "web"]);
        assert!(logs.contains("one up\n") && logs.contains("two up\n"), "{logs}");
        assert_eq!(
            tare(world, &["pod", "logs", "-c", "one", "--tail", "1", "web"]),
            "up\n"
        );
        assert!(tare(world, &["pod", "top", "web"]).lines().count() > 2);
        let stats = tare(
            world,
            &["pod", "stats", "--no-stream", "--format", "{{.Name}}", "web"],
        );
        assert_eq!(stats, "one\ntwo\n");
        let listed = tare(world, &["ps", "--pod", "--format", "{{.Names}} {{.PodName}}"]);
        assert_eq!(listed, "two web\none web\n");
        assert!(tare(world, &["ps", "--pod"]).contains("POD ID"), "a column");
        assert_eq!(tare(world, &["ps", "-q", "--filter", "pod=nosuch"]), "");
        let _ = tare(world, &["stop", "-t", "5", "one"]);
        assert_eq!(status(), "Degraded exited,running\n");
        let full = tare(
            world,
            &[
                "pod",
                "inspect",
                "-f",
                "{{.State}} {{.NumContainers}} {{.Hostname}} {{.ExitPolicy}}",
                "web",
            ],
        );
        assert_eq!(full, "Degraded 2 web continue\n");
        for (filter, found) in [
            ("label=tier=front", 1),
            ("label=tier=back", 0),
            ("name=we", 1),
            ("ctr-names=one", 1),
            ("status=degraded", 1),
            ("ctr-number=3", 0),
        ] {
            assert_eq!(
                tare(world, &["pod", "ps", "-q", "--filter", filter])
                    .lines()
                    .count(),
                found,
                "{filter}"
            );
        }
        let heading = tare(world, &["pod", "ls"]);
        let words: Vec<&str> = heading
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        assert_eq!(words.join(" "), "POD ID NAME STATUS CREATED # OF CONTAINERS");
        let _ = tare(world, &["pod", "stop", "-t", "5", "web"]);
        assert_eq!(tare(world, &["pod", "prune", "-f"]).lines().count(), 1);
        assert_eq!(world.tare(["pod", "exists", "web"]).run().code(), Some(1));
        assert_nothing_left(world);
    });
}

/// `tare WORDS` that has to succeed, its words apart by spaces.
fn line(world: &World, words: &str) -> String {
    world.tare(words.split(' ')).ok()
}

#[test]
fn what_is_asked_of_a_pod_holds() {
    test(NEEDS, |world| {
        ready(world);
        let asked =
            "pod create --name web --hostname front --share +pid -m 32m --pids-limit 20 --exit-policy stop";
        let id = line(world, asked);
        stays(world, "web", "one");
        let seen = sh(world, "one", "hostname; cat /proc/1/comm");
        assert_eq!(seen, "front\ntare-init\n");
        let limit = |file: &str| {
            let read = |tree: &&str| {
                std::fs::read_to_string(format!("/sys/fs/cgroup/{tree}tare/{}/{file}", id.trim())).ok()
            };
            let found = ["memory/", "pids/", "unified/", ""].iter().find_map(read);
            found.unwrap_or_default().trim().to_owned()
        };
        let memory = limit("memory.limit_in_bytes") + &limit("memory.max");
        assert_eq!(memory, "33554432");
        assert_eq!(limit("pids.max"), "20");
        // Who wants too much is killed by the pod's limit, and its supervisor is not.
        let words = "run --name greedy --pod web busybox tail /dev/zero";
        let out = world.tare(words.split(' ')).run();
        assert_eq!(out.code(), Some(137), "{out}");
        assert!(out.stderr.contains("its limit is 32 MiB"), "{out}");
        assert_eq!(sh(world, "one", "echo alive"), "alive\n");
        // With its last container it is stopped: by whoever clears that away, which need not be who has stopped it.
        let _ = line(world, "stop -t 0 one");
        until("it is stopped", || {
            let pods = std::fs::read_dir(world.run_root().join("pods")).expect("the pods");
            pods.count() == 0
        });
        assert_eq!(limit("pids.max"), "");
        let events = line(world, "events --until 0s --filter type=pod --format {{.Action}}");
        assert_eq!(events, "create\n");
        gone(world, "web");
    });
}

#[test]
fn each_setting_says_that_it_is_the_pods() {
    test(NEEDS, |world| {
        ready(world);
        let id = line(world, "pod create --share +pid web");
        stays(world, "web", "one");
        let explained = line(world, "inspect --explain one");
        for name in [
            "HostConfig.NetworkMode",
            "HostConfig.IpcMode",
            "HostConfig.PidMode",
            "Config.Hostname",
            "HostConfig.CgroupParent",
        ] {
            let line = explained.lines().find(|line| line.starts_with(name));
            assert!(
                line.is_some_and(|line| line.contains("--pod")),
                "{name}: {explained}"
            );
        }
        assert_eq!(line(world, "inspect -f {{.Pod}} one"), id);
        gone(world, "web");
        let _ = line(world, "pod create --network host host");
        let ours = std::fs::read_link("/proc/self/ns/net").expect("our own");
        let theirs = line(world, "run --rm --pod host busybox readlink /proc/self/ns/net");
        assert_eq!(theirs.trim(), ours.to_string_lossy());
        gone(world, "host");
    });
}

#[test]
fn what_ends_in_a_pod_is_started_again_and_looked_after() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(world, &["pod", "create", "web"]);
        let script = "echo up; [ -e /dev/shm/seen ] && sleep 1000; touch /dev/shm/seen; exit 3";
        let words = [
            "run",
            "-d",
            "--pod",
            "web",
            "--restart",
            "on-failure:3",
            "--name",
            "one",
            "--health-cmd",
            "true",
            "--health-interval",
            "50ms",
        ];
        let _ = world.tare(words).args(["busybox", "sh", "-c", script]).ok();
        let words = [
            "run",
            "-d",
            "--pod",
            "web",
            "--name",
            "two",
            "--health-cmd",
            "exit 1",
            "--health-interval",
            "50ms",
            "--health-retries",
            "1",
        ];
        let _ = world.tare(words).args(["busybox", "sleep", "1000"]).ok();
        while tare(world, &["logs", "one"]) != "up\nup\n" {}
        let ps = || tare(world, &["ps", "--format", "{{.Names}} {{.Status}}"]);
        let is_well = || {
            ps().lines()
                .filter(|line| {
                    line.contains("(healthy)") && line.starts_with("one")
                        || line.contains("(unhealthy)") && line.starts_with("two")
                })
                .count()
                == 2
        };
        while !is_well() {}
        kill_supervisor(world);
        let _ = tare(world, &["exec", "one", "kill", "-TERM", "1"]);
        let _ = tare(world, &["kill", "-s", "KILL", "two"]);
        assert_eq!(tare(world, &["wait", "two"]), "137\n");
        let why = tare(world, &["why", "two"]);
        assert!(why.contains("SIGKILL"), "{why}");
        // A pod that is stopped stays so, and what it had is started with it.
        let _ = tare(world, &["pod", "stop", "-t", "0", "web"]);
        assert_eq!(row(world, "{{.Status}}"), "Exited\n");
        // What its supervisor has started to clear away may be on its way out still, and makes folders.
        until("a reboot", || std::fs::remove_dir_all(world.run_root()).is_ok());
        let _ = tare(world, &["pod", "start", "web"]);
        assert_eq!(row(world, "{{.Status}}"), "Running\n");
        let _ = tare(world, &["pod", "rm", "-f", "-t", "0", "web"]);
        assert_nothing_left(world);
    });
}

#[test]
fn whoever_is_killed_at_any_step_leaves_nothing() {
    test(NEEDS, |world| {
        ready(world);
        let gone = |world: &World| {
            let _ = tare(world, &["pod", "rm", "-f", "-t", "0", "web"]);
            wait_until_cleared(world);
            assert_nothing_left(world);
            assert!(
                !std::path::Path::new("/sys/fs/cgroup/unified/tare").exists() || groups() == 0,
                "a group is left"
            );
        };
        for (place, words) in [
            (
                "pod-held",
                &["run", "--rm", "--pod", "web", "busybox", "true"][..],
            ),
            (
                "start-launched",
                &["run", "--rm", "--pod", "web", "busybox", "true"],
            ),
            (
                "start-created",
                &["run", "--rm", "--pod", "web", "busybox", "true"],
            ),
            (
                "create-recorded",
                &["run", "--rm", "--pod", "web", "busybox", "true"],
            ),
            ("finish-left", &["run", "--rm", "--pod", "web", "busybox", "true"]),
            ("pod-stopped", &["pod", "stop", "-t", "0", "web"]),
            ("pod-ending", &["pod", "stop", "-t", "0", "web"]),
            ("pod-ended", &["pod", "stop", "-t", "0", "web"]),
            ("pod-emptied", &["pod", "rm", "-f", "-t", "0", "web"]),
            ("pod-forgotten", &["pod", "rm", "-f", "-t", "0", "web"]),
            ("pod-ending", &["pod", "rm", "-f", "-t", "0", "web"]),
            ("pod-ended", &["pod", "rm", "-f", "-t", "0", "web"]),
        ] {
            let _ = tare(world, &["pod", "create", "web"]);
            if words[0] == "pod" {
                stays(world, "web", "one");
            }
            let out = world
                .tare(words)
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            gone(world);
        }
        // The supervisor itself, in the middle of it.
        for place in ["pod-intended", "pod-half-made", "pod-made"] {
            let _ = tare(world, &["pod", "create", "web"]);
            let run = ["run", "--rm", "--pod", "web", "busybox", "true"];
            let out = world
                .tare(run)
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_ne!(out.code(), None, "{place}: {out}");
            // What is half made is made anew.
            let _ = world.tare(run).ok();
            gone(world);
        }
    });
}

/// How many groups there are of pods and their supervisors.
fn groups() -> usize {
    let names = |path: &str| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().is_dir())
    };
    let of = |path: &str| {
        names(path)
            .filter(|entry| entry.file_name() != "supervisors")
            .count()
    };
    of("/sys/fs/cgroup/unified/tare") + of("/sys/fs/cgroup/unified/tare/supervisors")
}

#[test]
fn what_cannot_be_is_said() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(world, &["pod", "create", "web"]);
        for (words, said) in [
            (&["pod", "create", "web"][..], "use name web: pod"),
            (
                &["run", "--pod", "wbe", "busybox", "true"],
                "no pod with name or ID wbe found: no such pod",
            ),
            (
                &["run", "--pod", "web", "--hostname", "x", "busybox", "true"],
                "cannot set hostname when joining the pod UTS namespace",
            ),
            (
                &["run", "--pod", "web", "--network", "host", "busybox", "true"],
                "conflicts with --pod",
            ),
            (
                &[
                    "run",
                    "--pod",
                    "web",
                    "--sysctl",
                    "net.ipv4.ip_forward=1",
                    "busybox",
                    "true",
                ],
                "for every container of the pod",
            ),
            (
                &["pod", "create", "--share", "net,cgroup", "x1"],
                "share net, ipc, uts and pid alone",
            ),
            (
                &["pod", "create", "--network", "bridge", "x1"],
                "networks beyond loopback are not there yet",
            ),
            (
                &["pod", "create", "--replace"],
                "cannot replace pod without --name being set",
            ),
            (&["pod", "stop"], "name a pod, or -a"),
            (&["pod", "top", "web"], "no container of it is running"),
            (
                &["pod", "create", "--infra", "true", "x1"],
                "a pod has no infra container",
            ),
        ] {
            let out = world.tare(words).fails(125);
            assert!(out.contains(said), "{words:?}: {out}");
        }
        let _ = tare(world, &["pod", "create", "--replace", "--name", "web"]);
        assert_eq!(row(world, "{{.Name}}"), "web\n");
        // What was made for a container goes where that cannot be made.
        let _ = world
            .tare(["run", "--pod", "new:other", "--user", "nosuch", "busybox", "true"])
            .fails(125);
        assert_eq!(tare(world, &["pod", "rm", "-a"]).lines().count(), 1);
        assert_nothing_left(world);
    });
}

#[test]
fn as_a_person() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let tare = |words: &[&str]| world.tare_as(world.person(), words).ok();
        let _ = tare(&["pod", "create", "web"]);
        for name in ["one", "two"] {
            let _ = tare(&[
                "run", "-d", "--pod", "web", "--name", name, "busybox", "sleep", "1000",
            ]);
        }
        let own = |name: &str| {
            tare(&[
                "exec",
                name,
                "sh",
                "-c",
                "for kind in user net ipc uts; do readlink /proc/self/ns/$kind; done; hostname",
            ])
        };
        let before = own("one");
        assert!(before.ends_with("web\n"), "{before}");
        assert_eq!(own("two"), before);
        // A pod that comes later lives in the same user namespace.
        let _ = tare(&[
            "run",
            "-d",
            "--pod",
            "new:other",
            "--name",
            "there",
            "busybox",
            "sleep",
            "1000",
        ]);
        assert_eq!(own("there").lines().next(), before.lines().next());
        let _ = tare(&["pod", "rm", "-f", "-t", "0", "other"]);
        let pods = world
            .tare_as(world.person(), ["pod", "ps", "-q", "--no-trunc"])
            .ok();
        let pid = of_person(pods.trim());
        kill_process(pid, Signal::KILL).expect("kill the supervisor");
        while lives(pid) {}
        let _ = tare(&[
            "run", "-d", "--pod", "web", "--name", "three", "busybox", "sleep", "1000",
        ]);
        for name in ["one", "two", "three"] {
            assert_eq!(own(name), before, "{name}");
        }
        let _ = tare(&["pod", "create", "--share", "+pid", "pids"]);
        let seen = tare(&["run", "--rm", "--pod", "pids", "busybox", "cat", "/proc/1/comm"]);
        assert_eq!(seen, "tare-init\n");
        let _ = tare(&["pod", "rm", "-f", "pids"]);
        assert_eq!(tare(&["pod", "stop", "-t", "0", "web"]).len(), 65);
        assert_eq!(tare(&["pod", "start", "web"]).len(), 65);
        assert_eq!(own("one").lines().count(), 5);
        let _ = tare(&["pod", "rm", "-f", "-t", "0", "web"]);
        assert_eq!(tare(&["ps", "-aq"]), "");
        assert_eq!(tare(&["pod", "ps", "-q"]), "");
    });
}

/// The supervisor of a person's pod, by its command line.
fn of_person(pod: &str) -> Pid {
    let pids = std::fs::read_dir("/proc").expect("the processes").flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("-pod\0") && line.contains(pod)
    };
    pids.find(is_it).and_then(Pid::from_raw).expect("a supervisor")
}
