//! The functions: Go's own that matter, and docker's.

use crate::evaluate::{Found, is_true};
use crate::printf::printf;
use crate::show::show;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The most characters that a text is padded by.
const MOST_PADDING: usize = 4096;

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How many arguments it takes, and at most.
    takes: (usize, usize),
    /// Its arguments are looked at one by one, by the evaluation itself.
    pub(crate) is_lazy: bool,
    call: fn(&[Found<'_>]) -> Result<Value, String>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

const ANY: usize = usize::MAX;

const fn function(
    name: &'static str,
    takes: (usize, usize),
    call: fn(&[Found<'_>]) -> Result<Value, String>,
) -> Function {
    Function {
        name,
        takes,
        is_lazy: false,
        call,
    }
}

const fn lazy(name: &'static str) -> Function {
    Function {
        name,
        takes: (1, ANY),
        is_lazy: true,
        call: |_| Ok(Value::Null),
    }
}

/// Every function there is.
static FUNCTIONS: &[Function] = &[
    lazy("and"),
    lazy("or"),
    function("not", (1, 1), |a| Ok((!is_true(&a[0])).into())),
    function("eq", (2, ANY), |a| {
        Ok(a[1..].iter().any(|b| are_equal(&a[0], b)).into())
    }),
    function("ne", (2, 2), |a| Ok((!are_equal(&a[0], &a[1])).into())),
    function("lt", (2, 2), |a| Ok((order(a)? == Ordering::Less).into())),
    function("le", (2, 2), |a| Ok((order(a)? != Ordering::Greater).into())),
    function("gt", (2, 2), |a| Ok((order(a)? == Ordering::Greater).into())),
    function("ge", (2, 2), |a| Ok((order(a)? != Ordering::Less).into())),
    function("len", (1, 1), |a| length(&a[0]).map(Value::from)),
    function("index", (1, ANY), index),
    function("slice", (1, 3), slice),
    function("print", (0, ANY), |a| Ok(print(a).into())),
    function("println", (0, ANY), |a| Ok(println(a).into())),
    function("printf", (1, ANY), |a| Ok(printf(text(&a[0])?, &a[1..])?.into())),
    function("json", (1, 1), |a| Ok(a[0].to_string().into())),
    function("join", (1, 2), join),
    function("split", (2, 2), |a| {
        let (whole, between) = (text(&a[0])?, text(&a[1])?);
        Ok(whole.split(between).map(Value::from).collect())
    }),
    function("lower", (1, 1), |a| Ok(text(&a[0])?.to_lowercase().into())),
    function("upper", (1, 1), |a| Ok(text(&a[0])?.to_uppercase().into())),
    function("title", (1, 1), |a| Ok(title(text(&a[0])?).into())),
    function("pad", (3, 3), |a| {
        let whole = text(&a[0])?;
        let spaces = |n: &Value| number(n).map(|n| " ".repeat(n.min(MOST_PADDING)));
        match whole {
            "" => Ok("".into()),
            _ => Ok(format!("{}{whole}{}", spaces(&a[1])?, spaces(&a[2])?).into()),
        }
    }),
    function("truncate", (2, 2), |a| {
        let most = number(&a[1])?;
        Ok(text(&a[0])?.chars().take(most).collect::<String>().into())
    }),
];

/// The function of that name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// Calls one; why it cannot be called so.
pub(crate) fn call(function: &Function, arguments: &[Found<'_>]) -> Result<Value, String> {
    let (least, most) = function.takes;
    if arguments.len() < least || arguments.len() > most {
        return Err(match (least, most) {
            (least, ANY) => format!("it wants at least {least} arguments"),
            (least, most) if least == most => format!("it wants {least} arguments"),
            (least, most) => format!("it wants {least} to {most} arguments"),
        });
    }
    (function.call)(arguments)
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        _ => Err("it wants a text".to_owned()),
    }
}

fn number(value: &Value) -> Result<usize, String> {
    let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
    number.ok_or_else(|| "it wants a number that is not below zero".to_owned())
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(members) => Ok(members.len()),
        Value::Null => Ok(0),
        _ => Err("it wants a text, a list or a map".to_owned()),
    }
}

fn are_equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b) == Ordering::Equal,
        _ => a == b,
    }
}

