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
ls -A /run/tare/pods /run/tare/foreign /run/tare/runtimes/* 2>/dev/null | grep -v '[:.@]' | grep . || true"#;

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

#[test]
fn containers_are_alike_whoever_makes_them() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        let machine = Machine::furnish(world, &["busybox"]);
        let _ = machine.sh(CONFIGURED, &[]).ok();
        for handler in ["tare", "crun", "runc", "/opt/tare/tare-runtime"] {
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
