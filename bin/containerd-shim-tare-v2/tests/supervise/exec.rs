//! What is executed in a container that runs.

use crate::bed::{Bed, ID, attach, collect, pipe};
use crate::wait_until;
use rustix::fd::AsFd;
use tare_error::Kind;
use tare_kit::test;
use tare_shim::{Attach, Connection, ExecRequest, Executed};

#[test]
fn what_is_executed_has_streams_of_its_own_and_a_code() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let mut guest = bed.launch();
        for code in [0, 3] {
            let script = format!("cat; echo err >&2; exit {code}");
            let mut request = bed.exec("e1", &["sh", "-c", &script]);
            request.stdin_open = true;
            let (executed, stdout, stderr) = execute(&mut guest, &request, Some(b"hello"));
            assert_eq!(
                (executed.code, executed.killed, executed.cut),
                (code, false, false)
            );
            assert_eq!(
                (stdout.as_slice(), stderr.as_slice()),
                (b"hello".as_slice(), b"err\n".as_slice())
            );
            assert_eq!(bed.executed(), 0);
        }
        for (args, kind) in [
            (["no-such-command"], Kind::CommandNotFound),
            (["/etc"], Kind::CommandNotExecutable),
        ] {
            let (_read, write) = pipe();
            let outputs = Attach {
                stdin: None,
                stdout: write.as_fd(),
                stderr: write.as_fd(),
                terminal: false,
            };
            let error = guest.exec(&bed.exec("e1", &args), &outputs).unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(bed.executed(), 0);
        }
        connection.kill_all(ID).unwrap();
        let ran = attach(&mut connection, None);
        let error = guest
            .exec_detached(&bed.exec("e1", &["true"]), |_| {})
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
        drop(guest);
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn an_exec_ends_in_time_with_all_that_it_started_and_says_no_more_than_is_wanted() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let mut guest = bed.launch();
        let script = "setsid sh -c 'sleep 1234 & sleep 1234' & echo up; sleep 1234";
        let mut request = bed.exec("late", &["sh", "-c", script]);
        request.timeout = Some(std::time::Duration::from_millis(300));
        let (executed, stdout, _) = execute(&mut guest, &request, None);
        assert_eq!(
            (executed.code, executed.killed, stdout.as_slice()),
            (137, true, b"up\n".as_slice())
        );
        wait_until(|| running(&["sleep", "1234"]) == 0);
        let mut request = bed.exec("long", &["sh", "-c", "seq 1 300000; seq 1 300000 >&2; exit 5"]);
        request.most_output = Some(100);
        let (executed, stdout, stderr) = execute(&mut guest, &request, None);
        assert_eq!(
            (executed.code, executed.cut, stdout.len(), stderr.len()),
            (5, true, 100, 100)
        );
        connection.kill_all(ID).unwrap();
        let ran = attach(&mut connection, None);
        drop(guest);
        bed.finish(connection, &ran.exit);
    });
}

#[test]
fn what_is_executed_for_nobody_is_forgotten_when_it_has_ended() {
    test(&[], |world| {
        let bed = Bed::new(world);
        let mut connection = bed.launch();
        connection
            .create(bed.request(&bed.call(&["sleep", "1000"])))
            .unwrap();
        let mut guest = bed.launch();
        guest
            .exec_detached(&bed.exec("d1", &["sleep", "0.2"]), |_| {})
            .unwrap();
        guest
            .exec_detached(&bed.exec("d2", &["sleep", "1234"]), |_| {})
            .unwrap();
        // Whoever asked can still ask how it ended, and deletes it, or goes.
        wait_until(|| running(&["sleep", "0.2"]) == 0);
        assert_eq!(bed.executed(), 2);
        drop(guest);
        wait_until(|| bed.executed() == 1);
        assert_eq!(running(&["sleep", "1234"]), 1);
        connection.kill_all(ID).unwrap();
        let ran = attach(&mut connection, None);
        bed.finish(connection, &ran.exit);
    });
}

/// Executes with pipes: how it ended, and both outputs.
fn execute(
    guest: &mut Connection,
    request: &ExecRequest,
    input: Option<&[u8]>,
) -> (Executed, Vec<u8>, Vec<u8>) {
    let (stdin, feed) = pipe();
    if let Some(bytes) = input {
        rustix::io::write(&feed, bytes).unwrap();
    }
    drop(feed);
    let (out_read, out_write) = pipe();
    let (err_read, err_write) = pipe();
    let (stdout, stderr) = (collect(out_read), collect(err_read));
    let outputs = Attach {
        stdin: input.map(|_| stdin.as_fd()),
        stdout: out_write.as_fd(),
        stderr: err_write.as_fd(),
        terminal: false,
    };
    let executed = guest.exec(request, &outputs).unwrap();
    drop((out_write, err_write));
    (executed, stdout.join().unwrap(), stderr.join().unwrap())
}

/// How many processes there are with this command line.
fn running(words: &[&str]) -> usize {
    let line: String = words.iter().flat_map(|word| [*word, "\0"]).collect();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|found| found == line.as_bytes()).count()
}
