//! `tare run`: makes a container of an image, runs it in the foreground, and ends as it ended; or lets it live on.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output, progress};
use std::process::ExitCode;
use tare_engine::Engine;
use tare_engine::container::request::{PullPolicy, RunRequest, show_size};
use tare_engine::image::{Image, PullOptions};
use tare_error::{Kind, Result};
use tare_registry::{Platform, Reference};
use tare_shim::Exit;

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
    let engine = session.engine()?;
    let image = image(&engine, &request, quiet)?;
    let mut container = engine.create_container(&request, &image)?;
    container
        .take_warnings()
        .iter()
        .for_each(|text| output::warn(text));
    container.start()?;
    if request.life.detached {
        let (id, warnings) = (container.id().to_string(), container.take_warnings());
        container.leave();
        warnings.iter().for_each(|text| output::warn(text));
        return Ok(output::say(&format!("{id}\n")));
    }
    let life = &request.life;
    let ended = super::with_streams(life.interactive, life.terminal, |streams| {
        container.attach(streams)
    });
    container
        .take_warnings()
        .iter()
        .for_each(|text| output::warn(text));
    let name = container.name().to_owned();
    let exit = match ended {
        Ok(exit) => exit,
        Err(e) => {
            return Err(match container.abandon() {
                Ok(_) => e,
                Err(also) => e.also(also),
            });
        }
    };
    if let Some(text) = about_memory(&name, &exit) {
        output::tell(&format!("tare: {text}\n"));
    }
    if let Err(e) = container.finish(&exit) {
        output::fail(&e, low.count("verbose") > 0);
    }
    Ok(ExitCode::from(exit.code))
}

/// The image: the one inside the program, one that is here, or one from its registry.
fn image(engine: &Engine, request: &RunRequest, quiet: bool) -> Result<Image> {
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

/// What is said of a container that its memory limit killed.
fn about_memory(name: &str, exit: &Exit) -> Option<String> {
    let oom = exit.oom.as_ref()?;
    let who = if oom.first_process {
        name.to_owned()
    } else {
        format!("a process of {name}")
    };
    Some(match oom.limit {
        Some(limit) => format!("{who} was killed for memory: its limit is {}", show_size(limit)),
        None => format!("{who} was killed for memory: the machine has no more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_shim::Oom;

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
        let told = |exit: &Exit| about_memory("web", exit).unwrap();
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
        assert_eq!(
            about_memory(
                "web",
                &Exit {
                    oom: None,
                    ..exit(None, true)
                }
            ),
            None
        );
    }
}
