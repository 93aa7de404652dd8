//! The same containers by our engine, by two processes of it at once, and by containerd with our shim: what they print and how
//! they end is alike.

use crate::containerd::SHIM;
use crate::machine::{Machine, NEEDS, remove_group};
use tare_kit::test;

/// Our engine has the image that containerd has.
const LOAD: &str = "/opt/tare/tare load -q -i /busybox.tar >/dev/null; /opt/tare/tare run --rm busybox true";

/// What is asked of each, in its own words.
const WORDS: &str = r#"exec 2>&1
I=docker.io/library/busybox:latest
case $BY in
engine)
  t() { /opt/tare/tare "$@"; }
  run() { n=$1; shift; t run --rm -i --name $N-$n busybox "$@"; }
  small() { n=$1; shift; t run --rm -m 16m --name $N-$n busybox "$@" 2>/dev/null; }
  start() { n=$1; shift; t run -d --name $N-$n busybox "$@" >/dev/null; }
  enter() { n=$1; shift; t exec $N-$n "$@"; }
  still() { t pause $N-$1 >/dev/null; t inspect -f '{{.State.Status}}' $N-$1; t unpause $N-$1 >/dev/null; }
  end() { t kill --signal $2 $N-$1 >/dev/null; echo ended $(t wait $N-$1); t rm $N-$1 >/dev/null; }
  ;;
containerd)
  run() { n=$1; shift; ctr run --rm --runtime io.containerd.tare.v2 $I $N-$n "$@"; }
  small() { n=$1; shift; ctr run --rm --memory-limit 16777216 --runtime io.containerd.tare.v2 $I $N-$n "$@" 2>/dev/null; }
  start() { n=$1; shift; ctr run -d --null-io --runtime io.containerd.tare.v2 $I $N-$n "$@"; }
  enter() { n=$1; shift; ctr task exec --exec-id x$$ $N-$n "$@"; }
  still() { ctr task pause $N-$1; ctr task ls | awk -v n=$N-$1 '$1 == n { print tolower($3) }'; ctr task resume $N-$1; }
  end() { ctr task kill -s $2 $N-$1; until ctr task ls | grep $N-$1 | grep -q STOPPED; do sleep 0.05; done
    echo ended $(ctr task delete $N-$1 2>&1 | grep -o 'code [0-9]*' | cut -d' ' -f2); ctr container rm $N-$1; }
  ;;
esac
"#;

/// The containers. Those that say something stay for a moment: of a program that ends at once ctr can lose what it said.
const LIVES: &str = r#"run a sh -c 'echo out; sleep 0.2; exit 7'; echo ended $?
run b sh -c 'sh -c "kill -9 \$\$"; code=$?; sleep 0.2; exit $code'; echo ended $?
run c sh -c 'id -u; pwd; echo $$; set -- /proc/[0-9]*; echo $#; sleep 0.2'; echo ended $?
run d sh -c 'yes tare | head -n 60000' | md5sum
small f sh -c 'x=x; while :; do x=$x$x; done'; echo ended $?
start g sh -c 'trap "exit 5" USR1; touch /ready; while :; do sleep 0.05; done'
enter g sh -c 'until [ -e /ready ]; do sleep 0.05; done; echo in $(cat /proc/1/comm); sleep 0.2; exit 3'; echo ended $?
still g
end g SIGUSR1"#;

/// What they print.
const SAID: &str = "out
ended 7
Killed
ended 137
0
/
1
1
ended 0
SUM  -
ended 137
in sh
ended 3
paused
ended 5
";

#[test]
fn containers_are_alike_whoever_asks_for_them() {
    test(NEEDS, |world| {
        let machine = Machine::furnish(world, &[]);
        let _ = machine.sh(SHIM.start, &[]).ok();
        let _ = machine.sh(LOAD, &[]).ok();
        let sum = machine.sh("yes tare | head -n 60000 | md5sum", &[]).ok();
        let wanted = SAID.replace("SUM  -\n", &sum);
        let lives = format!("{WORDS}{LIVES}");
        let live = |name: &str, by: &str| machine.sh(&lives, &[("N", name), ("BY", by)]).ok();
        // Two at once know nothing of each other.
        let by_engine = std::thread::scope(|scope| {
            let both = ["one", "two"].map(|name| scope.spawn(|| live(name, "engine")));
            both.map(|one| one.join().expect("it ends"))
        });
        let said = [live("alone", "engine"), live("under", "containerd")];
        for (who, said) in ["one of two", "the other", "alone", "under containerd"]
            .into_iter()
            .zip(by_engine.iter().chain(&said))
        {
            assert_eq!(*said, wanted, "{who}:\n{said}");
        }
        let _ = machine.sh(SHIM.stop, &[]).ok();
        drop(machine);
        SHIM.keeps.iter().for_each(|group| remove_group(group));
    });
}
