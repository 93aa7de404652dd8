//! `tare unshare`: every command line has the same end as with util-linux's, and the program finds itself at the same place.

use rustix::process::Signal;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::os::unix::fs::MetadataExt as _;
use tare_kit::{Finished, Need, Tare, World, test};

const NEEDS: &[Need] = &[Need::Root, Need::Userns, Need::Program("unshare")];

/// Says which namespaces are not those outside, and who and where the program is.
const LOOK: &str = r#"
for n in cgroup ipc mnt net pid time user uts; do
  grep -qxF "$(readlink /proc/self/ns/$n)" /mnt/scratch/outside || echo "own $n"
done
id -u; id -g; sort /proc/self/uid_map; sort /proc/self/gid_map; cat /proc/self/setgroups
grep -e ^Cap -e ^Groups /proc/self/status; pwd; grep -c shared: /proc/self/mountinfo
grep -c ' - proc ' /proc/self/mountinfo; cat /proc/self/timens_offsets
[ $$ = 1 ] && { echo first; cat /proc/1/comm; }"#;

/// Options under which a program looks around.
const OPTIONS: &[&str] = &[
    "",
    "-m",
    "-u",
    "-i",
    "-n",
    "-U",
    "-C",
    "-T",
    "-Tf",
    "-f",
    "-pf",
    "-mui -n",
    "--mount --uts --ipc --net --cgroup",
    "-pf --mount-proc",
    "-rpf --mount-proc",
    "-pf --mount-proc=/mnt/scratch/proc",
    "-m --propagation slave",
    "-m --propagation=shared",
    "-m --propagation unchanged",
    "-m --propagation private",
    "--propagation bogus",
    "-rm --propagation slave",
    "-r",
    "-c",
    "-Ur",
    "-r -f",
    "-rmuinpCf",
    "--map-root-user",
    "--map-current-user --fork",
    "--map-user=5",
    "--map-user=tester",
    "--map-user=nosuch",
    "--map-group=7",
    "--map-user 5 --map-group 7",
    "-U --setgroups deny",
    "-U --setgroups allow",
    "-r --setgroups allow",
    "--map-auto",
    "-r --map-auto",
    "-c --map-auto",
    "--map-user=5 --map-users=1000000,0,10",
    "--map-user=5 --map-users=1000000,0,10 --map-groups=1000000,0,10",
    "--map-users=1000000,0,10 --map-groups=1000000,0,10 --setgroups deny",
    "-r --map-users=1000000,1,10",
    "--map-users=1,0,10",
    "-w /usr",
    "-w /nosuch",
    "-R / -w usr",
    "--root=/ --wd=/usr",
    "-R /nosuch",
    "-S 5",
    "-G 6",
    "-S 5 -G 6",
    "-S x",
    "-U -S 5",
    "-r -S 0",
    "-r -G 0",
    "-r --keep-caps",
    "-c --keep-caps",
    "-pf --kill-child",
    "--kill-child=TERM -p",
    "--kill-child=NOSUCH",
    "-Tf --monotonic 100 --boottime 200",
    "--monotonic 100",
];

/// Options, and what is run.
fn lines() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let look = || vec!["sh", "-c", LOOK];
    let mut lines: Vec<(Vec<&str>, Vec<&str>)> = OPTIONS
        .iter()
        .map(|options| (options.split_whitespace().collect(), look()))
        .collect();
    for options in [
        vec![],
        vec!["-f"],
        vec!["-u"],
        vec!["-pf"],
        vec!["-rf", "--kill-child"],
    ] {
        for script in [
            "exit 7",
            "kill -TERM $$",
            "kill -PIPE $$",
            "exec 3<&- ; echo $0 $#",
        ] {
            lines.push((options.clone(), vec!["sh", "-c", script]));
        }
        for program in ["nosuch", "/nosuch/program", "/etc/passwd", "/usr", ""] {
            lines.push((options.clone(), vec![program]));
        }
        lines.push((options.clone(), vec!["echo", "-f", "--", "-m"]));
        let dashed = [options.clone(), vec!["--"]].concat();
        lines.push((dashed, vec!["echo", "x"]));
        lines.push((options, vec![]));
    }
    lines
}

/// How it ended, and what it printed.
fn end(of: &Finished) -> (Option<i32>, Option<i32>, &str, bool) {
    (of.code(), of.signal(), &of.stdout, of.stderr.is_empty())
}

/// Options that root's `unshare` of 2.38 has newuidmap judge, by /etc/subuid: ours writes what root may.
const JUDGED: &str = "--map-users=";

fn compare(
    world: &World,
    lines: &[(Vec<&str>, Vec<&str>)],
    ours: impl Fn() -> Tare,
    theirs: impl Fn() -> Tare,
) {
    let outside: String = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
        .iter()
        .map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace"))
        .map(|link| format!("{}\n", link.display()))
        .collect();
    let _ = world.file("outside", outside);
    let _ = world.folder("proc");
    rustix::mount::mount_change("/run", rustix::mount::MountPropagationFlags::SHARED).expect("share a mount");
    let mut differ = String::new();
    for (options, program) in lines {
        let run = |tare: Tare| {
            let tare = tare
                .args(options)
                .args(program)
                .env("SHELL", "/bin/sh")
                .env("TMPDIR", "/tmp");
            tare.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
                .stdin("echo \"$0 $#\"\nexit 3\n")
                .run()
        };
        let (ours, theirs) = (run(ours()), run(theirs()));
        if end(&ours) != end(&theirs) {
            differ += &format!("{options:?} {program:?}\nours {ours}\ntheirs {theirs}\n\n");
        }
    }
    assert!(differ.is_empty(), "{differ}");
}

