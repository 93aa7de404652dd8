//! `tare inspect`: containers and images in full, as JSON or as a template says.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use serde_json::Value;
use std::process::ExitCode;
use tare_engine::Engine;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "inspect",
    about: "show containers or images in full, as JSON",
    operands: Operands::Many("NAME", "a container or an image, by name or id"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let kind = low.text("type")?;
    let template = match low.text("format")? {
        None | Some("json" | "") => None,
        Some(text) => Some(tare_template::Template::parse(text)?),
    };
    let explain = low.switch("explain");
    let as_lines = low.text("format")? == Some("json");
    let engine = session.engine()?;
    if explain {
        return explain_each(&engine, &names);
    }
    // What is not there does not keep the others from being shown.
    let mut found = Vec::new();
    let mut missing = None;
    for name in names {
        match look(&engine, name, kind) {
            Ok(object) => found.push(object),
            Err(e) if missing.is_none() => missing = Some(e),
            Err(e) => drop(output::fail(&e, false)),
        }
    }
    let text = match &template {
        Some(template) => {
            found.iter_mut().for_each(add_optional);
            output::per_object(template, &found)?
        }
        None if as_lines => found.iter().map(|object| format!("{object}\n")).collect(),
        None => format!("{:#}\n", Value::Array(found)),
    };
    let said = output::say(&text);
    missing.map_or(Ok(said), Err)
}

fn look(engine: &Engine, name: &str, kind: Option<&str>) -> Result<Value> {
    let nothing = |e: Error| match e.kind() {
        Kind::NotFound => Error::new(Kind::NotFound, "inspect", name)
            .because("there is no such object")
            .hint("`tare ps -a` lists containers, `tare images` images"),
        _ => e,
    };
    match kind {
        Some("container") => engine.inspect_container(name),
        Some("image") => engine.inspect_image(name),
        Some(other) => Err(Error::new(Kind::Invalid, "read option", "--type")
            .because(format!("{other:?} is neither container nor image"))),
        None => match engine.inspect_container(name) {
            Err(e) if e.kind() == Kind::NotFound => engine.inspect_image(name).map_err(nothing),
            other => other,
        },
    }
}

/// What docker leaves out of its JSON where it is nothing, and templates ask for all the same.
fn add_optional(object: &mut Value) {
    if let Some(state) = object.get_mut("State").and_then(Value::as_object_mut) {
        for name in ["Health", "OOMLimit", "OOMGroup"] {
            state.entry(name).or_insert(Value::Null);
        }
    }
}

/// Each setting of each container, and where it came from.
fn explain_each(engine: &Engine, names: &[&str]) -> Result<ExitCode> {
    super::each(engine, names, |name| {
        let settings = engine.explain_container(name)?;
        if settings.0.is_empty() {
            return Err(Error::new(Kind::NotFound, "explain", name)
                .because("nothing was written down of it: an older version made it"));
        }
        let mut table = Table::new(&["SETTING", "FROM", "VALUE"]);
        for setting in &settings.0 {
            table.row(vec![
                setting.name.clone(),
                setting.from.clone(),
                setting.value.to_string(),
            ]);
        }
        output::say(&table.render());
        Ok(())
    })
}
