//! The supervisor through its client: real processes, each test in a world of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its second process is told what to do in its environment"
)]

#[path = "supervise/bed.rs"]
mod bed;

use bed::{Bed, FOLDER, SCRIPT, attach, collect, pipe};
use rustix::fd::AsFd;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use tare_error::Kind;
use tare_kit::test;
use tare_shim::{Attach, Connection, Phase};

#[test]
fn exit_codes_are_the_processs_own() {
    test(&[], |world| {
        let bed = Bed::new(world);
        for code in 0..=255 {
            let ran = bed.run(&["sh", "-c", &format!("exit {code}")]);
            assert_eq!((i32::from(ran.exit.code), ran.exit.signal), (code, None));
        }
    });
}

#[test]
fn a_signal_gives_128_and_its_number() {
    test(&[], |world| {
        let bed = Bed::new(world);
        for signal in [1, 6, 9, 15, 34, 64] {
            let mut connection = bed.launch();
            let created = connection.create(bed.call(&["sleep", "100"])).unwrap();
            assert!(Path::new(&format!("/proc/{}", created.pid)).exists());
            connection.kill(signal).unwrap();
            let ran = attach(&mut connection, None);
            assert_eq!(
                (i32::from(ran.exit.code), ran.exit.signal),
                (128 + signal, Some(signal))
            );
            bed.finish(connection, &ran.exit);
        }
    });
}

#[test]
fn ten_mebibytes_on_both_streams_arrive_whole_and_in_order() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let script = "(seq 1 1500000) & (seq 1 1500000 >&2); wait";
        let ran = bed.run(&["sh", "-c", script]);
        assert_eq!(ran.exit.code, 0);
        let expected: String = (1..=1_500_000).map(|n| format!("{n}\n")).collect();
        assert!(expected.len() > 10_000_000);
        assert!(
            ran.stdout == expected.as_bytes(),
            "stdout {} bytes",
            ran.stdout.len()
        );
        assert!(
            ran.stderr == expected.as_bytes(),
            "stderr {} bytes",
            ran.stderr.len()
        );
    });
}

#[test]
fn what_goes_into_stdin_comes_out_of_cat() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let input: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut connection = bed.launch();
        let mut call = bed.call(&["cat"]);
        call.stdin_open = true;
        connection.create(call).unwrap();
        let ran = attach(&mut connection, Some(input.clone()));
        assert_eq!(ran.exit.code, 0);
        assert!(ran.stdout == input);
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn stdin_that_nobody_reads_stalls_neither_signals_nor_the_end() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        let mut call = bed.call(&["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.01; done"]);
        call.stdin_open = true;
        let pid = connection.create(call).unwrap().pid;
        let (read, write) = pipe();
        let feeder = std::thread::spawn(move || {
            let zeros = vec![0; 1 << 20];
            // More than every buffer on the way; then the signal must still arrive.
            let sent = std::io::Write::write_all(&mut std::fs::File::from(write), &zeros);
            (sent, pid)
        });
        let mut guest = Connection::open(&bed.pod).unwrap();
        let killer = std::thread::spawn(move || guest.kill(15).unwrap());
        let (out_read, out_write) = pipe();
        let output = collect(out_read);
        let exit = connection
            .attach(&Attach {
                stdin: Some(read.as_fd()),
                stdout: out_write.as_fd(),
                stderr: out_write.as_fd(),
                terminal: false,
            })
            .unwrap();
        assert_eq!(exit.code, 7);
        killer.join().unwrap();
        drop((read, out_write));
        let (sent, _) = feeder.join().unwrap();
        assert!(
            sent.is_err(),
            "a mebibyte went into a container that reads nothing"
        );
        output.join().unwrap();
        bed.finish(connection, &exit);
    });
}

