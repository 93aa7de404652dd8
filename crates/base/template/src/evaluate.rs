//! From pieces and a value to text.

use crate::show::show;
use crate::syntax::{Base, Node, Operand, Pipeline};
use crate::{MOST_OUTPUT, MOST_STEPS, Template, functions, wrong};
use serde_json::Value;
use std::borrow::Cow;
use tare_error::{Error, Kind, Result};

/// A value that is the data's own, or was made on the way.
pub(crate) type Found<'a> = Cow<'a, Value>;

pub(crate) fn render(template: &Template, data: &Value) -> Result<String> {
    let mut rendering = Rendering {
        text: &template.text,
        root: data,
        output: String::new(),
        variables: Vec::new(),
        steps: 0,
    };
    rendering.nodes(&template.nodes, &Cow::Borrowed(data))?;
    Ok(rendering.output)
}

struct Rendering<'a> {
    text: &'a str,
    root: &'a Value,
    output: String,
    variables: Vec<(&'a str, Found<'a>)>,
    steps: usize,
}

/// Whether a `range` goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Rendering<'a> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        match self.steps > MOST_STEPS || self.output.len() > MOST_OUTPUT {
            true => Err(self.too_much()),
            false => Ok(()),
        }
    }

    /// What is copied or made costs steps by its size.
    fn charge(&mut self, value: &Found<'_>) -> Result<()> {
        if let Cow::Owned(value) = value {
            self.steps += match value {
                Value::String(text) => text.len() / 256,
                Value::Array(items) => items.len(),
                Value::Object(members) => members.len(),
                _ => 0,
            };
        }
        self.step()
    }

    fn too_much(&self) -> Error {
        let short: String = self.text.chars().take(80).collect();
        Error::new(Kind::Exhausted, "follow template", format!("{short:?}")).because(format!(
            "it takes more than {MOST_STEPS} steps, or makes more than {MOST_OUTPUT} bytes"
        ))
    }

    fn nodes(&mut self, nodes: &'a [Node], dot: &Found<'a>) -> Result<Flow> {
        let variables = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        // Those of a block end with it.
        self.variables.truncate(variables);
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, dot: &Found<'a>) -> Result<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                match &pipeline.variable {
                    None => self.output.push_str(&show(&value)),
                    Some(variable) if variable.is_new => self.variables.push((&variable.name, value)),
                    Some(variable) => {
                        let known = self
                            .variables
                            .iter_mut()
                            .rfind(|(name, _)| *name == variable.name);
                        match known {
                            Some((_, place)) => *place = value,
                            None => return Err(self.no_variable(&variable.name)),
                        }
                    }
                }
            }
            Node::If { branches, otherwise } => return self.conditional(branches, otherwise, dot),
            Node::With {
                about,
                body,
                otherwise,
            } => {
                let value = self.pipeline(about, dot)?;
                if !is_true(&value) {
                    return self.nodes(otherwise, dot);
                }
                return self.with_variable(about, &value, body);
            }
            Node::Range {
                over,
                second,
                body,
                otherwise,
            } => {
                let value = self.pipeline(over, dot)?;
                let names = (over.variable.as_ref().map(|v| v.name.as_str()), second.as_deref());
                if !self.range(value, names, body)? {
                    return self.nodes(otherwise, dot);
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn conditional(
        &mut self,
        branches: &'a [(Pipeline, Vec<Node>)],
        otherwise: &'a [Node],
        dot: &Found<'a>,
    ) -> Result<Flow> {
        for (condition, body) in branches {
            let value = self.pipeline(condition, dot)?;
            if is_true(&value) {
                let variables = self.variables.len();
                if let Some(variable) = &condition.variable {
                    self.variables.push((&variable.name, value));
                }
                let flow = self.nodes(body, dot)?;
                self.variables.truncate(variables);
                return Ok(flow);
            }
        }
        self.nodes(otherwise, dot)
    }

    fn with_variable(&mut self, about: &'a Pipeline, value: &Found<'a>, body: &'a [Node]) -> Result<Flow> {
        let variables = self.variables.len();
        if let Some(variable) = &about.variable {
            self.variables.push((&variable.name, value.clone()));
        }
        let flow = self.nodes(body, value)?;
        self.variables.truncate(variables);
        Ok(flow)
    }

    /// Goes over a list, a map in the order of its keys, or so many numbers; false where there was nothing.
    fn range(
        &mut self,
        over: Found<'a>,
        names: (Option<&'a str>, Option<&'a str>),
        body: &'a [Node],
    ) -> Result<bool> {
        let items: Vec<(Value, Found<'a>)> = match over {
            Cow::Borrowed(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(at, item)| (at.into(), Cow::Borrowed(item)))
                .collect(),
            Cow::Borrowed(Value::Object(members)) => members
                .iter()
                .map(|(key, item)| (key.as_str().into(), Cow::Borrowed(item)))
                .collect(),
            over => match over.into_owned() {
                Value::Array(items) => items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| (at.into(), Cow::Owned(item)))
                    .collect(),
                Value::Object(members) => members
                    .into_iter()
                    .map(|(key, item)| (key.into(), Cow::Owned(item)))
                    .collect(),
                Value::Null => Vec::new(),
                Value::Number(number) => {
                    let most = number.as_u64().unwrap_or(0);
                    if most > MOST_STEPS as u64 {
                        return Err(self.too_much());
                    }
                    (0..most).map(|n| (n.into(), Cow::Owned(n.into()))).collect()
                }
                other => {
                    let shown: String = show(&other).chars().take(40).collect();
                    return Err(wrong(self.text, format!("range cannot go over {shown:?}")));
                }
            },
        };
        let found = !items.is_empty();
        for (key, item) in items {
            self.step()?;
            let variables = self.variables.len();
            match names {
                (Some(first), Some(second)) => {
                    self.variables.push((first, Cow::Owned(key)));
                    self.variables.push((second, item.clone()));
                }
                (Some(only), None) => self.variables.push((only, item.clone())),
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(variables);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(found)
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Found<'a>) -> Result<Found<'a>> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Cow::Owned(Value::Null)))
    }

    /// A command, with the value of the one before it as its last argument.
    fn command(
        &mut self,
        words: &'a [Operand],
        dot: &Found<'a>,
        last: Option<Found<'a>>,
    ) -> Result<Found<'a>> {
        self.step()?;
        let Some((first, rest)) = words.split_first() else {
            return Ok(Cow::Owned(Value::Null));
        };
        if let Base::Function(function) = first.base
            && function.is_lazy
        {
            return self.lazily(function.name, rest, dot, last);
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for word in rest {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last);
        if let Base::Function(function) = first.base {
            let called = functions::call(function, &arguments);
            let value = called.map_err(|why| wrong(self.text, format!("{}: {why}", function.name)))?;
            if value.as_str().is_some_and(|text| text.len() > MOST_OUTPUT) {
                return Err(self.too_much());
            }
            let value = Cow::Owned(value);
            self.charge(&value)?;
            return self.fields(value, &first.fields);
        }
        let value = self.operand(first, dot)?;
        if arguments.is_empty() {
            return Ok(value);
        }
        // docker's methods, such as .Label "key", look something up.
        let mut found = value;
        for argument in &arguments {
            found = match (found.as_object(), argument.as_str()) {
                (Some(members), Some(key)) => {
                    Cow::Owned(members.get(key).cloned().unwrap_or_else(|| "".into()))
                }
                _ => return Err(wrong(self.text, "only a function takes arguments")),
            };
        }
        Ok(found)
    }

    /// `and` and `or`, which look no further than they need.
    fn lazily(
        &mut self,
        name: &str,
        words: &'a [Operand],
        dot: &Found<'a>,
        last: Option<Found<'a>>,
    ) -> Result<Found<'a>> {
        let stops_at = name == "or";
        let mut value = None;
        for word in words {
            let found = self.operand(word, dot)?;
            if is_true(&found) == stops_at {
                return Ok(found);
            }
            value = Some(found);
        }
        last.or(value)
            .ok_or_else(|| wrong(self.text, format!("{name} wants an argument")))
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Found<'a>) -> Result<Found<'a>> {
        self.step()?;
        let value = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(name) if name.is_empty() => Cow::Borrowed(self.root),
            Base::Variable(name) => {
                let known = self.variables.iter().rfind(|(known, _)| known == name);
                match known {
                    Some((_, value)) => value.clone(),
                    None => return Err(self.no_variable(name)),
                }
            }
            Base::Literal(value) => Cow::Borrowed(value),
            Base::Function(function) => {
                let called = functions::call(function, &[]);
                Cow::Owned(called.map_err(|why| wrong(self.text, format!("{}: {why}", function.name)))?)
            }
            Base::Inner(pipeline) => self.pipeline(pipeline, dot)?,
        };
        self.charge(&value)?;
        self.fields(value, &operand.fields)
    }

    fn fields(&self, mut value: Found<'a>, fields: &[String]) -> Result<Found<'a>> {
        for field in fields {
            value = match value {
                Cow::Borrowed(value) => match self.field(value, field)? {
                    Some(found) => Cow::Borrowed(found),
                    None => Cow::Owned(Value::Null),
                },
                Cow::Owned(value) => Cow::Owned(self.field(&value, field)?.cloned().unwrap_or(Value::Null)),
            };
        }
        Ok(value)
    }

    /// A field of a value: of that name, or of one that differs by case alone (`.ID` is `.Id`).
    fn field<'v>(&self, value: &'v Value, name: &str) -> Result<Option<&'v Value>> {
        let members = match value {
            Value::Object(members) => members,
            Value::Null => return Ok(None),
            _ => {
                return Err(wrong(
                    self.text,
                    format!("what is asked for .{name} has no fields"),
                ));
            }
        };
        if let Some(found) = members.get(name) {
            return Ok(Some(found));
        }
        if let Some((_, found)) = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            return Ok(Some(found));
        }
        // People fill such a map, and may have left this out.
        if members.is_empty()
            || members
                .keys()
                .any(|key| !key.starts_with(|c: char| c.is_ascii_uppercase()))
        {
            return Ok(None);
        }
        let error = wrong(self.text, format!("there is no field .{name}"));
        Err(
            match tare_error::nearest(name, members.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean .{near}?")),
                None => {
                    let names: Vec<&str> = members.keys().map(String::as_str).take(40).collect();
                    error.hint(format!("there are {}", names.join(", ")))
                }
            },
        )
    }

    fn no_variable(&self, name: &str) -> Error {
        wrong(self.text, format!("there is no variable ${name}"))
    }
}

/// Whether Go takes a value for true: what is there and not empty.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
