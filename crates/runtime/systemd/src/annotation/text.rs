//! GVariant's text form (glib's "GVariant Text Format"): first to a tree, then to values of one type.

use crate::dbus::Value;

/// The longest text that is read.
const LENGTH_MAX: usize = 64 * 1024;
/// How deep brackets may lie in each other.
const DEPTH_MAX: usize = 16;

type Result<T> = std::result::Result<T, String>;

/// Reads one value.
pub(super) fn parse(text: &str) -> Result<Value> {
    if text.len() > LENGTH_MAX {
        return Err("it is longer than 64 KiB".to_owned());
    }
    let mut reader = Reader { rest: text };
    let node = reader.node(0)?;
    reader.blank();
    if !reader.rest.is_empty() {
        return Err(format!("there is more after the value: {:.20}", reader.rest));
    }
    node.by_itself()
}

/// A value whose type may still be open.
enum Node<'a> {
    Number(&'a str),
    Text(String),
    Bool(bool),
    Bytes(Vec<u8>),
    List(Vec<Node<'a>>),
    Dictionary(Vec<(Node<'a>, Node<'a>)>),
    Tuple(Vec<Node<'a>>),
    Variant(Box<Node<'a>>),
    Typed(String, Box<Node<'a>>),
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self) -> Option<char> {
        self.blank();
        self.rest.chars().next()
    }

    fn take(&mut self, mark: char) -> bool {
        self.blank();
        let after = self.rest.strip_prefix(mark);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn node(&mut self, depth: usize) -> Result<Node<'a>> {
        if depth > DEPTH_MAX {
            return Err("its brackets lie too deep in each other".to_owned());
        }
        let first = self.peek().ok_or("a value is missing")?;
        if self.rest.starts_with("b'") || self.rest.starts_with("b\"") {
            self.take('b');
            let quote = self.peek().unwrap_or_default();
            return self.bytes(quote).map(Node::Bytes);
        }
        match first {
            '\'' | '"' => self.text(first).map(Node::Text),
            '[' => {
                self.take('[');
                self.list(']', depth).map(Node::List)
            }
            '(' => {
                self.take('(');
                self.list(')', depth).map(Node::Tuple)
            }
            '{' => self.dictionary(depth),
            '<' => {
                self.take('<');
                let node = self.node(depth + 1)?;
                match self.take('>') {
                    true => Ok(Node::Variant(Box::new(node))),
                    false => Err("a > is missing".to_owned()),
                }
            }
            '@' => {
                self.take('@');
                let kind = self.word(|c| c.is_ascii_alphanumeric() || "(){}".contains(c));
                if !is_type(kind) {
                    return Err(format!("@{kind:.20} is no type"));
                }
                let of = self.node(depth + 1)?;
                Ok(Node::Typed(kind.to_owned(), Box::new(of)))
            }
            c if c.is_ascii_digit() || "+-.".contains(c) => Ok(Node::Number(
                self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)),
            )),
            _ => self.keyword(depth),
        }
    }

    fn keyword(&mut self, depth: usize) -> Result<Node<'a>> {
        let word = self.word(|c| c.is_ascii_alphanumeric());
        let kind = match word {
            "true" => return Ok(Node::Bool(true)),
            "false" => return Ok(Node::Bool(false)),
            "boolean" => "b",
            "byte" => "y",
            "int16" => "n",
            "uint16" => "q",
            "int32" => "i",
            "uint32" => "u",
            "int64" => "x",
            "uint64" => "t",
            "double" => "d",
            "string" => "s",
            "objectpath" => "o",
            "signature" => "g",
            _ => {
                return Err(format!(
                    "{:.20} is no value (a text stands in quotes)",
                    format!("{word}{}", self.rest)
                ));
            }
        };
        let of = self.node(depth + 1)?;
        Ok(Node::Typed(kind.to_owned(), Box::new(of)))
    }

    /// Members up to the bracket that closes them; a comma may stand after the last.
    fn list(&mut self, end: char, depth: usize) -> Result<Vec<Node<'a>>> {
        let mut members = Vec::new();
        while !self.take(end) {
            members.push(self.node(depth + 1)?);
            if !self.take(',') {
                return match self.take(end) {
                    true => Ok(members),
                    false => Err(format!("a {end} is missing")),
                };
            }
        }
        Ok(members)
    }

    fn dictionary(&mut self, depth: usize) -> Result<Node<'a>> {
        self.take('{');
        let mut entries = Vec::new();
        while !self.take('}') {
            let key = self.node(depth + 1)?;
            if !self.take(':') {
                return Err("a : is missing after a key".to_owned());
            }
            entries.push((key, self.node(depth + 1)?));
            if !self.take(',') && self.peek() != Some('}') {
                return Err("a } is missing".to_owned());
            }
        }
        Ok(Node::Dictionary(entries))
    }

    fn next(&mut self) -> Result<char> {
        let mut letters = self.rest.chars();
        let c = letters.next().ok_or("a quote is not closed")?;
        self.rest = letters.as_str();
        Ok(c)
    }

    fn text(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        self.take(quote);
        loop {
            let c = match self.next()? {
                c if c == quote => return Ok(text),
                '\\' => match self.next()? {
                    'u' => self.coded(4)?,
                    'U' => self.coded(8)?,
                    '\n' => continue,
                    c => escaped(c),
                },
                c => c,
            };
            if c == '\0' {
                return Err("a text has a NUL in it".to_owned());
            }
            text.push(c);
        }
    }

    fn coded(&mut self, digits: usize) -> Result<char> {
        self.digits(digits, 16)
            .and_then(char::from_u32)
            .ok_or_else(|| "a \\u is not followed by a letter's number".to_owned())
    }

    fn digits(&mut self, count: usize, base: u32) -> Option<u32> {
        let digits = self.rest.get(..count)?;
        self.rest = self.rest.get(count..)?;
        let is_plain = digits.chars().all(|c| c.is_digit(base));
        is_plain.then(|| u32::from_str_radix(digits, base).ok()).flatten()
    }

    /// Bytes end with a NUL, as C's strings do.
    fn bytes(&mut self, quote: char) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.take(quote);
        let mut letter = [0; 4];
        loop {
            let byte = match self.next()? {
                c if c == quote => {
                    bytes.push(0);
                    return Ok(bytes);
                }
                '\\' => match self.next()? {
                    'x' => self.digits(2, 16),
                    '0' => self.digits(2, 8),
                    c => u8::try_from(escaped(c)).ok().map(u32::from),
                },
                c => {
                    bytes.extend_from_slice(c.encode_utf8(&mut letter).as_bytes());
                    continue;
                }
            };
            let byte = byte.and_then(|byte| u8::try_from(byte).ok());
            bytes.push(byte.ok_or("a \\ is not followed by a byte's number")?);
        }
    }
}