#[test]
fn a_client_that_does_not_read_stalls_the_container_and_not_the_supervisor() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.call(&["sh", "-c", "seq 1 3000000; echo end >&2"]))
            .unwrap();
        let supervisor = bed.pod.supervisor().unwrap().unwrap().stamp.pid;
        let (out_read, out_write) = pipe();
        let (err_read, err_write) = pipe();
        let memory = resident(supervisor);
        let pod = bed.pod.clone();
        // What the container has written stands still once every buffer on its way is full.
        let watcher = std::thread::spawn(move || {
            let mut guest = Connection::open(&pod).unwrap();
            let pid = guest.state().unwrap().pid.unwrap();
            let mut written = 0;
            loop {
                let now = bytes_written(pid);
                assert_eq!(guest.state().unwrap().phase, Phase::Running);
                if now == written && now > 64 * 1024 {
                    break;
                }
                written = now;
                guest.kill(0).unwrap();
                pause();
            }
            let most = resident(supervisor);
            (written, most, collect(out_read).join().unwrap())
        });
        let errors = collect(err_read);
        let exit = connection
            .attach(&Attach {
                stdin: None,
                stdout: out_write.as_fd(),
                stderr: err_write.as_fd(),
                terminal: false,
            })
            .unwrap();
        drop((out_write, err_write));
        let (stalled_at, most, output) = watcher.join().unwrap();
        assert_eq!(exit.code, 0);
        // FIFO, window, socket, window again, the test's own pipe.
        assert!(
            stalled_at < 1 << 20,
            "{stalled_at} bytes went to a client that reads nothing"
        );
        assert!(
            most < memory + 512,
            "the supervisor grew from {memory} to {most} KiB"
        );
        let expected: String = (1..=3_000_000).map(|n| format!("{n}\n")).collect();
        assert!(output == expected.as_bytes(), "{} bytes", output.len());
        assert_eq!(errors.join().unwrap(), b"end\n");
        bed.finish(connection, &exit);
    });
}

#[test]
fn a_stdout_that_nobody_reads_any_more_ends_the_container() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection.create(bed.call(&["yes"])).unwrap();
        let (read, write) = pipe();
        drop(read);
        let exit = connection
            .attach(&Attach {
                stdin: None,
                stdout: write.as_fd(),
                stderr: write.as_fd(),
                terminal: false,
            })
            .unwrap();
        assert_eq!(exit.signal, Some(9));
        assert!(connection.output_broken());
        bed.finish(connection, &exit);
    });
}

#[test]
fn a_command_that_does_not_exist_is_the_clients_error() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        let error = connection.create(bed.call(&["no-such-command"])).unwrap_err();
        assert_eq!(error.kind(), Kind::CommandNotFound);
        assert_eq!(error.kind().exit_code(), 127);
        connection.finish().unwrap();
        assert!(!bed.pod.path().exists(), "left: {:?}", bed.left());
    });
}

#[test]
fn a_client_that_vanishes_before_it_creates_leaves_nothing() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let connection = bed.launch();
        let supervisor = bed.pod.living_supervisor().unwrap().unwrap();
        drop(connection);
        wait_for_end(&supervisor);
        assert!(!bed.pod.path().exists(), "left: {:?}", bed.left());
        assert_eq!(bed.reaped(), None);
    });
}

#[test]
fn a_client_killed_while_it_runs_takes_all_along_and_reap_is_executed_once() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut client = bed.client("sleep 1000 & echo up; wait");
        let out = bed.dir.join("client.out");
        wait_until(|| std::fs::read_to_string(&out).is_ok_and(|text| text.contains("up")));
        let supervisor = bed.pod.living_supervisor().unwrap().unwrap();
        let init = bed.pod.init().unwrap().unwrap().process.unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
        wait_for_end(&supervisor);
        assert_eq!(init.find().unwrap().map(drop), None);
        wait_until(|| bed.dir.join("reap-status").exists());
        let exit = bed.pod.exit_record().unwrap().unwrap();
        assert_eq!(exit.signal, Some(9));
        assert_eq!(bed.reaped(), Some(exit));
        assert_eq!(bed.left(), ["exit.json"]);
        let status = std::fs::read_to_string(bed.dir.join("reap-status")).unwrap();
        assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    });
}

