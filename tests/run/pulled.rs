//! Images that other tools made, pulled from a real registry: they run, and their files are those that umoci unpacks.

use crate::shell::{assert_nothing_left, run, wait_until_cleared};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tare_kit::{Need, Tare, World, test};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Overlay,
    Need::Fixture("registry"),
    Need::Program("docker-registry"),
    Need::Program("skopeo"),
    Need::Program("umoci"),
    Need::Program("getfattr"),
    Need::Program("nsenter"),
    Need::Program("busybox"),
];

/// What tare puts into every container's root: places for the files with names and addresses.
const OURS: &[&str] = &["etc/hosts", "etc/hostname", "etc/resolv.conf"];

#[test]
fn an_image_of_another_tool_runs() {
    test(NEEDS, |world| {
        let registry = world.registry();
        let nginx = registry.image("nginx:latest");
        let id = world.tare(["pull", nginx.as_str()]).ok();
        assert!(id.starts_with("sha256:") && id.trim_end().len() == 71, "{id}");
        let version = run(world, &[]).args([nginx.as_str(), "-v"]).run();
        assert_eq!(version.code(), Some(0), "{version}");
        assert!(version.to_string().contains("nginx version"), "{version}");
        let debian = registry.image("debian");
        let os = run(world, &["--pull", "always"])
            .args([debian.as_str(), "sh", "-c", ". /etc/os-release; echo $ID"])
            .ok();
        assert_eq!(os.trim(), "debian");
        assert_nothing_left(world);
    });
}

#[test]
fn its_files_are_those_that_umoci_unpacks() {
    test(NEEDS, |world| {
        let registry = world.registry();
        for name in ["debian", "nginx"] {
            let image = registry.image(name);
            let theirs = unpacked_by_umoci(world, &image, name);
            let words = ["--name", name, "--entrypoint", "/bin/sleep"];
            let running = run(world, &words).args([image.as_str(), "1000"]).start();
            let ours = root_of_first_process(world);
            let (ours, theirs) = (described(world, &ours), described(world, &theirs));
            let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| -> Vec<String> {
                a.iter()
                    .filter(|(path, what)| b.get(*path) != Some(*what))
                    .map(|(path, what)| format!("{path}: {what}"))
                    .collect()
            };
            assert!(
                theirs.len() > 1000,
                "{name}: only {} files were looked at",
                theirs.len()
            );
            assert_eq!(only(&ours, &theirs), only(&theirs, &ours), "{name}");
            running.signal(rustix::process::Signal::KILL);
            drop(running);
            wait_until_cleared(world);
        }
    });
}

fn unpacked_by_umoci(world: &World, image: &str, name: &str) -> PathBuf {
    let folder = world.folder(&format!("umoci-{name}"));
    let layout = folder.join("oci");
    let _ = Tare::program("skopeo")
        .args(["copy", "--insecure-policy", "--quiet", "--src-tls-verify=false"])
        .args([
            format!("docker://{image}"),
            format!("oci:{}:it", layout.display()),
        ])
        .ok();
    let bundle = folder.join("bundle");
    let _ = Tare::program("umoci")
        .args(["unpack", "--image", &format!("{}:it", layout.display())])
        .args([&bundle])
        .ok();
    bundle.join("rootfs")
}

/// The running container's root, without what is mounted in it; waits until the program runs.
///
/// It is bound to `/mnt` once more, alone, so that what `/dev` and the like cover is seen as well. The image
/// need not have a `mount`: ours is reached by the working directory, which stays outside.
fn root_of_first_process(world: &World) -> PathBuf {
    loop {
        let pods = std::fs::read_dir(world.run_root().join("pods"));
        for pod in pods.into_iter().flatten().flatten() {
            let id = pod.file_name().to_string_lossy().into_owned();
            let record = pod.path().join("containers").join(format!("{id}.json"));
            let record = std::fs::read(record).unwrap_or_default();
            let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
            let pid = record.pointer("/processes/0/stage/living/pid");
            let Some(pid) = pid.and_then(serde_json::Value::as_i64) else {
                continue;
            };
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim_end() == "sleep" {
                let script = r#"tools=$(dirname "$(command -v busybox)")
                    exec nsenter --mount --target "$0" --wd="$tools" ./busybox mount --bind / /mnt"#;
                let _ = Tare::program("sh").args(["-c", script, &pid.to_string()]).ok();
                return PathBuf::from(format!("/proc/{pid}/root/mnt"));
            }
        }
    }
}

/// By path: type, mode, owner, size, time, link target, content and attributes of everything below a root.
///
/// Of a folder no size and no time: umoci stamps those in which it deletes with its own clock.
fn described(world: &World, root: &Path) -> BTreeMap<String, String> {
    let script = r#"cd "$0"
        find . -xdev -mindepth 1 \( -type d -printf '%P\t%y %m %U:%G\n' \) -o -printf '%P\t%y %m %U:%G %s %T@ %l\n'
        find . -xdev -type f -exec sha256sum {} + | sed -E 's/^([0-9a-f]+) [ *]\.\/(.*)$/content of \2\t\1/'
        getfattr -R -P -h -d -m '^(user|security)\.' bin etc home opt root sbin srv usr var 2>/dev/null |
            awk '/^# file: /{f=substr($0,9)} /=/{print "attribute of " f "\t" $0}'"#;
    let text = Tare::program("sh")
        .directory(world.scratch())
        .args(["-c", script])
        .args([root])
        .ok();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    let is_ours = |path: &str| {
        let path = path.strip_prefix("content of ").unwrap_or(path);
        OURS.contains(&path)
    };
    lines
        .filter(|(path, _)| !is_ours(path))
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .collect()
}
