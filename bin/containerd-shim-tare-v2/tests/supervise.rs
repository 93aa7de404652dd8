//! The supervisor through its client: real processes, each test in a world of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for what has no event"
)]

#[path = "supervise/bed.rs"]
mod bed;
#[path = "supervise/exec.rs"]
mod exec;

use bed::{Asked, Bed, ID, attach, collect, pipe};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::Uid;
use std::fs::File;
use std::path::Path;
use tare_error::Kind;
use tare_kit::{Need, rounds, test};
use tare_shim::{Attach, Condition, Hangup, PodDir};
use tare_spec_oci::{Memory, NamespaceKind, Resources};

/// How often the storm strikes; `make soak` has its own.

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
            // As pid 1 it would be spared what it does not handle.
            let mut request = bed.call(&["sleep", "100"]);
            share_pids(&mut request);
            let created = connection.create(bed.request(&request)).unwrap();
            assert!(Path::new(&format!("/proc/{}", created.pid)).exists());
            connection.kill(ID, signal).unwrap();
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
        connection.create(bed.request(&call)).unwrap();
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
        let pid = connection.create(bed.request(&call)).unwrap().pid;
        let (read, write) = pipe();
        let feeder = std::thread::spawn(move || {
            let zeros = vec![0; 1 << 20];
            // More than every buffer on the way; then the signal must still arrive.
            let sent = std::io::Write::write_all(&mut std::fs::File::from(write), &zeros);
            (sent, pid)
        });
        let mut guest = bed.launch();
        let killer = std::thread::spawn(move || {
            // A first process that has no trap yet would never hear of it.
            wait_until(|| catches(pid.cast_signed(), Signal::TERM));
            guest.kill(ID, 15).unwrap();
        });
        let (out_read, out_write) = pipe();
        let output = collect(out_read);
        let exit = connection
            .attach(
                ID,
                &Attach {
                    stdin: Some(read.as_fd()),
                    stdout: out_write.as_fd(),
                    stderr: out_write.as_fd(),
                    terminal: false,
                },
            )
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
        let request = bed.request(&bed.call(&["sh", "-c", "seq 1 3000000; echo end >&2"]));
        let pid = connection.create(request).unwrap().pid.cast_signed();
        let supervisor = bed.pod.supervisor().unwrap().unwrap().stamp.pid;
        let (out_read, out_write) = pipe();
        let (err_read, err_write) = pipe();
        let memory = resident(supervisor);
        let same = Bed::at(&bed.dir);
        // What the container has written stands still once every buffer on its way is full.
        let watcher = std::thread::spawn(move || {
            let mut guest = same.launch();
            let mut written = 0;
            loop {
                let now = bytes_written(pid);
                assert_eq!(guest.state(ID).unwrap().0, Condition::Running);
                if now == written && now > 64 * 1024 {
                    break;
                }
                written = now;
                guest.kill(ID, 0).unwrap();
                pause();
            }
            let most = resident(supervisor);
            (written, most, collect(out_read).join().unwrap())
        });
        let errors = collect(err_read);
        let exit = connection
            .attach(
                ID,
                &Attach {
                    stdin: None,
                    stdout: out_write.as_fd(),
                    stderr: err_write.as_fd(),
                    terminal: false,
                },
            )
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
        connection.create(bed.request(&bed.call(&["yes"]))).unwrap();
        let (read, write) = pipe();
        drop(read);
        let exit = connection
            .attach(
                ID,
                &Attach {
                    stdin: None,
                    stdout: write.as_fd(),
                    stderr: write.as_fd(),
                    terminal: false,
                },
            )
            .unwrap();
        assert_eq!(exit.signal, Some(9));
        assert!(connection.output_broken());
        bed.finish(connection, &exit);
    });
}

