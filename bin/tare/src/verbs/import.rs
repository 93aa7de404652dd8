//! `tare import`: an archive of files becomes an image.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::fs::File;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Result};
use tare_registry::Reference;

pub(super) const VERB: Verb = Verb {
    name: "import",
    about: "make an image of a tar archive of files",
    operands: Operands::OneAndMaybe(
        ["FILE|-", "NAME[:TAG]"],
        "an archive, plain, gzip or zstd, and a name for the image",
    ),
    heading: "Images",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let mut options = super::commit::options(low)?;
    let operands = low.operands()?;
    let from = operands.first().copied().unwrap_or_default();
    options.name = operands.get(1).map(|name| Reference::parse(name)).transpose()?;
    if from.starts_with("http://") || from.starts_with("https://") {
        return Err(Error::new(Kind::Unsupported, "import", from)
            .because("archives are not fetched")
            .hint(format!("curl -L {from} | tare import -")));
    }
    let engine = session.engine()?;
    let image = match from {
        "-" => engine.import_archive(&mut std::io::stdin().lock(), &options)?,
        path => {
            let mut file = File::open(path).op("open", path)?;
            engine.import_archive(&mut file, &options)?
        }
    };
    Ok(output::say(&format!("{}\n", image.id)))
}
