//! Unpacks one layer: `unpack FILE DIRECTORY`, for measuring and for comparing with other programs.

use std::fs::File;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_layer::{Flavour, Limits, Options, unpack};
use tare_path::Root;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, file, directory] = &args[..] else {
        return Err(Error::new(Kind::Invalid, "read arguments", "").because("expected FILE DIRECTORY"));
    };
    let reader = File::open(file).op("open", file)?;
    let root = Root::open_host(Path::new(directory)).op("open", directory)?;
    let options = Options {
        limits: Limits::default(),
        flavour: Flavour::Privileged,
    };
    let unpacked = unpack(reader, &root, &options)?;
    // Standard output is closed by nobody here; what cannot be written is not missed.
    let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{unpacked:#?}\n"));
    Ok(())
}
