//! `tare ps`, `tare inspect`: docker's columns, words, shapes, filters and templates.

use crate::shell::{NEEDS, assert_nothing_left, ready};
use tare_kit::{Tare, World, test};

const SLEEP: [&str; 2] = ["sleep", "1000"];

fn ps(world: &World, words: &[&str]) -> String {
    world.tare(["ps"]).args(words).ok()
}

#[test]
fn the_list_has_dockers_columns_and_words() {
    test(NEEDS, |world| {
        ready(world);
        let id = world
            .tare(["run", "-d", "--name", "web", "busybox"])
            .args(SLEEP)
            .ok();
        let _ = world
            .tare(["run", "--name", "done", "busybox", "sh", "-c", "exit 3"])
            .run();
        let list = ps(world, &["-a"]);
        let mut lines = list.lines();
        assert_eq!(
            lines
                .next()
                .expect("a heading")
                .split("  ")
                .filter(|w| !w.is_empty())
                .map(str::trim)
                .collect::<Vec<_>>(),
            [
                "CONTAINER ID",
                "IMAGE",
                "COMMAND",
                "CREATED",
                "STATUS",
                "PORTS",
                "NAMES"
            ]
        );
        let done = lines.next().expect("a line");
        assert!(
            done.contains("Exited (3) ") && done.contains(" ago ") && done.ends_with("done"),
            "{done}"
        );
        let web = lines.next().expect("a line");
        assert!(
            web.starts_with(&id[..12]) && web.contains("\"sleep 1000\"") && web.contains("Up "),
            "{web}"
        );
        assert_eq!(ps(world, &["-q"]), format!("{}\n", &id[..12]));
        assert_eq!(ps(world, &["-q", "--no-trunc"]), id);
        assert_eq!(
            ps(world, &["-l", "--format", "{{.Names}} {{.State}}"]),
            "done exited\n"
        );
        assert_eq!(ps(world, &["-n", "2", "--format", "{{.Names}}"]), "done\nweb\n");
        let _ = world.tare(["pause", "web"]).ok();
        let paused = ps(world, &["--format", "{{.Status}}|{{.State}}"]);
        assert!(
            paused.starts_with("Up ") && paused.ends_with(" (Paused)|paused\n"),
            "{paused}"
        );
        let _ = world.tare(["unpause", "web"]).ok();
        let size = ps(world, &["-s", "--format", "table {{.Names}}\\t{{.Size}}"]);
        assert!(
            size.starts_with("NAMES     SIZE\nweb       ") && size.contains("B (virtual "),
            "{size}"
        );
        let wired = ps(
            world,
            &["--format", "{{.Mounts}}|{{.Networks}}|{{.LocalVolumes}}"],
        );
        assert_eq!(wired, "|none|0\n");
        assert_eq!(ps(world, &["-q", "--filter", "health=healthy"]), "");
        let json: serde_json::Value = serde_json::from_str(&ps(world, &["--format", "json"])).expect("JSON");
        assert_eq!(
            (&json["Names"], &json["State"], &json["Image"]),
            (&"web".into(), &"running".into(), &"busybox".into())
        );
        let wrong = world.tare(["ps", "--format", "{{.Nmaes}}"]).fails(125);
        assert!(
            wrong.contains("there is no field .Nmaes") && wrong.contains("did you mean .Names?"),
            "{wrong}"
        );
        let _ = world.tare(["rm", "-f", "web", "done"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn filters_choose() {
    test(NEEDS, |world| {
        ready(world);
        for (name, label, code) in [("one", "a=1", "0"), ("two", "a=2", "5"), ("three", "b", "5")] {
            let words = ["run", "--name", name, "--label", label, "busybox", "sh", "-c"];
            let _ = world.tare(words).args([format!("exit {code}")]).run();
        }
        let id = ps(world, &["-a", "-q", "--no-trunc", "--filter", "name=^two$"]);
        for (filters, names) in [
            (&["name=o"][..], "two one"),
            (&["name=^/one$"], "one"),
            (&["name=one", "name=two"], "two one"),
            (&["label=a"], "two one"),
            (&["label=a=2"], "two"),
            (&["label=a", "label=b"], ""),
            (&["exited=5"], "three two"),
            (&["exited=5", "label=b"], "three"),
            (&["status=running"], ""),
            (&["status=exited"], "three two one"),
            (&["ancestor=busybox:latest"], "three two one"),
            (&["ancestor=alpine"], ""),
            (&["before=two"], "one"),
            (&["since=two"], "three"),
            (&[&format!("id={}", &id[..20])], "two"),
        ] {
            let mut words = vec!["-a", "--format", "{{.Names}}"];
            filters
                .iter()
                .for_each(|filter| words.extend(["--filter", *filter]));
            let found = ps(world, &words);
            assert_eq!(
                found.split_whitespace().collect::<Vec<_>>().join(" "),
                names,
                "{filters:?}"
            );
        }
        assert_eq!(
            ps(world, &["--filter", "exited=0", "--format", "{{.Label \"a\"}}"]),
            "1\n"
        );
        let wrong = world.tare(["ps", "--filter", "nmae=x"]).fails(125);
        assert!(wrong.contains("did you mean name?"), "{wrong}");
        let _ = world.tare(["rm", "one", "two", "three"]).ok();
        assert_nothing_left(world);
    });
}

/// What a template says of a container.
fn said(tare: &dyn Fn(&[&str]) -> Tare, template: &str) -> String {
    tare(&["inspect", "-f", template, "web"])
        .ok()
        .trim_end()
        .to_owned()
}

#[test]
fn one_is_shown_in_dockers_shape() {
    test(NEEDS, |world| {
        ready(world);
        look_into_one(&|words| world.tare(words));
        assert_nothing_left(world);
    });
}

#[test]
fn one_of_a_persons_is_shown_the_same() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        look_into_one(&|words| world.tare_as(world.person(), words));
    });
}

/// What templates say of a container that runs.
const TEMPLATES: &[(&str, &str)] = &[
    ("{{.Name}} {{.Path}} {{.Args}}", "/web sleep [1000]"),
    (
        "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.OOMKilled}} {{.State.ExitCode}}",
        "running true false false 0",
    ),
    ("{{.State.FinishedAt}}", "0001-01-01T00:00:00Z"),
    ("{{if .State.Health}}healthy{{else}}none{{end}}", "none"),
    (
        "{{.Config.Image}} {{.Config.Hostname}} {{.Config.Cmd}} {{.Config.StopTimeout}}",
        "busybox box [sleep 1000] 3",
    ),
    (
        "{{index .Config.Labels \"a.b\"}}{{.Config.Labels.no}}",
        "c<no value>",
    ),
    (
        "{{range .Config.Env}}{{if eq (slice . 0 2) \"A=\"}}{{.}}{{end}}{{end}}",
        "A=1",
    ),
    (
        "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}",
        "bind /tmp /mnt false",
    ),
    (
        "{{.HostConfig.NetworkMode}} {{.HostConfig.Memory}} {{.HostConfig.Binds}}",
        "none 0 [/tmp:/mnt:ro]",
    ),
    (
        "{{.GraphDriver.Name}} {{.HostConfig.RestartPolicy.Name}}",
        "overlay2 no",
    ),
    ("{{len .NetworkSettings.Networks}}", "1"),
];

fn look_into_one(tare: &dyn Fn(&[&str]) -> Tare) {
    let start = [
        "run",
        "-d",
        "--name",
        "web",
        "--label",
        "a.b=c",
        "-e",
        "A=1",
        "--stop-timeout",
        "3",
    ];
    let id = tare(&start)
        .args(["-v", "/tmp:/mnt:ro", "--hostname", "box", "busybox"])
        .args(SLEEP)
        .ok();
    let id = id.trim();
    assert_eq!(said(tare, "{{.Id}}"), id);
    for (template, expected) in TEMPLATES {
        assert_eq!(said(tare, template), *expected, "{template}");
    }
    let pid: u32 = said(tare, "{{.State.Pid}}").parse().expect("a number");
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("its name");
    assert_eq!(comm, "sleep\n");
    assert!(said(tare, "{{.State.StartedAt}}").starts_with("20"));
    assert!(std::path::Path::new(&said(tare, "{{.LogPath}}")).exists());
    look_where_from(tare);
    let _ = tare(&["kill", "web"]).ok();
    assert_eq!(
        said(tare, "{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}"),
        "exited 0 137"
    );
    assert!(
        said(tare, "{{.State.StartedAt}} {{.State.FinishedAt}}")
            .split(' ')
            .all(|at| at.starts_with("20"))
    );
    let both = tare(&["inspect", "web", "busybox"]).ok();
    let both: serde_json::Value = serde_json::from_str(&both).expect("JSON");
    assert_eq!(
        (both[0]["Id"].as_str(), &both[1]["Os"]),
        (Some(id), &"linux".into())
    );
    let partly = tare(&[
        "inspect",
        "--type",
        "container",
        "-f",
        "{{.Name}}",
        "web",
        "nothing",
    ])
    .run();
    assert_eq!(
        (partly.code(), partly.stdout.as_str()),
        (Some(125), "/web\n"),
        "{partly}"
    );
    let _ = tare(&["rm", "web"]).ok();
}

/// Where its settings came from.
fn look_where_from(tare: &dyn Fn(&[&str]) -> Tare) {
    let explained = tare(&["inspect", "--explain", "web"]).ok();
    let from = |setting: &str| {
        let line = explained
            .lines()
            .find(|line| line.split_whitespace().next() == Some(setting));
        let line = line.unwrap_or_else(|| panic!("{setting} is not in\n{explained}"));
        line.split_whitespace().nth(1).expect("an origin").to_owned()
    };
    for (setting, origin) in [
        ("Config.Env.A", "--env"),
        ("Config.Env.HOSTNAME", "default"),
        ("Config.StopTimeout", "--stop-timeout"),
        ("Config.Labels.a.b", "--label"),
        ("HostConfig.Memory", "default"),
        ("HostConfig.Mounts./mnt", "--volume"),
    ] {
        assert_eq!(from(setting), origin, "{setting}");
    }
}
