//! Attacks from inside a container on the runtime that made it.

use crate::bundle::{Bundle, NEEDS};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tare_kit::{World, test};

/// A program whose interpreter is whoever executes it: the runtime, which then waits for a reader of its log.
const EVIL: &str = "#!/proc/self/exe --log=/fifo\n";

/// Takes a handle on the runtime's image while it runs in the container, lets it end, and writes through the handle.
const OVERWRITE: &str = r#"
for p in $(ls /proc | grep '^[0-9]'); do
  case "$(cat /proc/$p/comm)" in
  evil)
    exec 3</proc/$p/exe && echo held
    cat /fifo >/dev/null
    n=0
    while [ $n -lt 200 ]; do
      n=$((n + 1))
      # Refused for being executed is not refused for good.
      told=$( (printf overwritten >/proc/self/fd/3) 2>&1) && { echo written; break; }
      case $told in *busy*) usleep 10000 ;; *) echo "$told" | sed 's/.*: //'; break ;; esac
    done ;;
  esac
done
"#;

/// A container with more rights than docker gives, so that nothing but the image itself is in the way.
fn attackable<'a>(world: &'a World, args: &[&str]) -> Bundle<'a> {
    let mut bundle = Bundle::new(world, "");
    let evil = bundle.path.join("rootfs/bin/evil");
    fs::write(&evil, EVIL).unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    bundle.set("/process/args", json!(args));
    bundle.set("/root/readonly", json!(false));
    let strong = [
        "CAP_SYS_PTRACE",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_SYS_ADMIN",
    ];
    for set in ["bounding", "effective", "permitted"] {
        bundle.set(&format!("/process/capabilities/{set}"), json!(strong));
    }
    let _ = fs::remove_file(bundle.path.join("rootfs/fifo"));
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, bundle.path.join("rootfs/fifo"), fifo, mode, 0).unwrap();
    bundle
}

/// The attack as somebody in the container makes it, while the runtime hangs there.
fn overwrite(bundle: &Bundle<'_>) {
    let mut told = String::new();
    // Until the evil program has come as far as its log.
    for _ in 0..200 {
        told = bundle.runtime(&["exec", "c", "sh", "-c", OVERWRITE]).ok();
        if !told.is_empty() {
            break;
        }
    }
    assert_eq!(told, "held\nRead-only file system\n");
}

/// Has the program's own image attacked in the container, and looks that it is what it was.
fn is_not_overwritten(world: &World, args: &[&str], hang: impl FnOnce(&mut Bundle<'_>)) {
    let program = world.program_path("tare-runtime");
    let before = fs::read(&program).unwrap();
    let mut bundle = attackable(world, args);
    hang(&mut bundle);
    overwrite(&bundle);
    assert!(
        fs::read(&program).unwrap() == before,
        "the program was overwritten"
    );
    let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
}

/// CVE-2019-5736 and its kin: the container executes the runtime's own image and overwrites it.
#[test]
fn the_runtime_cannot_be_overwritten_by_what_create_starts() {
    test(NEEDS, |world| {
        is_not_overwritten(world, &["/bin/evil"], |bundle| {
            // The attacker is to outlive it.
            bundle.share("pid");
            bundle.start();
        });
    });
}

#[test]
fn the_runtime_cannot_be_overwritten_by_what_exec_starts() {
    test(NEEDS, |world| {
        is_not_overwritten(world, &["sleep", "100"], |bundle| {
            bundle.start();
            let _ = bundle.runtime(&["exec", "--detach", "c", "/bin/evil"]).ok();
        });
    });
}

/// CVE-2024-21626: whoever calls the runtime has fds that are not for the container, and so has the runtime itself.
#[test]
fn no_fd_but_the_standard_ones_reaches_the_container() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "ls /proc/self/fd; ls -l /proc/self/cwd | sed 's/.*-> //'");
        let runtime = world.program_path("tare-runtime");
        let leaky = |words: &str| {
            let script = format!(
                "exec 3</ 4</etc/passwd 7</proc 9</sys/fs/cgroup; exec {} --root {} {words}",
                runtime.display(),
                bundle.home().display()
            );
            tare_kit::Tare::program("sh").args(["-c", &script])
        };
        let path = bundle.path.display();
        // The fourth is the listing's own.
        let clean = "0\n1\n2\n3\n";
        assert_eq!(
            leaky(&format!("run --bundle {path} c")).ok(),
            format!("{clean}/\n")
        );
        let bundle = Bundle::new(world, "sleep 100");
        let _ = leaky(&format!("create --bundle {path} c </dev/null >/dev/null 2>&1")).ok();
        let _ = leaky("start c").ok();
        let init = "ls /proc/1/fd";
        assert_eq!(leaky(&format!("exec c sh -c '{init}'")).ok(), "0\n1\n2\n");
        assert_eq!(leaky("exec c ls /proc/self/fd").ok(), clean);
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

/// A working directory that leads out by an fd of the runtime, in the configuration and in exec.
#[test]
fn no_working_directory_leads_out() {
    test(NEEDS, |world| {
        for fd in 3..24 {
            let cwd = format!("/proc/self/fd/{fd}");
            let mut bundle = Bundle::new(world, "ls /");
            bundle.set("/process/cwd", json!(cwd));
            let ran = bundle.run();
            assert_ne!(ran.code(), Some(0), "{cwd}: {ran}");
        }
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        for fd in 3..24 {
            let cwd = format!("/proc/self/fd/{fd}");
            let told = bundle.runtime(&["exec", "--cwd", &cwd, "c", "pwd"]).fails(255);
            assert!(told.contains(&cwd), "{told}");
        }
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

/// Without a pivot the host's tree stays below the container's. Where its procfs stays too, the kernel lets the container
/// mount one without a mask (runc's "must not expose bare /proc").
#[test]
fn a_container_without_a_pivot_mounts_no_bare_proc() {
    test(NEEDS, |world| {
        let script = "unshare -mrpf sh -c 'mount -t proc none /proc && echo exposed'";
        let mut bundle = Bundle::new(world, script);
        for set in ["bounding", "effective", "permitted"] {
            bundle.set(&format!("/process/capabilities/{set}"), json!(["CAP_SETFCAP"]));
        }
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let path = bundle.path.to_str().unwrap();
        let ran = bundle
            .runtime(&["run", "--no-pivot", "--bundle", path, "c"])
            .run();
        assert!(
            ran.stderr.contains("permission denied") && ran.stdout.is_empty(),
            "{ran}"
        );
        assert_eq!(
            fs::read_to_string("/proc/self/mountinfo").unwrap(),
            before,
            "the host's mounts"
        );
        bundle.assert_nothing_left();
    });
}