fn order(arguments: &[Found<'_>]) -> Result<Ordering, String> {
    match (&*arguments[0], &*arguments[1]) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => {
            let exactly = a.as_i64().zip(b.as_i64()).map(|(a, b)| a.cmp(&b));
            let roughly = || a.as_f64().zip(b.as_f64()).map(|(a, b)| a.total_cmp(&b));
            exactly
                .or_else(roughly)
                .ok_or_else(|| "a number is too large".to_owned())
        }
        _ => Err("it compares two texts or two numbers".to_owned()),
    }
}

/// A part of a list or a map, of that a part, and so on. What a map does not hold is nothing; what is beyond a list is an error.
fn index(arguments: &[Found<'_>]) -> Result<Value, String> {
    let mut value = Cow::Borrowed(&*arguments[0]);
    for key in &arguments[1..] {
        let found = match (&*value, &**key) {
            (Value::Object(members), Value::String(key)) => members.get(key).cloned(),
            (Value::Array(items), Value::Number(_)) => {
                let at = number(key)?;
                let found = items.get(at).cloned();
                Some(found.ok_or_else(|| format!("there is no number {at} in a list of {}", items.len()))?)
            }
            (Value::String(text), Value::Number(_)) => {
                let at = number(key)?;
                Some(
                    text.as_bytes()
                        .get(at)
                        .copied()
                        .map(Value::from)
                        .ok_or("it is not that long")?,
                )
            }
            (Value::Null, _) => None,
            _ => return Err("it wants a list and a number, or a map and a text".to_owned()),
        };
        value = Cow::Owned(found.unwrap_or_else(|| "".into()));
    }
    Ok(value.into_owned())
}

fn slice(arguments: &[Found<'_>]) -> Result<Value, String> {
    let whole = &*arguments[0];
    let bound = |at: usize, otherwise: usize| arguments.get(at).map_or(Ok(otherwise), |n| number(n));
    let (from, to) = (bound(1, 0)?, bound(2, length(whole)?)?);
    let beyond = || format!("there is nothing from {from} to {to}");
    match whole {
        Value::String(text) => Ok(text.get(from..to).ok_or_else(beyond)?.into()),
        Value::Array(items) => Ok(items.get(from..to).ok_or_else(beyond)?.to_vec().into()),
        _ => Err("it wants a text or a list".to_owned()),
    }
}

/// As Go's: a space between two that are no texts.
fn print(arguments: &[Found<'_>]) -> String {
    let mut printed = String::new();
    for (at, argument) in arguments.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| arguments.get(at));
        if before.is_some_and(|before| !before.is_string()) && !argument.is_string() {
            printed.push(' ');
        }
        printed.push_str(&show(argument));
    }
    printed
}

fn println(arguments: &[Found<'_>]) -> String {
    let shown: Vec<String> = arguments.iter().map(|argument| show(argument)).collect();
    format!("{}\n", shown.join(" "))
}

fn join(arguments: &[Found<'_>]) -> Result<Value, String> {
    let between = arguments.get(1).map_or(Ok(""), |between| text(between))?;
    match &*arguments[0] {
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(show).collect();
            Ok(shown.join(between).into())
        }
        Value::Null => Ok("".into()),
        _ => Err("it wants a list".to_owned()),
    }
}

fn title(text: &str) -> String {
    let mut begins = true;
    let raise = |c: char| {
        let raised = begins;
        begins = !c.is_alphanumeric();
        if raised {
            c.to_uppercase().next().unwrap_or(c)
        } else {
            c
        }
    };
    text.chars().map(raise).collect()
}
