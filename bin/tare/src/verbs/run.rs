//! `tare run`: makes a container of an image, runs it in the foreground, and ends as it ended; or lets it live on.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output, progress};
use std::process::ExitCode;
use tare_engine::container::request::{PullPolicy, RunRequest};
use tare_engine::container::{Container, about_memory};
use tare_engine::image::{Image, PullOptions};
use tare_engine::{Claimed, Engine, Holder};
use tare_error::{Context, Error, Kind, Result};
use tare_registry::{Platform, Reference};
use tare_shim::Manner;

pub(super) const VERB: Verb = Verb {
    name: "run",
    about: "run a command in a new container",
    operands: Operands::Command(
        "IMAGE [COMMAND] [ARG...]",
        "an image, then a command in place of its own",
    ),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let mut request = high::run_request(low, session)?;
    if request.life.terminal {
        // Known before the process starts: it may ask at once.
        request.life.size = super::terminal_size();
    }
    let quiet = low.switch("quiet");
    let cid_file = CidFile::of(low)?;
    let engine = session.engine()?;
    let _claim = match engine.claim_container(&request, &mut tell_holder)? {
        Claimed::Free(claim) => claim,
        Claimed::Made(id) => return cid_file.agree(&id),
    };
    let image = image(&engine, &request, quiet)?;
    let mut container = engine.create_container(&request, &image)?;
    cid_file.write(&mut container)?;
    container
        .take_warnings()
        .iter()
        .for_each(|text| output::warn(text));
    let verbose = low.count("verbose") > 0;
    let id = container.id().to_string();
    container
        .start()
        .inspect_err(|_| super::why::tell(&engine, &id, verbose))?;
    if request.life.detached {
        let warnings = container.take_warnings();
        container.leave();
        warnings.iter().for_each(|text| output::warn(text));
        return Ok(output::say(&format!("{id}\n")));
    }
    attended(&engine, container, &super::attach::manner(low)?, verbose)
}

/// Joins our streams with a container's until its end, and ends as it does; or until we leave it.
pub(super) fn attended(
    engine: &Engine,
    mut container: Container<'_>,
    manner: &Manner,
    verbose: bool,
) -> Result<ExitCode> {
    let (interactive, terminal) = (container.life().interactive, container.life().terminal);
    let ended = super::with_streams(interactive, terminal, |streams| container.attach(streams, manner));
    container
        .take_warnings()
        .iter()
        .for_each(|text| output::warn(text));
    let name = container.name().to_owned();
    super::attach::tell_missed(&name, container.missed());
    if let Some((missing, e)) = container.take_unwritten() {
        let why = tare_error::Report::new(&engine.about_storage(e)).to_string();
        output::warn(&format!("{missing} bytes are missing in its log: {why}"));
    }
    let exit = match ended {
        Ok(Some(exit)) => exit,
        Ok(None) => {
            container.leave();
            return Ok(ExitCode::SUCCESS);
        }
        Err(e) => {
            return Err(match container.abandon() {
                Ok(_) => e,
                Err(also) => e.also(also),
            });
        }
    };
    if let Some(oom) = &exit.oom {
        output::tell(&format!("tare: {}\n", about_memory(&name, oom)));
    }
    let id = container.id().to_string();
    if let Err(e) = container.finish(&exit) {
        output::fail(&engine.about_storage(e), verbose);
    }
    if exit.oom.is_some() || exit.unknown.is_some() {
        super::why::tell(engine, &id, verbose);
    }
    Ok(ExitCode::from(exit.code))
}

