//! Unpacks one archive into one directory with our reader, for the comparison with umoci's.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use tare_layer::{Flavour, Limits, Options, unpack};
use tare_path::Root;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, archive, directory] = arguments.as_slice() else {
        eprintln!("usage: unpack-layer ARCHIVE DIRECTORY");
        return ExitCode::from(2);
    };
    let limits = Limits {
        file_bytes: 32 << 20,
        ..Limits::default()
    };
    let options = Options {
        limits,
        flavour: Flavour::Privileged,
    };
    let file = File::open(archive).expect("open the archive");
    let root = Root::open_host(Path::new(directory)).expect("open the directory");
    match unpack(file, &root, &options) {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:?}");
            ExitCode::FAILURE
        }
    }
}