#[test]
fn after_a_supervisors_death_the_pods_folder_tells_the_truth() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection.create(bed.call(&["sleep", "1000"])).unwrap();
        let record = bed.pod.supervisor().unwrap().unwrap();
        assert!(bed.pod.supervisor_alive().unwrap());
        kill_process(Pid::from_raw(record.stamp.pid).unwrap(), Signal::KILL).unwrap();
        let (_out, write) = pipe();
        let error = connection
            .attach(&Attach {
                stdin: None,
                stdout: write.as_fd(),
                stderr: write.as_fd(),
                terminal: false,
            })
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        drop(connection);
        assert!(!bed.pod.supervisor_alive().unwrap());
        assert_eq!(bed.pod.exit_record().unwrap(), None);
        let orphan = bed.pod.init().unwrap().unwrap().process.unwrap();
        assert!(orphan.find().unwrap().is_some());
        let exit = bed.pod.end_orphan().unwrap().unwrap();
        assert!(
            exit.unknown
                .as_ref()
                .unwrap()
                .contains("ended by the next command")
        );
        assert!(orphan.find().unwrap().is_none_or(|process| {
            wait_for_end(&process);
            true
        }));
        assert_eq!(bed.pod.exit_record().unwrap().as_ref(), Some(&exit));
        assert_eq!(bed.pod.end_orphan().unwrap(), Some(exit));
        bed.pod.remove().unwrap();
    });
}

#[test]
fn strangers_and_nonsense_are_turned_away_and_the_container_runs_on() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection.create(bed.call(&["sleep", "1000"])).unwrap();
        let path = bed.pod.path().join("sock");
        let nonsense: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x01\xff\xff\xff\xff",
            b"\x02\x02\x00\x00\x00{}",
            b"\x01\x02\x00\x00\x00{}",
        ];
        for bytes in nonsense {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            std::io::Write::write_all(&mut stream, bytes).unwrap();
            let mut rest = Vec::new();
            // Its greeting and perhaps its refusal, then the end.
            let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        }
        assert_eq!(connection.state().unwrap().phase, Phase::Running);
        assert_eq!(bed.pod.log().lines().count(), nonsense.len(), "{}", bed.pod.log());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        connection.kill_all().unwrap();
        attach(&mut connection, None);
        connection.finish().unwrap();
    });
}

/// A client in a process of its own: see [`Bed::client`].
#[test]
#[ignore = "a role, not a test"]
fn client() {
    let Some(script) = std::env::var_os(SCRIPT) else {
        return;
    };
    let folder = std::env::var_os(FOLDER).unwrap();
    let bed = Bed::at(Path::new(&folder));
    let mut connection = bed.launch();
    let script = script.into_string().unwrap();
    connection.create(bed.call(&["sh", "-c", &script])).unwrap();
    let exit = connection
        .attach(&Attach {
            stdin: None,
            stdout: std::io::stdout().as_fd(),
            stderr: std::io::stderr().as_fd(),
            terminal: false,
        })
        .unwrap();
    connection.finish().unwrap();
    std::fs::write(bed.dir.join("client.exit"), exit.code.to_string()).unwrap();
}

fn wait_for_end(process: &impl AsFd) {
    let fd = rustix::event::PollFd::new(process, rustix::event::PollFlags::IN);
    let limit = rustix::event::Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    assert_eq!(rustix::event::poll(&mut [fd], Some(&limit)).unwrap(), 1);
}

/// For what has no event of its own.
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        pause();
    }
    panic!("it did not happen");
}

fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn bytes_written(pid: i32) -> u64 {
    // The shell's child writes; with all of them gone to sleep on a full FIFO, the sum stands still.
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let io = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = |io: String| {
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("wchar: ").map(str::to_owned));
        line.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    children
        .split_whitespace()
        .map(|child| written(io(child)))
        .sum::<u64>()
        + written(io(&pid.to_string()))
}