#[test]
fn output_of_a_container_that_ended_before_its_client_attached_is_kept() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sh", "-c", "echo out; echo err >&2"])))
            .unwrap();
        wait_until(|| bed.exit_record().is_some());
        let ran = attach(&mut connection, None);
        assert_eq!(
            (ran.stdout.as_slice(), ran.stderr.as_slice()),
            (b"out\n".as_slice(), b"err\n".as_slice())
        );
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn a_command_that_does_not_exist_is_the_clients_error() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        let error = connection
            .create(bed.request(&bed.call(&["no-such-command"])))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::CommandNotFound);
        assert_eq!(error.kind().exit_code(), 127);
        connection.finish(ID).unwrap();
        assert_eq!(bed.left(), Vec::<String>::new());
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
        let request = bed.call(&["sh", "-c", "sleep 1000 & echo up; wait"]);
        let mut client = bed.client(&request);
        wait_until(|| bed.printed().contains("up"));
        let supervisor = bed.pod.living_supervisor().unwrap().unwrap();
        let first = bed.first();
        client.kill().unwrap();
        client.wait().unwrap();
        wait_for_end(&supervisor);
        assert_eq!(first.find().unwrap().map(drop), None);
        // What cleaned up here has removed nothing: all of it is there for the next who looks.
        let exit = bed.reaped().unwrap();
        assert_eq!(exit.signal, Some(9));
        assert!(bed.reap_status().contains("SigBlk:\t0000000000000000"));
        let ended = bed.end().unwrap();
        assert_eq!(ended.exit, Some(exit));
        ended.clear(ID).unwrap();
        assert_eq!(bed.left(), Vec::<String>::new());
        assert_eq!(bed.processes(), Vec::<String>::new());
    });
}

#[test]
fn after_a_supervisors_death_the_pods_folder_tells_the_truth() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let record = bed.pod.supervisor().unwrap().unwrap();
        assert!(bed.pod.supervisor_alive().unwrap());
        kill_process(Pid::from_raw(record.stamp.pid).unwrap(), Signal::KILL).unwrap();
        drop(connection);
        wait_until(|| !bed.pod.supervisor_alive().unwrap());
        assert_eq!(bed.exit_record(), None);
        let orphan = bed.first().find().unwrap().unwrap();
        let ended = bed.end().unwrap();
        // It lived, and what ended it is known.
        assert_eq!(ended.exit.as_ref().unwrap().signal, Some(9));
        wait_for_end(&orphan);
        assert_eq!(bed.exit_record(), ended.exit);
        ended.clear(ID).unwrap();
        assert_eq!(bed.end().unwrap().exit, None);
        bed.pod.remove().unwrap();
    });
}

#[test]
fn an_end_that_nobody_saw_is_unknown_and_says_why() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let record = bed.pod.supervisor().unwrap().unwrap();
        let orphan = bed.first().find().unwrap().unwrap();
        kill_process(Pid::from_raw(record.stamp.pid).unwrap(), Signal::KILL).unwrap();
        drop(connection);
        wait_until(|| !bed.pod.supervisor_alive().unwrap());
        rustix::process::pidfd_send_signal(&orphan, Signal::TERM).unwrap();
        rustix::process::pidfd_send_signal(&orphan, Signal::KILL).unwrap();
        wait_for_end(&orphan);
        wait_until(|| bed.first().find().unwrap().is_none());
        let ended = bed.end().unwrap();
        let exit = ended.exit.as_ref().unwrap();
        assert_eq!((exit.code, exit.signal), (255, None));
        assert!(exit.unknown.as_ref().unwrap().contains("nobody saw its end"));
        ended.clear(ID).unwrap();
        bed.pod.remove().unwrap();
    });
}

#[test]
fn strangers_and_nonsense_are_turned_away_and_the_container_runs_on() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
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
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            // Perhaps a refusal, then the end.
            let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        }
        assert_eq!(connection.state(ID).unwrap().0, Condition::Running);
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        connection.kill_all(ID).unwrap();
        attach(&mut connection, None);
        connection.finish(ID).unwrap();
    });
}

#[test]
fn without_a_pid_namespace_what_outlives_the_first_process_is_ended() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        let mut request = bed.call(&["sh", "-c", "sleep 1000 & sleep 1000 & echo up; exit 5"]);
        share_pids(&mut request);
        connection.create(bed.request(&request)).unwrap();
        let ran = attach(&mut connection, None);
        assert_eq!((ran.exit.code, ran.stdout.as_slice()), (5, b"up\n".as_slice()));
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn a_kill_for_memory_names_its_limit_and_its_victim() {
    test(&[], |world| {
        let bed = Bed::new(world);
        for (script, code, first_process) in [
            ("exec tail /dev/zero", 137, true),
            ("tail /dev/zero; exit 3", 3, false),
        ] {
            let mut connection = bed.launch();
            let mut request = bed.call(&["sh", "-c", script]);
            request.spec.linux.as_mut().unwrap().resources = Some(Resources {
                memory: Some(Memory {
                    limit: Some(32 << 20),
                    ..Memory::default()
                }),
                ..Resources::default()
            });
            connection.create(bed.request(&request)).unwrap();
            let ran = attach(&mut connection, None);
            assert_eq!(ran.exit.code, code, "{ran:?}");
            let oom = ran.exit.oom.clone().unwrap();
            assert_eq!(
                (oom.limit, oom.group.as_deref()),
                (Some(32 << 20), Some("/tare/c1"))
            );
            assert_eq!((oom.kills, oom.first_process), (1, first_process));
            bed.finish(connection, &ran.exit);
        }
    });
}

