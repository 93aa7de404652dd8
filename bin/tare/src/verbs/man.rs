//! `tare man DIR` (hidden): the manual pages, generated from the tables into a folder, for packages.

use super::{Operands, Verb};
use crate::commands;
use crate::low::Low;
use crate::session::Session;
use std::path::Path;
use std::process::ExitCode;
use tare_error::{Context, Result};

pub(super) const VERB: Verb = Verb {
    name: "man",
    about: "write the manual pages into a folder",
    operands: Operands::One("DIR", "an existing folder"),
    heading: "",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let dir = Path::new(low.operands()?.pop().unwrap_or("."));
    for (name, page) in pages() {
        let path = dir.join(name);
        std::fs::write(&path, page).op("write", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One page for the program and one for each verb that is not hidden: file name and text.
pub(crate) fn pages() -> Vec<(String, Vec<u8>)> {
    let mut whole = commands::whole();
    whole.build();
    let mut pages = vec![("tare.1".to_owned(), rendered(whole.clone().help_template("")))];
    for verb in whole.get_subcommands() {
        add(&mut pages, "tare", verb);
    }
    pages
}

/// Adds the pages of a command and of those below it.
fn add(pages: &mut Vec<(String, Vec<u8>)>, above: &str, command: &clap::Command) {
    if command.is_hide_set() {
        return;
    }
    let name = format!("{above}-{}", command.get_name());
    for below in command.get_subcommands() {
        add(pages, &name, below);
    }
    let own = command
        .clone()
        .bin_name(name.replace('-', " "))
        .display_name(&name);
    pages.push((format!("{name}.1"), rendered(own)));
}

/// One page in troff; writing into memory does not fail.
fn rendered(command: clap::Command) -> Vec<u8> {
    let mut page = Vec::new();
    let _ = clap_mangen::Man::new(command).render(&mut page);
    page
}
