//! What a template is made of.

use crate::functions::Function;
use serde_json::Value;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Text as it stands.
    Text(String),
    /// A value that is shown, or given to a variable.
    Action(Pipeline),
    /// `if`, each `else if`, and `else`.
    If {
        branches: Vec<(Pipeline, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    /// `with`
    With {
        about: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `range`
    Range {
        over: Pipeline,
        /// The second of two variables: the first is the key then.
        second: Option<String>,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `break`
    Break,
    /// `continue`
    Continue,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    /// The variable that gets the value.
    pub(crate) variable: Option<Assigned>,
    pub(crate) commands: Vec<Vec<Operand>>,
}

/// A variable that gets a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) name: String,
    /// `:=`; otherwise it is there already.
    pub(crate) is_new: bool,
}

/// A word of a command, with the fields that are asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operand {
    pub(crate) base: Base,
    pub(crate) fields: Vec<String>,
}

/// Where a word begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Base {
    /// `.`
    Dot,
    /// `$` or `$name`; the name without the dollar.
    Variable(String),
    /// A text, a number, `true`, `false`, `nil`.
    Literal(Value),
    /// A function by its name.
    Function(&'static Function),
    /// A pipeline in parentheses.
    Inner(Box<Pipeline>),
}