#[test]
fn a_program_starts_with_default_signals_and_three_descriptors() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let ran = bed.run(&["sh", "-c", "cat /proc/self/status; ls /proc/self/fd"]);
        let text = String::from_utf8(ran.stdout).unwrap();
        let mask = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        // 32 and 33 are the C library's own, which lets nobody change them.
        assert_eq!((mask("SigBlk:"), mask("SigIgn:") & !(3 << 31)), (0, 0));
        // 3 is the directory that ls reads.
        assert!(text.ends_with("\n0\n1\n2\n3\n"), "{text}");
    });
}

#[test]
fn a_supervisor_has_left_everything_of_its_starters() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let open = File::open("/etc/passwd").unwrap();
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let pid = bed.pod.supervisor().unwrap().unwrap().stamp.pid;
        let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
        let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
        assert_eq!(link("cwd"), Path::new("/"));
        assert_ne!(link("ns/mnt"), std::fs::read_link("/proc/self/ns/mnt").unwrap());
        for line in proc("cgroup").lines() {
            // Beside version 1 it stays at the root of the version 2 tree, where there is nothing to leave.
            assert!(line.ends_with(":/tare/supervisors") || line == "0::/", "{line}");
        }
        let stat = proc("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        assert_eq!(fields[3], pid.to_string(), "it leads a session of its own");
        let status = proc("status");
        assert!(
            status.contains("Threads:\t1\n") && status.contains("Umask:\t0077"),
            "{status}"
        );
        let mut open: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|fd| {
                std::fs::read_link(fd.unwrap().path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .map(|name| name.strip_prefix("anon_inode:").unwrap_or(&name).to_owned())
            .map(|name| {
                if name.starts_with("socket:") {
                    "socket".to_owned()
                } else {
                    name
                }
            })
            // What tells of memory: files, and with version 1 an event.
            .filter(|name| !name.contains("/sys/fs/cgroup") && name != "[eventfd]")
            .collect();
        open.sort();
        let pod = bed.pod.path().display();
        let fifos = [format!("{pod}/stderr"), format!("{pod}/stdout")];
        let mut expected = vec!["/dev/null"; 3];
        expected.extend(fifos.iter().map(String::as_str));
        expected.extend(["[eventpoll]", "[pidfd]", "[signalfd]"]);
        expected.extend(["socket"; 2]);
        expected.sort_unstable();
        assert_eq!(open, expected);
        // What it runs from, nobody can open for writing.
        let image = rustix::fs::statvfs(format!("/proc/{pid}/exe")).unwrap();
        assert!(image.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        connection.kill_all(ID).unwrap();
        let ran = attach(&mut connection, None);
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn a_terminal_has_the_clients_size_and_the_client_its_mode_back() {
    test(&[], |world| {
        let bed = Bed::new(world);
        // The client tells its size when it has attached, which is after the start.
        let script = "until [ \"$(stty size)\" != '0 0' ]; do :; done; \
                      stty size; read line; stty size; echo got $line; tty; exit 4";
        let mut request = bed.call(&["sh", "-c", script]);
        request.spec.process.as_mut().unwrap().terminal = true;
        request.stdin_open = true;
        let (master, slave) = terminal();
        let resize = |rows, columns| {
            let size = rustix::termios::Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            rustix::termios::tcsetwinsize(&master, size).unwrap();
        };
        resize(33, 77);
        let before = rustix::termios::tcgetattr(&slave).unwrap();
        let mut command = bed.client_command(&["setsid", "--ctty"], &request);
        command.stdin(slave.try_clone().unwrap());
        command.stdout(slave.try_clone().unwrap());
        command.stderr(slave.try_clone().unwrap());
        let mut client = command.spawn().unwrap();
        drop(command);
        let mut screen = String::new();
        let mut read_until = |what: &str| {
            while !screen.contains(what) {
                let mut bytes = [0; 1024];
                assert!(is_readable(&master), "no {what:?} on {screen:?}");
                let n = rustix::io::read(&master, &mut bytes).unwrap();
                screen.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
            }
        };
        read_until("33 77\r\n");
        let raw = rustix::termios::tcgetattr(&slave).unwrap();
        assert!(!raw.local_modes.contains(rustix::termios::LocalModes::ECHO));
        resize(40, 100);
        // The container's terminal, not ours, echoes what is typed.
        rustix::io::write(&master, b"hello\r").unwrap();
        read_until("hello\r\n40 100\r\n");
        read_until("got hello\r\n");
        read_until("/dev/pts/0\r\n");
        assert_eq!(client.wait().unwrap().code(), Some(4));
        let after = rustix::termios::tcgetattr(&slave).unwrap();
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    });
}

fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::OpenptFlags;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, slave)
}

#[test]
fn a_client_passes_signals_on_and_the_third_term_kills() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'echo winch' WINCH; trap 'echo term' TERM; \
                      echo up; while :; do sleep 0.05; done";
        let mut client = bed.client(&bed.call(&["sh", "-c", script]));
        let pid = Pid::from_child(&client);
        wait_until(|| bed.printed().contains("up"));
        for (signal, word) in [
            (Signal::HUP, "hup"),
            (Signal::USR1, "usr1"),
            (Signal::WINCH, "winch"),
            (Signal::TERM, "term"),
            (Signal::TERM, "term\nterm"),
        ] {
            kill_process(pid, signal).unwrap();
            wait_until(|| bed.printed().contains(word));
        }
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(client.wait().unwrap().code(), Some(137));
        assert!(!bed.pod.path().exists(), "left: {:?}", bed.left());
    });
}

