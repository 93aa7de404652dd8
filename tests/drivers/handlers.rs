//! Our engine above other people's runtimes: the same commands are answered alike, whoever makes the containers.

use crate::machine::{Machine, NEEDS};
use tare_kit::{Need, test};

/// What the machine's person has written down.
const CONFIGURED: &str = r#"set -e
mkdir -p /etc/tare
cat > /etc/tare/config.toml <<END
[handler.crun]
command = "/usr/bin/crun"
[handler.runc]
command = "runc"
[handler.shim]
shim = "/usr/bin/containerd-shim-runc-v2"
options = { BinaryName = "/usr/bin/crun" }
END
/opt/tare/tare load -q --name busybox -i /opt/busybox/oci >/dev/null
/opt/tare/tare run --rm busybox true"#;

/// A life with everything in it.
const LIFE: &str = r#"cd / && exec 2>&1
t() { /opt/tare/tare "$@"; }
t run --rm --runtime $R busybox echo hello
t run --rm --runtime $R busybox sh -c 'exit 3'; echo ended $?
t run --rm --runtime $R busybox nosuchcmd 2>/dev/null; echo ended $?
t run --rm --runtime $R busybox /etc/passwd 2>/dev/null; echo ended $?
t run --rm --runtime $R -m 16m busybox sh -c 'x=x; while :; do x=$x$x; done'; echo ended $?
t run -d --name web --runtime $R busybox sh -c "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done" | wc -c
until t logs web | grep -q up; do :; done
t exec web nosuchcmd 2>/dev/null; echo ended $?
t exec web sh -c 'echo in; exit 5'; echo ended $?
echo piped | t exec -i web cat
t pause web; t exec web true; t unpause web
pkill -9 -f '[c]ontainerd-shim-tare-v2 -pod'; t exec web echo taken over
t stop web; t wait web; t logs web
t start web
until [ "$(t logs web | grep -c up)" = 2 ]; do :; done
t rm -f web
t ps -aq
find /run/tare/pods /run/tare/foreign -mindepth 1 2>/dev/null; ls -A /run/tare/runtimes/* 2>/dev/null | grep -v '[:.@]' | grep -v ^tare | grep .
ls -l /proc/[0-9]*/cwd 2>/dev/null | grep /run/tare/foreign; mount | grep /run/tare/foreign || true"#;

/// What it prints.
const SAID: &str = "hello
ended 3
ended 127
ended 126
tare: NAME was killed for memory: its limit is 16 MiB
ended 137
65
ended 127
in
ended 5
piped
web
tare: exec in container web: it is paused
hint: `tare unpause web` lets it go on
web
taken over
web
4
up
bye
web
web
";

/// What can be looked at, changed and joined while it runs.
const LOOK: &str = r#"cd / && exec 2>&1
t() { /opt/tare/tare "$@"; }
tty() { mkfifo /tmp/in; script -qec "$1" /dev/null <>/tmp/in | tr -d '\r'; rm /tmp/in; }
tty "stty rows 21 cols 22; /opt/tare/tare run --rm -it --runtime $R busybox sh -c 'tty; until stty size 2>/dev/null | grep 21; do :; done; sleep 0.2; exit 7'; echo ended \$?"
t run -d --name web --runtime $R -m 64m busybox sh -c 'echo up; sleep 1000 & wait' >/dev/null
tty "stty rows 31 cols 32; /opt/tare/tare exec -it web sh -c 'until stty size 2>/dev/null | grep 31; do :; done; sleep 0.2; exit 8'; echo ended \$?"
t update -m 80m web; t exec web cat /sys/fs/cgroup/memory/memory.limit_in_bytes
until t top web | grep -qE '00:00:00 +sleep 1000$'; do :; done; t top web | sed 's/.*00:00:00 *//' | tail -n 2
t stats --no-stream --format '{{.MemUsage}} {{.PIDs}} {{.NetIO}}' web | sed 's/^[^ ]*/N/'
t ns ls | awk '$6 == "web" {print $2}' | sort | paste -sd ' '
[ "$(t inspect --format '{{.State.Pid}}' web)" -gt 0 ] && echo a process
echo content > /tmp/f; t cp -q /tmp/f web:/tmp/g; t exec web cat /tmp/g; t cp web:/tmp/g - | tar t; t diff web
t pause web; t ps --format '{{.Status}}' | grep -o Paused; t unpause web; t ps --format '{{.Status}}' | grep -o '^Up'
t kill -s KILL web; t wait web; t why web | grep -o 'tare kill. of uid 0'; t rm web
t run -d --name well --runtime $R --health-cmd 'echo fine' --health-interval 100ms busybox sleep 1000 >/dev/null
until t ps --format '{{.Status}}' | grep -q '(healthy)'; do :; done; t inspect --format '{{json .State.Health}}' well | grep -o fine | head -n 1; t rm -f well
t run -d --name again --restart on-failure:2 --runtime $R busybox sh -c 'echo x; exit 9' >/dev/null
until [ "$(t logs again)" = "$(printf 'x\nx\nx')" ]; do :; done; t wait again; t rm -f again
t run -d -i --name cat --runtime $R busybox sh -c 'while read x; do echo got $x; done' >/dev/null
: >/tmp/got
(echo one; until t logs cat | grep -q one; do :; done; echo two; until grep -q two /tmp/got; do :; done; pkill -KILL -xf '/opt/tare/tare attach cat') | sh -c '/opt/tare/tare attach cat >/tmp/got; true' 2>/dev/null; grep got /tmp/got
t rm -f cat
t run --rm --runtime $R busybox sh -c 'head -c 3000000 /dev/zero' | wc -c"#;

