//! Roots made of overlays.

use crate::Test;
use crate::bed::{Bed, make_root};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tare_spec_oci::Mount;

pub(crate) const TESTS: &[Test] = &[
    (
        "overlay_root_is_written_to_its_top",
        overlay_root_is_written_to_its_top,
    ),
    ("five_hundred_layers_one_by_one", || many(true)),
    ("five_hundred_layers_the_old_way", || many(false)),
    ("missing_layer_is_named", missing_layer_is_named),
];

pub(crate) fn overlay(options: &[String]) -> Mount {
    Mount {
        destination: "/".into(),
        kind: Some("overlay".into()),
        source: Some("overlay".into()),
        options: options.to_vec(),
        ..Mount::default()
    }
}

fn directories(names: &[&str]) {
    for name in names {
        fs::create_dir_all(Path::new("/mnt").join(name)).unwrap();
    }
}

fn overlay_root_is_written_to_its_top() {
    let mut bed = Bed::new();
    make_root(Path::new("/mnt/l1"));
    directories(&["l2:odd", "upper", "work"]);
    fs::write("/mnt/l2:odd/added", "layer two\n").unwrap();
    let options = [
        "lowerdir=/mnt/l2\\:odd:/mnt/l1",
        "upperdir=/mnt/upper",
        "workdir=/mnt/work",
        "index=off",
        "metacopy=off",
        "volatile",
    ];
    bed.rootfs = vec![overlay(&options.map(str::to_owned))];
    let ended = bed.sh("cat /added; echo new >/made; cat /proc/self/mountinfo");
    assert!(ended.output.starts_with("layer two\n"), "{}", ended.output);
    assert_eq!(fs::read_to_string("/mnt/upper/made").unwrap(), "new\n");
    let root = ended
        .output
        .lines()
        .find(|l| l.split(' ').nth(4) == Some("/"))
        .unwrap()
        .to_owned();
    assert!(
        root.contains("lowerdir+=/mnt/l2:odd") || root.contains("lowerdir="),
        "{root}"
    );
    assert!(root.contains("volatile"), "{root}");
    // Nothing of it is mounted here.
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains("overlay")
    );
}

fn many(append: bool) {
    let mut bed = Bed::new();
    bed.facts.overlay_append = append;
    make_root(Path::new("/mnt/base"));
    directories(&["upper", "work"]);
    let long = "a".repeat(150);
    let mut options = vec!["upperdir=/mnt/upper".to_owned(), "workdir=/mnt/work".to_owned()];
    let mut expected = String::new();
    for number in 0..499 {
        // Names that would never fit into one page of options.
        let layer = format!("layers/{number:03}-{long}");
        directories(&[&layer]);
        fs::write(format!("/mnt/{layer}/f{number}"), format!("{number}\n")).unwrap();
        options.push(format!("lowerdir+=/mnt/{layer}"));
        if number % 100 == 0 {
            writeln!(expected, "{number}").unwrap();
        }
    }
    options.push("lowerdir+=/mnt/base".to_owned());
    bed.rootfs = vec![overlay(&options)];
    let text = bed
        .sh("cat /f0 /f100 /f200 /f300 /f400; ls / | grep -c ^f; echo top >/made")
        .output;
    assert_eq!(text, format!("{expected}499\n"));
    assert_eq!(fs::read_to_string("/mnt/upper/made").unwrap(), "top\n");
}

fn missing_layer_is_named() {
    let mut bed = Bed::new();
    directories(&["l1"]);
    for append in [true, false] {
        bed.facts.overlay_append = append;
        bed.rootfs = vec![overlay(&["lowerdir=/mnt/l1:/mnt/gone".to_owned()])];
        let error = bed.error(&["true"]);
        let expected = "mount root of type overlay: no such file or directory\nhint: the file system refused \"/mnt/gone\"";
        assert_eq!(error, expected, "append {append}");
    }
}
