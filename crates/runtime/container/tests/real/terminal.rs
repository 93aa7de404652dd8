//! Containers with a terminal.

use crate::Test;
use crate::bed::Bed;
use rustix::io::Errno;
use serde_json::json;
use tare_container::Stdio;

pub(crate) const TESTS: &[Test] = &[
    ("terminal_is_the_containers_own", terminal_is_the_containers_own),
    ("terminal_needs_devpts", terminal_needs_devpts),
];

fn terminal_is_the_containers_own() {
    let mut bed = Bed::new();
    bed.set("/process/consoleSize", json!({"height": 33, "width": 101}))
        .set("/process/user/uid", json!(1000));
    let script = "tty; stty size; stat -c %t:%T:%u /dev/console; stat -c %t:%T /dev/pts/0; echo /dev/pts/*; echo said >/dev/tty";
    let mut creation = bed.begin(&["sh", "-c", script], Stdio::Terminal).unwrap();
    creation.wait_created().unwrap();
    let master = creation.take_terminal().unwrap();
    let running = creation.run().unwrap();
    let mut text = String::new();
    let mut some = [0; 1024];
    loop {
        match rustix::io::read(&master, &mut some) {
            // The last program that had it open is gone.
            Ok(0) | Err(Errno::IO) => break,
            Ok(n) => text.push_str(&String::from_utf8_lossy(&some[..n])),
            Err(Errno::INTR) => {}
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(running.process.wait().unwrap().exit_status(), Some(0), "{text}");
    assert_eq!(
        text,
        "/dev/pts/0\r\n33 101\r\n88:0:1000\r\n88:0\r\n/dev/pts/0 /dev/pts/ptmx\r\nsaid\r\n"
    );
}

fn terminal_needs_devpts() {
    let mut bed = Bed::new();
    bed.set(
        "/mounts",
        json!([{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}]),
    );
    let error = bed
        .begin(&["true"], Stdio::Terminal)
        .unwrap()
        .wait_created()
        .unwrap_err();
    let text = tare_error::Report::new(&error).with_hint().to_string();
    assert_eq!(
        text,
        "open a terminal in /dev/pts: no such file or directory\nhint: a terminal needs devpts mounted on /dev/pts"
    );
}