#[test]
fn a_container_that_is_kept_outlives_its_client() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut request = bed.call(&["sh", "-c", "read line; exit 9"]);
        request.on_hangup = Hangup::Keep;
        request.stdin_open = true;
        let mut connection = bed.launch();
        connection.create(bed.request(&request)).unwrap();
        let mut guest = bed.launch();
        let supervisor = bed.pod.living_supervisor().unwrap().unwrap();
        drop(connection);
        assert_eq!(guest.state(ID).unwrap().0, Condition::Running);
        guest.kill(ID, 9).unwrap();
        wait_for_end(&supervisor);
        wait_until(|| bed.reap_status().contains("SigBlk"));
        let exit = bed.exit_record();
        assert_eq!(exit.as_ref().unwrap().signal, Some(9));
        assert_eq!(bed.reaped(), exit);
        bed.end().unwrap().clear(ID).unwrap();
    });
}

#[test]
fn after_kill_9_at_any_point_the_next_command_leaves_nothing() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut seed = u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let (mut ended, mut unknown, mut absent) = (0, 0, 0);
        let rounds = rounds(30);
        for round in 0..rounds {
            let script = ["sleep 1000 & echo up; wait", "echo up", "yes", "exec sleep 1000"][round % 4];
            let mut client = bed.client(&bed.call(&["sh", "-c", script]));
            let delay = random(60_000);
            std::thread::sleep(std::time::Duration::from_micros(delay));
            let supervisor = bed.pod.supervisor().ok().flatten().filter(|_| round % 2 == 1);
            let killed = match supervisor {
                Some(record) => {
                    // It may be gone, or everything be over. The client finds a successor, or dies while it looks for one.
                    let _ = kill_process(Pid::from_raw(record.stamp.pid).unwrap(), Signal::KILL);
                    std::thread::sleep(std::time::Duration::from_micros(random(20_000)));
                    "supervisor"
                }
                None => "client",
            };
            client.kill().unwrap();
            client.wait().unwrap();
            // Where both are dead, what waits to be started is left for the next command.
            wait_until(|| bed.supervisors().is_empty());
            let mut attempts = 0..5;
            let done = loop {
                let done = bed.end().and_then(|found| {
                    let exit = found.exit.clone();
                    found.clear(ID).map(|()| exit)
                });
                match done {
                    // As every command: one that is on its way out is asked once more, by its successor.
                    Err(e) if e.kind() == Kind::Unavailable && attempts.next().is_some() => {}
                    done => break done,
                }
            };
            match done {
                Ok(Some(exit)) if exit.unknown.is_some() => unknown += 1,
                Ok(Some(_)) => ended += 1,
                Ok(None) => absent += 1,
                Err(e) => panic!("round {round} after {delay} us: {e:?}, {}", bed.printed()),
            }
            let what = format!(
                "round {round} after {delay} us: {}{}",
                bed.pod.log(),
                bed.printed()
            );
            wait_until(|| bed.processes().is_empty());
            bed.pod.remove().unwrap();
            for group in ["/tare/c1", "/tare/supervisors/pod"] {
                for tree in std::fs::read_dir("/sys/fs/cgroup").unwrap() {
                    let path = format!("{}{group}", tree.unwrap().path().display());
                    assert!(!Path::new(&path).exists(), "{path} {killed} {what}");
                }
            }
        }
        eprintln!("{rounds} rounds: {ended} ended, {unknown} unknown, {absent} not begun");
    });
}

