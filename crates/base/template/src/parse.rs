//! From text to pieces.

use crate::functions;
use crate::syntax::{Assigned, Base, Node, Operand, Pipeline};
use crate::{DEEPEST, LONGEST, wrong};
use serde_json::Value;
use tare_error::{Error, Kind, Result};

/// Reads a whole template.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>> {
    if text.len() > LONGEST {
        return Err(wrong(text, format!("it is longer than {LONGEST} bytes")));
    }
    let mut parser = Parser {
        text,
        rest: text,
        depth: 0,
        ranges: 0,
        trims: false,
    };
    match parser.block()? {
        (nodes, Stop::Whole) => Ok(nodes),
        (_, Stop::End) => Err(wrong(text, "there is an {{end}} with nothing to end")),
        (_, _) => Err(wrong(text, "there is an {{else}} outside of a block")),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
    /// How many `range` blocks we are in.
    ranges: usize,
    /// The last action ended with `-}}`.
    trims: bool,
}

/// What ended a block.
enum Stop {
    Whole,
    End,
    Else,
    ElseIf,
    ElseWith,
}

impl<'a> Parser<'a> {
    fn wrong(&self, why: impl std::fmt::Display) -> Error {
        let at = self.text.len() - self.rest.len() + 1;
        wrong(self.text, format!("{why} (at byte {at})"))
    }

