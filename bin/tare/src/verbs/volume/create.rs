//! `tare volume create`: a volume is made, and its name printed.

use crate::low::Low;
use crate::output;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_engine::container::request::{DRIVER, VolumeWish, parse_label, parse_volume_name};
use tare_error::{Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume create",
    about: "make a volume",
    operands: Operands::Maybe("VOLUME", "its name; one is made up where none is given"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let name = low.operands()?.pop().map(parse_volume_name).transpose()?;
    if let Some(driver) = low.text("driver")?.filter(|driver| *driver != DRIVER) {
        return Err(Error::new(Kind::Unsupported, "use volume driver", driver)
            .because("there is none but local")
            .hint("mount what it would, and use -v /path:/target"));
    }
    let mut wish = VolumeWish {
        labels: low.all_parsed("label", parse_label)?.into_iter().collect(),
        ..VolumeWish::default()
    };
    for text in low.texts("opt")? {
        wish.options.apply(text)?;
    }
    let name = session.engine()?.create_volume(name.as_ref(), &wish)?;
    Ok(output::say(&format!("{name}\n")))
}