fn escaped(c: char) -> char {
    match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        c => c,
    }
}

/// Whether these letters are one complete type; handles of files are none that a text can have.
fn is_type(text: &str) -> bool {
    fn one(letters: &[u8], depth: usize) -> Option<&[u8]> {
        let (first, mut rest) = letters.split_first()?;
        if depth > DEPTH_MAX {
            return None;
        }
        match first {
            b'a' => match rest.split_first() {
                Some((b'{', entry)) => {
                    let (key, _) = entry.split_first()?;
                    let after = b"ybnqiuxtdsog".contains(key).then(|| one(entry, depth + 1))??;
                    one(after, depth + 1)?.strip_prefix(b"}")
                }
                _ => one(rest, depth + 1),
            },
            b'(' => loop {
                rest = one(rest, depth + 1)?;
                if let Some(after) = rest.strip_prefix(b")") {
                    return Some(after);
                }
            },
            first => b"ybnqiuxtdsogv".contains(first).then_some(rest),
        }
    }
    text.len() <= 255 && one(text.as_bytes(), 0) == Some(b"")
}

impl Node<'_> {
    /// The type it has by itself; none for an empty list.
    fn kind(&self) -> Option<String> {
        Some(match self {
            Node::Number(text) if is_fraction(text) => "d".to_owned(),
            Node::Number(_) => "i".to_owned(),
            Node::Text(_) => "s".to_owned(),
            Node::Bool(_) => "b".to_owned(),
            Node::Bytes(_) => "ay".to_owned(),
            Node::List(members) => format!("a{}", kind_of_all(members.iter())?),
            Node::Dictionary(entries) => {
                let key = kind_of_all(entries.iter().map(|(key, _)| key))?;
                let value = kind_of_all(entries.iter().map(|(_, value)| value))?;
                format!("a{{{key}{value}}}")
            }
            Node::Tuple(parts) if parts.is_empty() => return None,
            Node::Tuple(parts) => {
                let kinds: Option<String> = parts.iter().map(Node::kind).collect();
                format!("({})", kinds?)
            }
            Node::Variant(_) => "v".to_owned(),
            Node::Typed(kind, _) => kind.clone(),
        })
    }

    /// Whether a member of a list decides for all: its type is written, or cannot be another.
    fn decides(&self) -> bool {
        match self {
            Node::Number(text) => is_fraction(text),
            Node::Text(_) => false,
            Node::Bool(_) | Node::Bytes(_) | Node::Variant(_) | Node::Typed(..) => true,
            Node::List(members) | Node::Tuple(members) => members.iter().any(Node::decides),
            Node::Dictionary(entries) => entries.iter().any(|(k, v)| k.decides() || v.decides()),
        }
    }

    fn value(&self, kind: &str) -> Result<Value> {
        let other = || Err(format!("a value in it is not of the type {kind}"));
        match self {
            Node::Typed(own, node) if own == kind => node.value(kind),
            Node::Number(text) => number(text, kind),
            Node::Text(text) => match kind {
                "s" => Ok(Value::Text(text.clone())),
                "o" => Ok(Value::Path(text.clone())),
                "g" if text.len() <= 255 => Ok(Value::Signature(text.clone())),
                _ => other(),
            },
            Node::Bool(yes) if kind == "b" => Ok(Value::Bool(*yes)),
            Node::Bytes(bytes) if kind == "ay" => Ok(Value::bytes(bytes)),
            Node::List(members) => match kind.strip_prefix('a') {
                Some(of) if members.is_empty() || !of.starts_with('{') => {
                    let values: Result<_> = members.iter().map(|node| node.value(of)).collect();
                    Ok(Value::Array(of.to_owned(), values?))
                }
                _ => other(),
            },
            Node::Dictionary(entries) => {
                let inside = kind.strip_prefix("a{").and_then(|rest| rest.strip_suffix('}'));
                let Some((key, of)) = inside.and_then(|inside| inside.split_at_checked(1)) else {
                    return other();
                };
                let entry = |(k, v): &(Node<'_>, Node<'_>)| {
                    Ok(Value::Entry(Box::new(k.value(key)?), Box::new(v.value(of)?)))
                };
                let values: Result<_> = entries.iter().map(entry).collect();
                Ok(Value::Array(format!("{{{key}{of}}}"), values?))
            }
            Node::Tuple(parts) if !parts.is_empty() => {
                // Each part by its own type; the whole must come out as asked.
                let values: Result<_> = parts.iter().map(Node::by_itself).collect();
                let value = Value::Struct(values?);
                if value.signature() == kind {
                    Ok(value)
                } else {
                    other()
                }
            }
            Node::Variant(node) if kind == "v" => Ok(node.by_itself()?.boxed()),
            _ => other(),
        }
    }

    fn by_itself(&self) -> Result<Value> {
        let kind = self
            .kind()
            .ok_or("its type is not known: write @TYPE before it")?;
        if !is_type(&kind) {
            return Err(format!("{kind:.40} is no type"));
        }
        self.value(&kind)
    }
}

