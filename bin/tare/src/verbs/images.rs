//! `tare images`: the images that are here.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "images",
    about: "list the images that are here",
    operands: Operands::None,
    heading: "Images",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (quiet, whole) = (low.switch("quiet"), low.switch("no-trunc"));
    let images = session.engine()?.images()?;
    let id = |id: &str| {
        if whole {
            id.to_owned()
        } else {
            output::short_digest(id)
        }
    };
    if quiet {
        return Ok(output::say(
            &images
                .iter()
                .map(|i| format!("{}\n", id(&i.id)))
                .collect::<String>(),
        ));
    }
    let now = session
        .started
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut table = Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    for image in &images {
        let created = image.created.as_deref().and_then(output::parse_time);
        let created = created.map_or_else(|| "N/A".to_owned(), |then| output::ago(now, then));
        let mut row = |repository: &str, tag: &str| {
            let size = output::decimal_size(image.size);
            table.row(vec![
                repository.to_owned(),
                tag.to_owned(),
                id(&image.id),
                created.clone(),
                size,
            ]);
        };
        for name in &image.names {
            let (repository, tag) = split(name);
            row(repository, tag);
        }
        if image.names.is_empty() {
            row("<none>", "<none>");
        }
    }
    Ok(output::say(&table.render()))
}

/// Repository and tag of a familiar name; a port's colon is no tag's.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "<none>"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(super::split("busybox:1"), ("busybox", "1"));
        assert_eq!(super::split("localhost:5000/a"), ("localhost:5000/a", "<none>"));
        assert_eq!(super::split("localhost:5000/a:2"), ("localhost:5000/a", "2"));
    }
}
