//! Shims of version 2 as handlers of our engine, when things go wrong: they die, hang, talk nonsense, or have their processes elsewhere.

use crate::machine::{Machine, NEEDS};
use tare_kit::{Need, World, test};

/// What the rows call. `left` prints what there still is of a container that is gone: nothing.
const PRELUDE: &str = r#"cd /; exec 2>&1
t() { timeout 60 /opt/tare/tare "$@"; }
shim() { pgrep -f '^[^ ]*containerd-shim-(runc|tare)-v2 -namespace'; }
supervisor() { pgrep -f '^[^ ]*containerd-shim-tare-v2 -pod'; }
left() {
  find /run/tare/pods /run/tare/foreign -mindepth 1 -maxdepth 1; ls -l /proc/[0-9]*/cwd 2>/dev/null | grep /run/tare/foreign
  mount | grep /run/tare/foreign; pgrep -x sleep; find /sys/fs/cgroup -path '*/tare/*' -type d | grep -E '[0-9a-f]{64}'; t ps -aq
}
"#;

/// What is done, and what that prints.
type Row = (&'static str, &'static str, &'static str);

const DEATHS: &[Row] = &[
    (
        "the shim is killed",
        "t run -d --name web --runtime $R busybox sleep 1000 >/dev/null; kill -9 $(shim); t wait web; t ps -a --format '{{.Names}} {{.Status}}' | cut -d' ' -f1-3
        t why web | head -n 1 | sed 's/its shim, [^,]*/its shim/'; t logs web; t start web; t exec web echo again; t rm -f web; left",
        "255\nweb Exited (255)\nweb has ended, and nobody knows how: its shim, died or stopped answering, and nobody saw its end\nweb\nagain\nweb\n",
    ),
    (
        "the shim is killed below a foreground",
        "(until t ps -q | grep -q .; do :; done; sleep 0.3; kill -9 $(shim)) & t run --rm --runtime $R busybox sleep 1000; echo $?; wait; left",
        "255\n",
    ),
    (
        "the shim of one that is started again is killed",
        "t run -d --name web --restart on-failure:3 --runtime $R busybox sh -c 'echo up; exec sleep 1000' >/dev/null; until t logs web | grep -q up; do :; done; kill -9 $(shim)
        until [ \"$(t logs web | grep -c up)\" = 2 ]; do :; done; t rm -f web; left",
        "web\n",
    ),
    (
        "its supervisor is killed, and the shim then",
        "t run -d --name web --runtime $R busybox sleep 1000 >/dev/null; t pause web >/dev/null; kill -9 $(supervisor); t ps --format '{{.Status}}' | grep -o Paused; t unpause web; t exec web echo taken over
        kill -9 $(supervisor) $(shim); t wait web; t rm web; left",
        "Paused\nweb\ntaken over\n255\nweb\n",
    ),
    (
        "an exec lives through its supervisor",
        "t run -d --name web --runtime $R busybox sleep 1000 >/dev/null; rm -f /tmp/said; (t exec web sh -c 'echo begun; until [ -e /go ]; do sleep 0.05; done; echo went; exit 9'; echo $?) > /tmp/said & until grep -qs begun /tmp/said; do :; done
        kill -9 $(supervisor); t exec web touch /go; wait; cat /tmp/said; t rm -f web; left",
        "begun\nwent\n9\nweb\n",
    ),
    (
        "the supervisor becomes another program",
        "t run -d --name web --runtime $R busybox sh -c 'trap \"exit 6\" TERM; while :; do sleep 0.05; done' >/dev/null; /opt/tare/containerd-shim-tare-v2 -pod /run/tare/pods/[0-9a-f]* -containers /run/tare/containers upgrade | wc -l
        t exec web echo still; t stop web; t wait web; t rm web; left",
        "1\nstill\nweb\n6\nweb\n",
    ),
    (
        "the shim hangs",
        "t run -d --name web --runtime $R busybox sleep 1000 >/dev/null; kill -STOP $(shim); t rm -f web; left",
        "web\n",
    ),
    (
        "tare is killed",
        "/opt/tare/tare run --rm --runtime $R busybox sleep 1000 & until t ps -q | grep -q .; do :; done; sleep 0.3; kill -9 $!; until [ -z \"$(left)\" ]; do sleep 0.1; done",
        "",
    ),
];

/// Shims that are none: each is a script.
const ODD: &str = r##"mkdir -p /opt/odd; odd() { { echo "#!/bin/sh"; echo '[ "$(eval echo \${$#})" = start ] || exit 0'; cat; } > /opt/odd/containerd-shim-$1-v2; chmod +x /opt/odd/containerd-shim-$1-v2; }
odd fails <<'E'
echo no such machine >&2; exit 1
E
odd talks <<'E'
echo hello world
E
odd speaks <<'E'
echo '{"version":3,"address":"unix:///run/x","protocol":"grpc"}'
E
odd leaves <<'E'
echo unix:///run/nobody
E
serve() { cat <<E
rm -rf /run/$1 /run/$1.listens; setsid perl -MIO::Socket::UNIX -e '\$s = IO::Socket::UNIX->new(Local => "/run/$1", Listen => 9) or die; mkdir "/run/$1.listens"; $2' </dev/null >/dev/null 2>&1 &
until [ -d /run/$1.listens ]; do :; done; echo unix:///run/$1
E
}
serve babble 'while ($c = $s->accept) { sysread $c, $x, 4096; syswrite $c, "HTTP/1.1 400 Bad Request\r\n\r\n" x 9; close $c }' | odd babbles
serve silent 'while (1) { push @held, $s->accept }' | odd hangs
r() { t run --rm --runtime /opt/odd/containerd-shim-$1-v2 busybox true 2>&1 | sed -E 's/[0-9a-f]{64}/ID/'; left; ps -eo args | grep '^perl' | cut -c 1-20; }
"##;

const NONSENSE: &[Row] = &[
    (
        "it fails",
        "r fails",
        "tare: start ID: containerd-shim-fails-v2: no such machine\n",
    ),
    (
        "it says something else",
        "r talks",
        "tare: start containerd-shim-talks-v2: it said nothing that is an address\n",
    ),
    (
        "it speaks something else",
        "r speaks",
        "tare: start containerd-shim-speaks-v2: it speaks \"grpc\", and shims are spoken to in ttrpc\n",
    ),
    (
        "it is not there",
        "r leaves",
        "tare: create ID: containerd-shim-leaves-v2: it is gone\n",
    ),
    (
        "it babbles",
        "r babbles",
        "tare: create ID: containerd-shim-babbles-v2: it has gone without an answer\n",
    ),
    (
        "it is silent",
        "r hangs",
        "tare: create ID: containerd-shim-hangs-v2: it has not answered within 10s\n",
    ),
    (
        "it is unknown",
        "t run --rm --runtime io.containerd.nosuch.v2 busybox true; t run --rm --runtime /opt/containerd-shim-x busybox true; t run --rm --runtime io.containerd busybox true 2>&1 | head -n 1; t ps -aq",
        "tare: use handler io.containerd.nosuch.v2: there is no program containerd-shim-nosuch-v2 in PATH\nhint: install the shim, or name its path: [handler.NAME] shim = \"/path\" in config.toml\n\
         tare: use handler /opt/containerd-shim-x: there is no program /opt/containerd-shim-x\nhint: install the shim, or name its path: [handler.NAME] shim = \"/path\" in config.toml\n\
         tare: use handler io.containerd: there is none of this name\n",
    ),
    (
        "it is configured in two ways, or wrongly",
        "cat > /etc/tare/config.toml <<'E'\n[handler.wrong]\nshim = \"io.containerd.runc.v2\"\noptions = { BinaryNam = \"x\" }\n[handler.both]\nshim = \"io.containerd.runc.v2\"\ncommand = \"runc\"\nE\n\
         t run --rm --runtime wrong busybox true 2>&1 | head -n 1; t run --rm --runtime both busybox true 2>&1 | head -n 1; rm /etc/tare/config.toml; t ps -aq",
        "tare: use handler wrong: its options: line 1: there is no option BinaryNam of this type\ntare: use handler both: it is both a command and a shim\n",
    ),
];

/// A shim whose container is in no cgroup of this machine's, and whose processes have numbers that are others' here, as one of a
/// virtual machine's. It cannot pause.
const MACHINE: &str = r##"mkdir -p /opt/odd; cat > /opt/odd/containerd-shim-machine-v2 <<'E'
#!/usr/bin/perl
use IO::Socket::UNIX; use IO::Select;
exit 0 if $ARGV[-1] ne "start";
my $path = "/run/machine"; unlink $path;
my $s = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die;
$| = 1; print "{\"version\":3,\"address\":\"unix://$path\",\"protocol\":\"ttrpc\"}";
exit 0 if fork; open STDIN, "</dev/null"; open STDOUT, ">/dev/null"; open STDERR, ">/dev/null";
sub v { my ($n, $o) = (shift, ""); while ($n > 127) { $o .= chr($n % 128 + 128); $n >>= 7 } $o . chr $n }
sub n { v($_[0] * 8) . v($_[1]) } sub b { v($_[0] * 8 + 2) . v(length $_[1]) . $_[1] }
my $metrics = b(1, n(1, 5) . n(2, 9)) . b(4, n(32, 1 << 20) . n(33, 64 << 20));
my %say = (Connect => n(1, $$), Create => n(1, 1), Start => n(1, 1), State => n(3, 1) . n(4, 2), Delete => n(2, 137), Exec => "",
  Pids => b(1, n(1, 1)) . b(1, n(1, 7)), Stats => b(1, b(1, "io.containerd.cgroups.v2.Metrics") . b(2, $metrics)), Kill => "", Shutdown => "");
my ($own) = "@ARGV" =~ /-id (\S+)/;
sub forward { my $c = IO::Socket::UNIX->new(Peer => $ENV{TTRPC_ADDRESS}) or return;
  my $e = b(1, b(2, "tare") . b(3, "/tasks/oom") . b(4, b(1, "containerd.events.TaskOOM") . b(2, b(1, $own))));
  my $m = b(1, "containerd.services.events.ttrpc.v1.Events") . b(2, "Forward") . b(3, $e);
  syswrite $c, pack("NNCC", length $m, 1, 1, 0) . $m; sysread $c, $m, 4096 }
sub answer { my ($c, $id, $m) = @_; syswrite $c, pack("NNCC", length $m, $id, 2, 0) . $m }
my $all = IO::Select->new($s); my (@waiting, $over, %come);
while (1) { for my $c ($all->can_read) {
  if ($c == $s) { my $new = $s->accept; $come{$new} = ""; $all->add($new); next }
  if (!sysread($c, $come{$c}, 65536, length $come{$c})) { $all->remove($c); close $c; next }
  while (length $come{$c} >= 10) { my ($length, $id) = unpack "NN", $come{$c}; last if length $come{$c} < 10 + $length;
  my $x = substr $come{$c}, 0, 10 + $length, ""; my ($m) = $x =~ /Task\x12.([A-Za-z]+)/s;
  if ($m eq "Wait") { if ($over) { answer($c, $id, $over) } else { push @waiting, [$c, $id] } next }
  if ($m eq "Start" && -e "/run/ends-at-once") { $over = b(2, n(1, 7)); answer(@$_, $over) for @waiting; @waiting = (); select undef, undef, undef, 0.3 }
  if (exists $say{$m}) { answer($c, $id, b(2, $say{$m})) } else { answer($c, $id, b(1, n(1, 12) . b(2, "no $m here"))) }
  forward() if $m eq "Kill" && -e "/run/out-of-memory";
  if ($m eq "Kill") { answer(@$_, b(2, n(1, 137))) for @waiting; @waiting = () }
  exit 0 if $m eq "Shutdown";
} } }
E
chmod +x /opt/odd/containerd-shim-machine-v2; R=/opt/odd/containerd-shim-machine-v2
"##;

const ELSEWHERE: &[Row] = &[(
    "what it tells is what is told",
    "t run -d --name vm --runtime $R busybox sleep 1000 >/dev/null; t ps --format '{{.Names}} {{.Status}}' | grep -o 'vm Up'; t inspect --format '{{.State.Pid}}' vm
    t top vm | tail -n 2 | awk '{print $2, $NF}'; t stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' vm; t ns ls | grep -c vm
    t cp vm:/etc/hostname - ; t pause vm 2>&1 | sed -E 's/[0-9a-f]{64}/ID/'; kill -9 $(supervisor); t ps --format '{{.Names}} {{.Status}}' | grep -o 'vm Up'; t stop vm; t wait vm; t rm vm; left
    t run -d -m 16m --name vm --runtime $R busybox sleep 1000 >/dev/null; touch /run/out-of-memory; t kill -s TERM vm; t wait vm; t why vm | head -n 1; t rm vm; left",
    "vm Up\n0\n1 ?\n7 ?\n1MiB / 64MiB 5\n0\ntare: copy from container vm: look at the files of vm: it runs, and its processes are none of this machine's\nhint: stop it first\n\
     tare: pause ID: containerd-shim-machine-v2: it does not implement this (no Pause here)\nvm Up\nvm\n137\nvm\n\
     vm\n137\nvm was killed for memory: its limit is 16 MiB\nvm\n",
), (
    "it has ended before it is said to be started",
    "rm -f /run/out-of-memory; touch /run/ends-at-once; t run --rm --runtime $R busybox true; echo $?; left",
    "7\n",
)];

fn run(world: &World, prelude: &str, handlers: &[&str], rows: &[Row]) {
    let machine = Machine::furnish(world, &["busybox"]);
    let load = "mkdir -p /etc/tare; /opt/tare/tare load -q --name busybox -i /opt/busybox/oci >/dev/null; /opt/tare/tare run --rm busybox true";
    let _ = machine.sh(load, &[]).ok();
    for handler in handlers {
        for (name, script, expected) in rows {
            let script = format!("{PRELUDE}{prelude}{script}; true");
            let said = machine.sh(&script, &[("R", handler)]).ok();
            assert_eq!(said, *expected, "{handler}, {name}:\n{said}");
        }
    }
}

#[test]
fn a_shim_that_dies_or_hangs_takes_nothing_with_it_that_stays() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        run(
            world,
            "",
            &["io.containerd.runc.v2", "/opt/tare/containerd-shim-tare-v2"],
            DEATHS,
        );
    });
}

#[test]
fn what_is_no_shim_is_told_in_a_sentence() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        run(world, ODD, &["odd"], NONSENSE);
    });
}

#[test]
fn what_only_a_shim_knows_is_asked_of_it() {
    test(&[NEEDS, &[Need::Fixture("busybox")]].concat(), |world| {
        run(world, MACHINE, &["machine"], ELSEWHERE);
    });
}