/// What that prints.
const LOOKED: &str = "/dev/pts/0
21 22
ended 7
31 32
ended 8
web
83886080
sh -c echo up; sleep 1000 & wait
sleep 1000
N / 80MiB 2 0B / 0B
cgroup ipc mnt net pid uts
a process
content
g
C /tmp
A /tmp/g
web
Paused
web
Up
web
137
tare kill` of uid 0
web
fine
well
9
again
got one
got two
cat
3000000
";

/// The library, commands of OCI runtimes, and shims of version 2: by a name of config.toml, by a path, as containerd names them.
const HANDLERS: [&str; 7] = [
    "tare",
    "crun",
    "runc",
    "/opt/tare/tare-runtime",
    "io.containerd.runc.v2",
    "shim",
    "/opt/tare/containerd-shim-tare-v2",
];

#[test]
fn containers_are_looked_at_and_changed_alike() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        let machine = Machine::furnish(world, &["busybox"]);
        let _ = machine.sh(CONFIGURED, &[]).ok();
        for handler in HANDLERS {
            let said = machine.sh(LOOK, &[("R", handler)]).ok();
            assert_eq!(said, LOOKED, "{handler}:\n{said}");
        }
    });
}

#[test]
fn containers_are_alike_whoever_makes_them() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        let machine = Machine::furnish(world, &["busybox"]);
        let _ = machine.sh(CONFIGURED, &[]).ok();
        for handler in HANDLERS {
            let said = machine.sh(LIFE, &[("R", handler)]).ok();
            // A container that was not named has its id's first digits.
            let said: String = said
                .lines()
                .map(|line| match line.split_once(" was killed for memory") {
                    Some((_, rest)) => format!("tare: NAME was killed for memory{rest}\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            assert_eq!(said, SAID, "{handler}:\n{said}");
        }
        let refused = machine
            .sh("/opt/tare/tare run --rm --runtime cron busybox true", &[])
            .fails(125);
        assert_eq!(
            refused,
            "tare: use handler cron: there is none of this name\nhint: did you mean crun?\n"
        );
    });
}

/// A container of a pod, beside one of ours.
const POD: &str = r#"cd / && exec 2>&1
t() { /opt/tare/tare "$@"; }
t pod create site >/dev/null
t run -d --name own --pod site busybox sleep 1000 >/dev/null
t run --rm --pod site --runtime $R busybox sh -c 'hostname; echo shared > /dev/shm/x; exit 3'; echo ended $?
t run -d --name other --pod site --runtime $R busybox sleep 1000 >/dev/null
[ "$(t exec own readlink /proc/self/ns/net)" = "$(t exec other readlink /proc/self/ns/net)" ] && echo one network
t exec own cat /dev/shm/x
t pod stop -t 0 site >/dev/null; t pod ps --format '{{.Status}}'
t pod start site >/dev/null; t pod ps --format '{{.Status}}'; t exec other hostname
t pod rm -f -t 0 site >/dev/null
find /run/tare/pods /run/tare/foreign -mindepth 1 2>/dev/null; true"#;

#[test]
fn pods_have_containers_of_any() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        let machine = Machine::furnish(world, &["busybox"]);
        let _ = machine.sh(CONFIGURED, &[]).ok();
        for handler in HANDLERS {
            let said = machine.sh(POD, &[("R", handler)]).ok();
            let wanted = "site\nended 3\none network\nshared\nExited\nRunning\nsite\n";
            assert_eq!(said, wanted, "{handler}:\n{said}");
        }
    });
}