/// The image: the one inside the program, one that is here, or one from its registry.
pub(super) fn image(engine: &Engine, request: &RunRequest, quiet: bool) -> Result<Image> {
    let (typed, selection) = (&request.image, &request.selection);
    let platform = selection.platform.as_deref().map(Platform::parse).transpose()?;
    if let Some(image) = engine.builtin_image(typed)? {
        return Ok(image);
    }
    let mut other = None;
    if selection.pull != PullPolicy::Always {
        match engine.resolve_image(typed) {
            Ok(image) => match &platform {
                Some(wanted) if !wanted.accepts(&image.platform()) => other = Some(image.platform()),
                _ => return Ok(image),
            },
            Err(e) if e.kind() != Kind::NotFound || selection.pull == PullPolicy::Never => return Err(e),
            Err(_) => {}
        }
    }
    let reference = Reference::parse(typed)?;
    let options = PullOptions {
        platform,
        policy: selection.pull,
    };
    let shown = progress::shown(&reference.to_string(), quiet);
    let error = match engine.pull(&reference, &options, &*shown) {
        Ok(pulled) => return Ok(pulled.image),
        Err(e) => e,
    };
    // A name that leads nowhere is most often a name mistyped.
    Err(match (other, engine.near_image(typed)?) {
        (Some(platform), _) => error.hint(format!("{typed} is here for {platform}")),
        (None, Some(near)) => error.hint(near),
        (None, None) => error,
    })
}

/// Says for whom it is waited who makes the same.
pub(super) fn tell_holder(holder: &Holder) {
    let (pid, seconds) = (holder.pid, holder.since.as_secs());
    let doing = match &holder.stage {
        Some(stage) => format!("\"{stage}\" was done {seconds} s ago"),
        None => format!("since {seconds} s"),
    };
    output::tell(&format!(
        "tare: waiting for process {pid}, which makes the same ({doing})\n"
    ));
}

/// The file that gets a container's id.
pub(super) struct CidFile<'a>(Option<&'a str>);

impl<'a> CidFile<'a> {
    /// As asked for.
    ///
    /// # Errors
    /// `Conflict` where it is there already: it is another container's. By a key it may be asked for again.
    pub(super) fn of(low: &Low<'a>) -> Result<CidFile<'a>> {
        let (path, is_first) = (low.text("cidfile")?, low.text("key")?.is_none());
        match path {
            Some(path) if is_first && std::fs::symlink_metadata(path).is_ok() => Err(taken(path)),
            _ => Ok(CidFile(path)),
        }
    }

    /// Says the id of a container that was made before, in the file too.
    pub(super) fn agree(&self, id: &str) -> Result<ExitCode> {
        if let Some(path) = self.0 {
            match std::fs::read(path) {
                Ok(there) if there == id.as_bytes() => {}
                Ok(_) => return Err(taken(path)),
                Err(_) => std::fs::write(path, id).op("write", path)?,
            }
        }
        Ok(output::say(&format!("{id}\n")))
    }

    /// Writes it. Where that fails, nothing of the container is left.
    pub(super) fn write(&self, container: &mut Container<'_>) -> Result<()> {
        let Some(path) = self.0 else {
            return Ok(());
        };
        let id = container.id().to_string();
        let made = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path);
        let written = made.and_then(|mut file| std::io::Write::write_all(&mut file, id.as_bytes()));
        written.map_err(|e| {
            container.give_up(match e.kind() {
                std::io::ErrorKind::AlreadyExists => taken(path),
                _ => Error::os("write", path, e),
            })
        })
    }
}

fn taken(path: &str) -> Error {
    Error::new(Kind::Conflict, "write", path)
        .because("container ID file found, make sure the other container isn't running or delete it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_shim::{Exit, Oom};

    #[test]
    fn a_kill_for_memory_is_told_with_its_limit() {
        let exit = |limit, first_process| Exit {
            code: 137,
            signal: Some(9),
            at: 0,
            oom: Some(Oom {
                limit,
                group: None,
                kills: 1,
                first_process,
            }),
            unknown: None,
        };
        let told = |exit: &Exit| about_memory("web", exit.oom.as_ref().unwrap());
        assert_eq!(
            told(&exit(Some(64 << 20), true)),
            "web was killed for memory: its limit is 64 MiB"
        );
        assert_eq!(
            told(&exit(Some(64 << 20), false)),
            "a process of web was killed for memory: its limit is 64 MiB"
        );
        assert_eq!(
            told(&exit(None, true)),
            "web was killed for memory: the machine has no more"
        );
    }
}
