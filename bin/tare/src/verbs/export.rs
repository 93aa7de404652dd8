//! `tare export`: all files of a container as an archive.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tare_engine::Engine;
use tare_error::{Context, Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "export",
    about: "write all files of a container as a tar archive",
    operands: Operands::One("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let name = low.operands()?.pop().unwrap_or_default();
    let output = low.text("output")?;
    let engine = session.engine()?;
    match output.map(Path::new) {
        Some(path) if path.exists() && !path.is_file() => {
            let file = File::options()
                .write(true)
                .open(path)
                .op("open", path.display())?;
            pack(&engine, name, file)?;
        }
        Some(path) => {
            // A file appears whole or not at all.
            let beside = beside(path);
            let file = File::create_new(&beside).op("make", beside.display())?;
            let renamed = pack(&engine, name, file)
                .and_then(|()| std::fs::rename(&beside, path).op("make", path.display()));
            if let Err(e) = renamed {
                let _ = std::fs::remove_file(&beside);
                return Err(e);
            }
        }
        None => {
            let out = std::io::stdout();
            if out.is_terminal() {
                return Err(Error::new(Kind::Invalid, "export to", "standard output")
                    .because("it is a terminal")
                    .hint("give a file with -o, or `tare export CONTAINER > FILE`"));
            }
            pack(&engine, name, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn pack(engine: &Engine, name: &str, out: impl Write) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    engine.export_container(name, &mut out)?;
    out.flush().op("write", "the archive")
}

/// A name beside a file for the time until it is whole.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}