#[test]
fn an_ordinary_user_has_supervisors_in_a_user_namespace() {
    test(&[Need::Userns], |world| {
        let person = world.person();
        let dir = person.home().join("bed");
        let bed = Bed::at(&dir);
        // It makes its own pod's folder.
        std::fs::remove_dir(bed.pod.path()).unwrap();
        let mut request = bed.call(&["sh", "-c", "id -u; cat /proc/self/uid_map; exit 6"]);
        let linux = request.spec.linux.as_mut().unwrap();
        linux.namespaces.retain(|n| n.kind != NamespaceKind::Network);
        let command = bed.client_command(&[], &request);
        rustix::fs::chown(&dir, Some(Uid::from_raw(person.id())), None).unwrap();
        let mut words = vec![command.get_program().to_owned()];
        words.extend(command.get_args().map(ToOwned::to_owned));
        let ran = person
            .run(world, "unshare")
            .args(["--user", "--map-root-user", "--mount", "--"])
            .args(words)
            .run();
        assert_eq!(ran.code(), Some(6), "{ran:?}");
        assert_eq!(
            ran.stdout,
            format!("0\n         0 {:>10} {:>10}\n", person.id(), 1)
        );
        assert!(!bed.pod.path().exists(), "left: {:?}", bed.left());
    });
}

/// With `TARE_FOOTPRINT=FILE`, in a release build for musl, this says in FILE what the shipped program takes.
#[test]
fn twenty_idle_supervisors_have_one_thread_each() {
    test(&[], |world| {
        let beds: Vec<Bed> = (0..20)
            .map(|n| Bed::at(&world.folder(&format!("bed{n}"))))
            .collect();
        let mut connections = Vec::new();
        for (n, bed) in beds.iter().enumerate() {
            std::fs::rename(bed.pod.path(), bed.dir.join(format!("pod{n}"))).unwrap();
            let bed = Bed {
                dir: bed.dir.clone(),
                pod: PodDir::open(bed.dir.join(format!("pod{n}"))).unwrap(),
            };
            let mut connection = bed.launch();
            let mut request = bed.call(&["sleep", "1000"]);
            request.spec.linux.as_mut().unwrap().cgroups_path = Some(format!("/tare/c{n}"));
            connection.create(bed.request(&request)).unwrap();
            connections.push((bed, connection));
        }
        let mut rows: Vec<[u64; 4]> = Vec::new();
        for (bed, _) in &connections {
            let pid = bed.pod.supervisor().unwrap().unwrap().stamp.pid;
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.trim().trim_end_matches(" kB").parse().unwrap()
            };
            rows.push(["Pss:", "Pss_Anon:", "Private_Dirty:", "Rss:"].map(number));
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            assert!(status.contains("Threads:\t1\n"));
        }
        rows.sort_unstable();
        let [pss, anonymous, dirty, resident] = rows[rows.len() / 2];
        if let Some(file) = std::env::var_os("TARE_FOOTPRINT") {
            let pid = connections[0].0.pod.supervisor().unwrap().unwrap().stamp.pid;
            let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
            let median = format!(
                "of {} the median: PSS {pss} KiB ({anonymous} anonymous), private dirty {dirty} KiB, RSS {resident} KiB",
                rows.len()
            );
            std::fs::write(file, format!("{median}\n\n{smaps}")).unwrap();
        }
        for (bed, mut connection) in connections {
            connection.kill_all(ID).unwrap();
            attach(&mut connection, None);
            connection.finish(ID).unwrap();
            bed.pod.remove().unwrap();
        }
    });
}

fn share_pids(request: &mut Asked) {
    let linux = request.spec.linux.as_mut().unwrap();
    linux.namespaces.retain(|n| n.kind != NamespaceKind::Pid);
}

fn wait_for_end(process: &impl AsFd) {
    assert!(is_readable(process));
}

fn is_readable(fd: &impl AsFd) -> bool {
    let fd = rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN);
    let limit = rustix::event::Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut [fd], Some(&limit)).unwrap() == 1
}

/// For what has no event of its own.
/// Whether a process has a handler of its own for a signal.
fn catches(pid: i32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

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
