//! `tare load`: images from an archive; their ids alone on stdout.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output, progress};
use std::path::Path;
use std::process::ExitCode;
use tare_engine::image::{LoadOptions, LoadSource};
use tare_error::{Context, Error, Kind, Result};
use tare_registry::{Platform, Reference};

pub(super) const VERB: Verb = Verb {
    name: "load",
    about: "take images from an archive (of docker save, or an OCI image layout)",
    operands: Operands::None,
    heading: "Images",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let platform = high::platform(low, session)?;
    let options = LoadOptions {
        platform: platform.as_deref().map(Platform::parse).transpose()?,
        name: low.parsed("name", Reference::parse)?,
    };
    let quiet = low.switch("quiet");
    let input = low.text("input")?;
    let engine = session.engine()?;
    let shown = progress::shown(input.unwrap_or("standard input"), quiet);
    let loaded = match input.map(Path::new) {
        Some(path) if path.is_dir() => engine.load(LoadSource::Folder(path), &options, &*shown)?,
        Some(path) => {
            let mut file = std::fs::File::open(path).op("open", path.display())?;
            engine.load(LoadSource::Archive(&mut file), &options, &*shown)?
        }
        None => {
            let stdin = std::io::stdin();
            if std::io::IsTerminal::is_terminal(&stdin) {
                return Err(Error::new(Kind::Invalid, "load from", "standard input")
                    .because("it is a terminal")
                    .hint("give a file with -i, or `tare load < FILE`"));
            }
            engine.load(LoadSource::Archive(&mut stdin.lock()), &options, &*shown)?
        }
    };
    drop(shown);
    for name in loaded.iter().flat_map(|image| &image.names).filter(|_| !quiet) {
        output::tell(&format!("{name}: loaded\n"));
    }
    for image in loaded.iter().filter(|image| image.names.is_empty()) {
        output::warn(&format!(
            "{} has no name: `tare load --name NAME` gives it one",
            image.short_id()
        ));
    }
    let ids: String = loaded.iter().map(|image| format!("{}\n", image.id)).collect();
    Ok(output::say(&ids))
}
