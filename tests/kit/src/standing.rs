//! What the processes of a test stand at when its time is over: without it a hang that comes once in a thousand runs says nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// A line for each thread of a process and of all below it, and under it what it has open.
pub(crate) fn picture(process: u32) -> String {
    let mut lines = Vec::new();
    describe(process, &mut lines);
    lines.join("\n")
}

fn describe(process: u32, lines: &mut Vec<String>) {
    let home = PathBuf::from(format!("/proc/{process}"));
    let command = text(&home.join("cmdline")).replace('\0', " ");
    lines.push(format!("process {process}: {}", command.trim()));
    let threads = entries(&home.join("task"));
    for thread in &threads {
        let [name, at, call] = ["comm", "wchan", "syscall"].map(|file| text(&thread.join(file)));
        let state = text(&thread.join("status"));
        let state = state.lines().find_map(|line| line.strip_prefix("State:\t"));
        lines.push(format!(
            "  {} {}: {at}, call {}",
            name.trim(),
            state.unwrap_or("gone"),
            call.trim()
        ));
    }
    for file in entries(&home.join("fd")) {
        if let (Some(number), Ok(target)) = (file.file_name(), fs::read_link(&file)) {
            lines.push(format!("    {} {}", number.display(), target.display()));
        }
    }
    let children = threads.iter().map(|thread| text(&thread.join("children")));
    let children = children.collect::<Vec<_>>().join(" ");
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        describe(child, lines);
    }
}

/// Empty where it is gone.
fn text(path: &Path) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
