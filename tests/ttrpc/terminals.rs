//! Terminals at the end of their process, under containerd's shim and ours.

use crate::bed::{Bed, OURS, RUNCS, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use std::fs;
use std::io::Write;
use tare_kit::test;

/// What comes too late for a terminal is lost, and no error to who writes it: containerd would read no output any more either.
fn late_input_is_no_error(bed: &mut Bed) {
    let answer = bed.start("c", "echo over; exit 4", "yes");
    bed.run("mkfifo /run/io.in /run/io.out", "c", &[]);
    let path = bed.root.join("run/io.out");
    let reader = std::thread::spawn(move || fs::read_to_string(path).expect("read the output"));
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["/run/io.in", "/run/io.out", ""], true);
    let input = fs::File::options().write(true).open(bed.root.join("run/io.in"));
    let mut input = input.expect("open the input");
    talk.start("");
    talk.wait("");
    assert_eq!(reader.join().expect("the output ends"), "over\r\n");
    input.write_all(b"late\n").expect("write the input");
    talk.delete("");
    assert_eq!(talk.lines[2..], ["wait: 4", "delete: 4 true pid true"]);
    ends(bed, &answer, &mut talk, true);
}

#[test]
fn late_input_is_no_error_under_containerds() {
    test(NEEDS, |world| {
        late_input_is_no_error(&mut Bed::furnish(world, RUNCS))
    });
}

#[test]
fn late_input_is_no_error_under_ours() {
    test(NEEDS, |world| {
        late_input_is_no_error(&mut Bed::furnish(world, OURS))
    });
}
