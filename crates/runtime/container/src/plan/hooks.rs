//! Hooks: the caller's are waited for, those of the container are run by its process.

use crate::plan::{Draft, c_path, c_string};
use crate::step::{Action, HookProgram, Place, Signal};
use std::ffi::CString;
use std::time::Duration;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Hook;
use tare_sys::CStrings;

/// Adds what hooks need.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    let Some(hooks) = &draft.request.spec.hooks else {
        return Ok(());
    };
    // Those of the container wait as well, until the caller has written the state that they read.
    let before = [&hooks.prestart, &hooks.create_runtime, &hooks.create_container];
    if before.iter().any(|list| !list.is_empty()) {
        let action = Action::Await(Signal::Hooked);
        draft.push(Place::RuntimeHooks, "await", "the hooks of the runtime", action);
    }
    let inside = [
        (Place::ContainerHooks, "createContainer", &hooks.create_container),
        (Place::StartHooks, "startContainer", &hooks.start_container),
    ];
    for (place, name, list) in inside {
        if !list.is_empty() && draft.request.options.hook_state.is_none() {
            return Err(Error::new(Kind::Internal, "plan", draft.request.id)
                .because("the configuration has hooks, but the caller gave no state for them"));
        }
        for (number, hook) in list.iter().enumerate() {
            let subject = format!("{name} hook #{number}: {}", hook.path.display());
            let action = Action::Hook(program(name, hook)?);
            draft.push(place, "run", subject, action);
        }
    }
    Ok(())
}

fn program(point: &str, hook: &Hook) -> Result<HookProgram> {
    let invalid = |reason: &str| Error::new(Kind::Invalid, "run hook", hook.path.display()).because(reason);
    if !hook.path.is_absolute() {
        return Err(invalid("its path is not absolute"));
    }
    let timeout = match hook.timeout {
        None => None,
        Some(seconds) => Some(
            u64::try_from(seconds)
                .ok()
                .filter(|s| *s > 0)
                .map(Duration::from_secs)
                .ok_or_else(|| invalid("its timeout must be greater than zero"))?,
        ),
    };
    let path = c_path(&hook.path)?;
    let strings = |list: &[String]| -> Result<Vec<CString>> {
        list.iter().map(|s| c_string(s.as_str(), "a hook")).collect()
    };
    let arguments = match strings(&hook.args)? {
        none if none.is_empty() => vec![path.clone()],
        some => some,
    };
    // The last one before the program has the program's, where it has none of its own (runc's rule).
    let environment = match (point, hook.env.as_slice()) {
        ("startContainer", []) => None,
        (_, own) => Some(CStrings::new(strings(own)?)),
    };
    Ok(HookProgram {
        path,
        arguments: CStrings::new(arguments),
        environment,
        timeout,
    })
}
