//! What is said when something is wrong: every row of `docs/messages.md` is run, and must say what stands there.

use crate::shell::{NEEDS, ready};
use tare_kit::{World, test};

const TABLE: &str = include_str!("../../docs/messages.md");

/// What the table says is there.
fn prepare(world: &World) {
    ready(world);
    std::fs::create_dir_all("/run/t").expect("a folder");
    let elf = |machine: u8, length: usize| {
        let mut head = vec![0; 64];
        head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (head[16], head[18], head[20]) = (2, machine, 1);
        head.truncate(length);
        head
    };
    for (name, content) in [
        ("text", b"echo hello\n".to_vec()),
        ("arm", elf(183, 64)),
        ("torn", elf(62, 20)),
    ] {
        let path = format!("/run/t/{name}");
        std::fs::write(&path, content).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("its mode");
    }
    let _ = world.tare(["run", "--name", "web", "busybox", "true"]).ok();
    let _ = world
        .tare(["run", "-d", "--name", "up", "busybox", "sleep", "1000"])
        .ok();
}

/// A row's command, exit code and text.
fn row(line: &str) -> Option<(&str, i32, String)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").skip(1);
    let command = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let code = cells.next()?.parse().ok()?;
    let lines = cells.next()?.split("<br>").filter(|line| *line != "nothing");
    let said = lines.map(|line| format!("{}\n", line.trim_matches('`').trim()));
    Some((command, code, said.collect()))
}

/// Twelve digits of an id are ID, and as many processors as this machine has are N.
fn without_ids(text: &str) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = text.replace(&format!("{processors} processors"), "N processors");
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| if is_id(word) { "ID" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_is_true() {
    test(NEEDS, |world| {
        prepare(world);
        let rows: Vec<_> = TABLE.lines().filter_map(row).collect();
        assert!(rows.len() > 20, "{} rows", rows.len());
        let mut wrong = Vec::new();
        for (command, code, said) in rows {
            let out = world.tare(command.split(' ')).run();
            let printed = without_ids(&out.stderr);
            if (out.code(), &printed) != (Some(code), &said) {
                wrong.push(format!("{command}: {:?}\n{printed}{said}", out.code()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let _ = world.tare(["rm", "-f", "up", "web", "big"]).ok();
    });
}