#[test]
fn it_is_util_linuxs_for_root() {
    test(NEEDS, |world| {
        let mut lines = lines();
        lines.retain(|(options, _)| !options.iter().any(|option| option.starts_with(JUDGED)));
        let theirs = || Tare::program("unshare").directory(world.folder("empty"));
        compare(world, &lines, || world.tare(["unshare"]), theirs);
    });
}

#[test]
fn it_is_util_linuxs_for_an_ordinary_user() {
    test(NEEDS, |world| {
        let person = world.person();
        let ours = || world.tare_as(person, ["unshare"]);
        compare(world, &lines(), ours, || person.run(world, "unshare"));
    });
}

#[test]
fn a_signal_that_ends_the_program_ends_it() {
    test(NEEDS, |world| {
        // util-linux 2.38 cannot say this of SIGKILL.
        let out = world.tare(["unshare", "-f", "sh", "-c", "kill -9 $$"]).run();
        assert_eq!((out.signal(), out.stderr.as_str()), (Some(9), ""), "{out}");
    });
}

#[test]
fn ranges_have_their_newer_form_as_well() {
    test(NEEDS, |world| {
        let words = [
            "unshare",
            "-r",
            "--map-users=1:1000000:10",
            "--map-users",
            "20:1000020:5",
            "--",
        ];
        let map = world.tare(words).args(["cat", "/proc/self/uid_map"]).ok();
        let map: Vec<&str> = map.split_whitespace().collect();
        assert_eq!(map, ["0", "0", "1", "1", "1000000", "10", "20", "1000020", "5"]);
    });
}

#[test]
fn namespaces_stay_where_they_are_bound() {
    test(NEEDS, |world| {
        for (options, kind) in [
            (&["--uts="][..], "uts"),
            (&["-f", "--pid="], "pid"),
            (&["-m", "--net="], "net"),
            (&["-f", "--mount="], "mount"),
            (&["-r", "--user="], "user"),
        ] {
            let file = world.file(kind, "");
            let mut words: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
            words
                .last_mut()
                .expect("an option")
                .push_str(&file.display().to_string());
            let name = if kind == "mount" { "mnt" } else { kind };
            let link = format!("/proc/self/ns/{name}");
            // A mount namespace of the one processor may count as earlier than ours, which the other one has numbered.
            let inside = (0..16)
                .map(|n| {
                    let mut one = CpuSet::new();
                    one.set(n % 2);
                    // Where there is one alone, this cannot happen.
                    let _ = sched_setaffinity(None, &one);
                    world
                        .tare(["unshare"])
                        .args(&words)
                        .args(["readlink", &link])
                        .run()
                })
                .find(|out| out.code() == Some(0) || !out.stderr.contains("numbers them for each processor"));
            let inside = inside.expect("it is bound").stdout;
            let bound = std::fs::metadata(&file).expect("what is bound").ino();
            assert_eq!(inside, format!("{name}:[{bound}]\n"));
            let _ = Tare::program("umount").args([&file]).ok();
        }
        let said = world
            .tare(["unshare", "-f", "--uts=/nosuch/file", "echo", "ran"])
            .run();
        assert_eq!((said.code(), said.stdout.as_str()), (Some(1), ""), "{said}");
        assert!(
            said.stderr
                .contains("bind a namespace to /nosuch/file: no such file"),
            "{said}"
        );
    });
}

#[test]
fn the_child_ends_with_its_parent() {
    test(NEEDS, |world| {
        let script = "echo $$; exec sleep 1000";
        let mut running = world
            .tare(["unshare", "--kill-child", "sh", "-c", script])
            .start();
        let pid = running.line().expect("a number");
        running.signal(Signal::KILL);
        let is_there = || {
            std::path::Path::new("/proc")
                .join(&pid)
                .join("exe")
                .read_link()
                .is_ok()
        };
        while is_there() {
            let _ = world.tare(["version"]).ok();
        }
    });
}

#[test]
fn errors_say_what_to_do() {
    test(NEEDS, |world| {
        let person = world.person();
        let said = world.tare_as(person, ["unshare", "-m", "true"]).fails(1);
        assert!(said.starts_with("tare: unshare mnt: "), "{said}");
        let said = world.tare(["unshare", "--map-users=x", "true"]).fails(1);
        assert!(
            said.contains("--map-users: read range of ids \"x\": it is not three numbers\nhint: give"),
            "{said}"
        );
        let said = world.tare(["unshare", "nosuch"]).fails(127);
        assert!(
            said.starts_with("tare: execute nosuch: no such file or directory"),
            "{said}"
        );
    });
}