fn kind_of_all<'a, 'b: 'a>(members: impl Iterator<Item = &'a Node<'b>> + Clone) -> Option<String> {
    let decider = members.clone().find(|node| node.decides());
    decider
        .and_then(Node::kind)
        .or_else(|| members.into_iter().find_map(Node::kind))
}

fn is_fraction(text: &str) -> bool {
    !text.contains(['x', 'X']) && text.contains(['.', 'e'])
}

fn number(text: &str, kind: &str) -> Result<Value> {
    let bad = || format!("{text:.40} is no number of the type {kind}");
    if kind == "d" {
        let value: f64 = text.parse().map_err(|_| bad())?;
        return value.is_finite().then_some(Value::Double(value)).ok_or_else(bad);
    }
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, base) = match digits.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if !digits.chars().all(|c| c.is_digit(base)) {
        return Err(bad());
    }
    let size = i128::from_str_radix(digits, base).map_err(|_| bad())?;
    let n = if is_negative { -size } else { size };
    let value = match kind {
        "y" => n.try_into().ok().map(Value::Byte),
        "n" => n.try_into().ok().map(Value::Int16),
        "q" => n.try_into().ok().map(Value::Uint16),
        "i" => n.try_into().ok().map(Value::Int32),
        "u" => n.try_into().ok().map(Value::Uint32),
        "x" => n.try_into().ok().map(Value::Int64),
        "t" => n.try_into().ok().map(Value::Uint64),
        _ => None,
    };
    value.ok_or_else(bad)
}
