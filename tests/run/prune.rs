//! What nobody needs goes, and what lies on disk is said: `prune`, `system df`, `system info`.

use crate::shell::{NEEDS, assert_nothing_left, ready};
use tare_kit::{World, test};

/// Makes an image of a container that has this file.
fn image(world: &World, file: &str, name: &str) -> String {
    let script = format!("dd if=/dev/zero of=/{file} bs=1k count=512 2>/dev/null; echo {file} > /name");
    let _ = world
        .tare(["run", "--name", "maker", "busybox", "sh", "-c", &script])
        .ok();
    let id = world
        .tare(["commit", "-c", &format!("LABEL of={file}"), "maker", name])
        .ok();
    let _ = world.tare(["rm", "maker"]).ok();
    id.trim().to_owned()
}

/// The numbers of a line of `system df`.
fn line(world: &World, kind: &str) -> Vec<String> {
    let format = "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}";
    let text = world.tare(["system", "df", "--format", format]).ok();
    let found = text.lines().find(|line| line.starts_with(&format!("{kind}|")));
    let found = found.unwrap_or_else(|| panic!("{kind} in {text}"));
    found.split('|').skip(1).map(str::to_owned).collect()
}

#[test]
fn containers_that_do_not_run() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world
            .tare(["run", "-d", "-i", "--name", "lives", "busybox", "cat"])
            .ok();
        let _ = world
            .tare([
                "run", "--name", "ended", "-l", "a=b", "-v", "/anon", "busybox", "true",
            ])
            .ok();
        let _ = world.tare(["create", "--name", "waits", "busybox", "true"]).ok();
        let id = |name: &str| {
            world
                .tare(["inspect", "--format", "{{.Id}}", name])
                .ok()
                .trim()
                .to_owned()
        };
        let (ended, waits) = (id("ended"), id("waits"));
        for filter in ["until=1h", "until=2020-01-01T00:00:00Z", "label=x", "label=a=c"] {
            let said = world.tare(["container", "prune", "-f", "--filter", filter]).ok();
            assert_eq!(said, "Total reclaimed space: 0B\n", "{filter}");
        }
        let said = world.tare(["container", "prune"]).stdin("no\n").run();
        assert_eq!(said.code(), Some(125));
        let asked =
            "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ";
        assert_eq!(said.stdout, asked);
        let said = world
            .tare(["container", "prune", "--filter", "label!=a"])
            .stdin("y\n")
            .ok();
        assert!(
            said.starts_with(&format!(
                "{asked}Deleted Containers:\n{waits}\n\nTotal reclaimed space: "
            )),
            "{said}"
        );
        // One that dies in the middle is finished by the next.
        let out = world
            .tare(["container", "prune", "-f"])
            .env("TARE_FAILPOINT", "kill@remove-recorded")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        let _ = world.tare(["container", "prune", "-f"]).ok();
        assert_eq!(
            world.tare(["ps", "-aq"]).ok().lines().count(),
            1,
            "the one that lives"
        );
        assert!(!world.data_root().join("containers").join(ended).exists());
        assert_eq!(
            world.tare(["volume", "ls", "-q"]).ok().lines().count(),
            1,
            "volumes are not pruned with them"
        );
        let bad = world
            .tare(["container", "prune", "-f", "--filter", "name=x"])
            .fails(125);
        assert!(bad.contains("there is no such filter"), "{bad}");
        let _ = world.tare(["volume", "prune", "-f"]).ok();
        let _ = world.tare(["rm", "-f", "lives"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn images_that_nobody_needs() {
    test(NEEDS, |world| {
        ready(world);
        let (old, new) = (image(world, "one", "made"), image(world, "two", "made"));
        let used = image(world, "three", "used");
        let _ = world.tare(["create", "--name", "web", "used", "true"]).ok();
        let said = world
            .tare(["image", "prune", "-f", "--filter", "label=of=two"])
            .ok();
        assert_eq!(said, "Total reclaimed space: 0B\n");
        let said = world.tare(["image", "prune", "-f"]).ok();
        assert!(
            said.starts_with(&format!(
                "Deleted Images:\ndeleted: {old}\n\nTotal reclaimed space: 1.0"
            )),
            "{said}"
        );
        let said = world.tare(["image", "prune", "-af", "--filter", "label=of"]).ok();
        assert!(
            said.starts_with(&format!(
                "Deleted Images:\nuntagged: made:latest\ndeleted: {new}\n\n"
            )),
            "{said}"
        );
        let left = world.tare(["images", "--format", "{{.Repository}}"]).ok();
        let mut left: Vec<&str> = left.lines().collect();
        left.sort_unstable();
        assert_eq!(left, ["busybox", "used"]);
        let said = world.tare(["image", "prune", "-a"]).stdin("y\n").ok();
        assert!(
            said.contains("all images without at least one container associated to them."),
            "{said}"
        );
        assert!(
            world.tare(["run", "--rm", "used", "cat", "/name"]).ok() == "three\n" && !said.contains(&used)
        );
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn all_of_it_at_once() {
    test(NEEDS, |world| {
        ready(world);
        let _ = image(world, "one", "made");
        let _ = image(world, "two", "made");
        let _ = world
            .tare([
                "run",
                "--name",
                "ended",
                "-v",
                "/anon",
                "-v",
                "kept:/kept",
                "busybox",
                "true",
            ])
            .ok();
        let said = world.tare(["system", "prune", "--volumes"]).stdin("y\n").ok();
        let asked = "WARNING! This will remove:\n  - all stopped containers\n  - all anonymous volumes not used by at least one \
             container\n  - all dangling images\n\nAre you sure you want to continue? [y/N] ";
        assert!(said.starts_with(asked), "{said}");
        for part in [
            "Deleted Containers:\n",
            "Deleted Volumes:\n",
            "Deleted Images:\ndeleted: sha256:",
            "\nTotal reclaimed space: ",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(
            world.tare(["volume", "ls", "-q"]).ok(),
            "kept\n",
            "one with a name stays"
        );
        assert!(
            world
                .tare(["system", "prune", "-af"])
                .ok()
                .contains("untagged: made:latest")
        );
        assert_eq!(world.tare(["images", "-q"]).ok(), "");
        let _ = world.tare(["volume", "rm", "kept"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_lies_on_disk_is_said() {
    test(NEEDS, |world| {
        ready(world);
        let _ = image(world, "one", "made");
        let script = "dd if=/dev/zero of=/f bs=1k count=512 2>/dev/null; dd if=/dev/zero of=/data/f bs=1k count=512 2>/dev/null";
        let _ = world
            .tare([
                "run",
                "--name",
                "ended",
                "-v",
                "data:/data",
                "busybox",
                "sh",
                "-c",
                script,
            ])
            .ok();
        let _ = world.tare(["volume", "create", "free"]).ok();
        let text = world.tare(["system", "df"]).ok();
        let head = text.lines().next().unwrap_or_default();
        assert_eq!(
            head.split_whitespace().collect::<Vec<_>>(),
            ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
        );
        assert_eq!(text.lines().count(), 5, "{text}");
        let images = line(world, "Images");
        assert_eq!(images[..2], ["2", "1"]);
        let containers = line(world, "Containers");
        assert_eq!(containers[..2], ["1", "0"]);
        assert!(containers[3].ends_with("(100%)"), "{containers:?}");
        let volumes = line(world, "Local Volumes");
        assert_eq!(volumes[..2], ["2", "1"]);
        assert!(
            volumes[2].starts_with("5") && volumes[2].ends_with("kB"),
            "{volumes:?}"
        );
        let full = world.tare(["system", "df", "-v"]).ok();
        for part in [
            "Images space usage:\n\nREPOSITORY",
            "UNIQUE SIZE",
            "LOCAL VOLUMES",
            "VOLUME NAME",
            "free",
        ] {
            assert!(full.contains(part), "{part}: {full}");
        }
        let info = world.tare(["system", "info", "--json"]).ok();
        assert!(
            info.contains("\"Volumes\": \"2\"") && world.tare(["info"]).ok().contains("Volumes"),
            "{info}"
        );
        let _ = world.tare(["rm", "ended"]).ok();
        let _ = world.tare(["volume", "prune", "-af"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn as_a_person() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let tare = |words: &[&str]| world.tare_as(world.person(), words);
        let _ = tare(&[
            "run",
            "--name",
            "ended",
            "-v",
            "/anon",
            "busybox",
            "sh",
            "-c",
            "echo x > /f; chown 7 /f",
        ])
        .ok();
        let _ = tare(&["commit", "ended", "made"]).ok();
        let _ = tare(&["system", "df", "-v"]).ok();
        let said = tare(&["system", "prune", "-af", "--volumes"]).ok();
        assert!(
            said.contains("untagged: made:latest") && said.contains("Deleted Volumes:"),
            "{said}"
        );
        assert_eq!(tare(&["images", "-q"]).ok(), "");
        assert_eq!(tare(&["ps", "-aq"]).ok(), "");
    });
}