    /// Pieces until the end of the text or of the block.
    fn block(&mut self) -> Result<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        loop {
            let (before, in_action) = match self.rest.split_once("{{") {
                Some((before, after)) => (before, Some(after)),
                None => (self.rest, None),
            };
            let mut before = if self.trims { before.trim_start() } else { before };
            self.trims = false;
            let Some(mut after) = in_action else {
                self.rest = "";
                push_text(&mut nodes, before);
                return Ok((nodes, Stop::Whole));
            };
            if let Some(trimmed) = after
                .strip_prefix('-')
                .filter(|t| t.starts_with(char::is_whitespace))
            {
                before = before.trim_end();
                after = trimmed;
            }
            push_text(&mut nodes, before);
            self.rest = after;
            self.space();
            if self.comment()? {
                continue;
            }
            if let Some(end) = self.statement(&mut nodes)? {
                return Ok((nodes, end));
            }
        }
    }

    fn comment(&mut self) -> Result<bool> {
        let Some(inside) = self.rest.strip_prefix("/*") else {
            return Ok(false);
        };
        let (_, after) = inside
            .split_once("*/")
            .ok_or_else(|| self.wrong("a comment has no end"))?;
        self.rest = after;
        self.space();
        self.close().map(|()| true)
    }

    /// One action; what it ends, where it ends something.
    fn statement(&mut self, nodes: &mut Vec<Node>) -> Result<Option<Stop>> {
        match self.keyword() {
            Some("end") => self.closed(Stop::End).map(Some),
            Some("else") => {
                self.space();
                match self.keyword() {
                    None => self.closed(Stop::Else).map(Some),
                    Some("if") => Ok(Some(Stop::ElseIf)),
                    Some("with") => Ok(Some(Stop::ElseWith)),
                    Some(other) => Err(self.wrong(format!("{other} cannot follow else"))),
                }
            }
            Some("if") => self.conditional().map(|node| nodes.push(node)).map(|()| None),
            Some("with") => self.with().map(|node| nodes.push(node)).map(|()| None),
            Some("range") => self.range().map(|node| nodes.push(node)).map(|()| None),
            Some(word @ ("break" | "continue")) => {
                if self.ranges == 0 {
                    return Err(self.wrong(format!("{word} stands outside of a range")));
                }
                nodes.push(if word == "break" {
                    Node::Break
                } else {
                    Node::Continue
                });
                self.space();
                self.close().map(|()| None)
            }
            Some(word) => Err(
                Error::new(Kind::Unsupported, "read template", format!("{:?}", self.text))
                    .because(format!("{word} is not served")),
            ),
            None => {
                let pipeline = self.pipeline()?;
                self.close()?;
                nodes.push(Node::Action(pipeline));
                Ok(None)
            }
        }
    }

    fn closed(&mut self, end: Stop) -> Result<Stop> {
        self.space();
        self.close().map(|()| end)
    }

    /// A word that begins a statement, taken where it is one.
    fn keyword(&mut self) -> Option<&'static str> {
        const WORDS: &[&str] = &[
            "if", "else", "end", "range", "with", "break", "continue", "define", "template", "block",
        ];
        let length = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..length)?;
        let found = WORDS.iter().find(|known| **known == word)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(found)
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => Err(self.wrong(format!("its parts stand more than {DEEPEST} deep in each other"))),
            false => Ok(()),
        }
    }

    /// The pipeline of a block, to the end of its action.
    fn head(&mut self) -> Result<Pipeline> {
        self.deeper()?;
        self.space();
        let pipeline = self.pipeline()?;
        self.close().map(|()| pipeline)
    }

    fn conditional(&mut self) -> Result<Node> {
        let mut branches = Vec::new();
        let depth = self.depth;
        let otherwise = loop {
            let condition = self.head()?;
            let (body, end) = self.block()?;
            branches.push((condition, body));
            match end {
                // No deeper than the first.
                Stop::ElseIf if branches.len() < LONGEST => self.depth = depth,
                Stop::Else => break self.last_block()?,
                Stop::End => break Vec::new(),
                _ => return Err(self.wrong("an {{if}} has no {{end}}")),
            }
        };
        self.depth = depth;
        Ok(Node::If { branches, otherwise })
    }

    fn with(&mut self) -> Result<Node> {
        let depth = self.depth;
        let about = self.head()?;
        let (body, end) = self.block()?;
        let otherwise = self.otherwise(&end, "with")?;
        self.depth = depth;
        Ok(Node::With {
            about,
            body,
            otherwise,
        })
    }

    fn range(&mut self) -> Result<Node> {
        let depth = self.depth;
        self.deeper()?;
        self.space();
        let (first, second) = self.two_variables()?;
        let mut over = self.pipeline()?;
        self.close()?;
        if let Some(name) = first {
            over.variable = Some(Assigned { name, is_new: true });
        }
        self.ranges += 1;
        let (body, end) = self.block()?;
        self.ranges -= 1;
        let otherwise = self.otherwise(&end, "range")?;
        self.depth = depth;
        Ok(Node::Range {
            over,
            second,
            body,
            otherwise,
        })
    }

    /// `$key, $value :=`, where that is what follows.
    fn two_variables(&mut self) -> Result<(Option<String>, Option<String>)> {
        let before = self.rest;
        if let Some(first) = self.variable_name() {
            self.space();
            if let Some(after) = self.rest.strip_prefix(',') {
                self.rest = after;
                self.space();
                let second = self.variable_name();
                self.space();
                let second = second.filter(|_| self.rest.starts_with(":="));
                let second =
                    second.ok_or_else(|| self.wrong("after the comma a variable and := are missing"))?;
                self.rest = self.rest.get(2..).unwrap_or_default();
                self.space();
                return Ok((Some(first), Some(second)));
            }
        }
        self.rest = before;
        Ok((None, None))
    }

    fn otherwise(&mut self, end: &Stop, what: &str) -> Result<Vec<Node>> {
        match end {
            Stop::End => Ok(Vec::new()),
            Stop::Else => self.last_block(),
            _ => Err(self.wrong(format!("a {{{{{what}}}}} has no {{{{end}}}}"))),
        }
    }

    fn last_block(&mut self) -> Result<Vec<Node>> {
        match self.block()? {
            (nodes, Stop::End) => Ok(nodes),
            _ => Err(self.wrong("an {{else}} has no {{end}}")),
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The end of an action.
    fn close(&mut self) -> Result<()> {
        if let Some(after) = self.rest.strip_prefix("-}}") {
            self.rest = after;
            self.trims = true;
            return Ok(());
        }
        match self.rest.strip_prefix("}}") {
            Some(after) => {
                self.rest = after;
                Ok(())
            }
            None if self.rest.is_empty() => Err(self.wrong("an action has no end: }}")),
            None => Err(self.wrong(format!(
                "{:?} is not understood",
                self.rest.chars().next().unwrap_or(' ')
            ))),
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline> {
        let variable = self.assignment();
        let mut commands = Vec::new();
        loop {
            self.space();
            let command = self.command()?;
            if command.is_empty() {
                return Err(self.wrong("a command is missing"));
            }
            commands.push(command);
            self.space();
            match self.rest.strip_prefix('|') {
                Some(after) => self.rest = after,
                None => return Ok(Pipeline { variable, commands }),
            }
        }
    }

    /// `$name :=` or `$name =`, where that is what follows.
    fn assignment(&mut self) -> Option<Assigned> {
        let before = self.rest;
        if let Some(name) = self.variable_name() {
            self.space();
            for (sign, is_new) in [(":=", true), ("=", false)] {
                if let Some(after) = self.rest.strip_prefix(sign) {
                    self.rest = after;
                    return Some(Assigned { name, is_new });
                }
            }
        }
        self.rest = before;
        None
    }

    fn variable_name(&mut self) -> Option<String> {
        let after = self.rest.strip_prefix('$')?;
        let length = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
        let (name, rest) = after.split_at_checked(length)?;
        self.rest = rest;
        Some(name.to_owned())
    }

    /// Words up to the end of a command.
    fn command(&mut self) -> Result<Vec<Operand>> {
        let mut words = Vec::new();
        loop {
            let spaced = self.rest.starts_with(char::is_whitespace);
            self.space();
            let ends = self.rest.is_empty()
                || self.rest.starts_with(['|', ')', '}'])
                || self.rest.starts_with("-}}");
            if ends {
                return Ok(words);
            }
            if !spaced && !words.is_empty() {
                return Err(self.wrong("a space is missing between two words"));
            }
            words.push(self.operand()?);
        }
    }

    fn operand(&mut self) -> Result<Operand> {
        let base = self.base()?;
        let mut fields = Vec::new();
        loop {
            // A dot by itself is followed by its first field at once.
            let begins = base == Base::Dot && fields.is_empty();
            let after = match self.rest.strip_prefix('.') {
                Some(after) => after,
                None if begins => self.rest,
                None => break,
            };
            let length = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
            let (name, rest) = after.split_at_checked(length).unwrap_or_default();
            if name.is_empty() {
                if begins {
                    break;
                }
                return Err(self.wrong("the name of a field is missing after a dot"));
            }
            fields.push(name.to_owned());
            self.rest = rest;
        }
        Ok(Operand { base, fields })
    }

    fn base(&mut self) -> Result<Base> {
        let first = self.rest.chars().next().unwrap_or(' ');
        match first {
            '.' if !self
                .rest
                .get(1..2)
                .is_some_and(|c| c.starts_with(|c: char| c.is_ascii_digit())) =>
            {
                self.rest = self.rest.get(1..).unwrap_or_default();
                Ok(Base::Dot)
            }
            '$' => Ok(Base::Variable(self.variable_name().unwrap_or_default())),
            '(' => {
                self.deeper()?;
                self.rest = self.rest.get(1..).unwrap_or_default();
                self.space();
                let inner = self.pipeline()?;
                self.depth -= 1;
                self.rest = self
                    .rest
                    .strip_prefix(')')
                    .ok_or_else(|| self.wrong("a parenthesis is not closed"))?;
                Ok(Base::Inner(Box::new(inner)))
            }
            '"' => self.quoted().map(Base::Literal),
            '`' => {
                let inside = self.rest.get(1..).unwrap_or_default();
                let (text, after) = inside
                    .split_once('`')
                    .ok_or_else(|| self.wrong("a raw text has no end"))?;
                self.rest = after;
                Ok(Base::Literal(text.into()))
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number().map(Base::Literal),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Base> {
        let length = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..length).unwrap_or_default();
        let base = match word {
            "" => return self.close().and_then(|()| Err(self.wrong("a word is missing"))),
            "true" => Base::Literal(true.into()),
            "false" => Base::Literal(false.into()),
            "nil" => Base::Literal(Value::Null),
            name => match functions::named(name) {
                Some(function) => Base::Function(function),
                None => {
                    let error = self.wrong(format!("there is no function {name}"));
                    let near = tare_error::nearest(name, functions::names());
                    return Err(match near {
                        Some(near) => error.hint(format!("did you mean {near}?")),
                        None => error.hint(format!("a field begins with a dot: .{name}")),
                    });
                }
            },
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(base)
    }

    /// A text in quotes, with Go's escapes; they are JSON's and a few more.
    fn quoted(&mut self) -> Result<Value> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text.into());
                }
                '\n' => break,
                '\\' => {
                    let escaped = characters.next().map(|(_, c)| c);
                    text.push(match escaped {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(c @ ('"' | '\\' | '\'')) => c,
                        Some(c @ ('u' | 'x')) => {
                            let digits = if c == 'u' { 4 } else { 2 };
                            let code: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
                            let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                            code.ok_or_else(|| self.wrong("an escape in a text is not understood"))?
                        }
                        _ => return Err(self.wrong("an escape in a text is not understood")),
                    });
                }
                c => text.push(c),
            }
        }
        Err(self.wrong("a text in quotes has no end"))
    }

    fn number(&mut self) -> Result<Value> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..length).unwrap_or_default();
        let plain = word.strip_prefix('+').unwrap_or(word);
        let value = match (plain.parse::<i64>(), plain.strip_prefix("0x")) {
            (Ok(number), _) => Some(number.into()),
            (_, Some(digits)) => i64::from_str_radix(digits, 16).ok().map(Value::from),
            _ => plain
                .parse::<f64>()
                .ok()
                .filter(|n| n.is_finite())
                .map(Value::from),
        };
        let value = value.ok_or_else(|| self.wrong(format!("{word:?} is no number")))?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(value)
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if !text.is_empty() {
        nodes.push(Node::Text(text.to_owned()));
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
