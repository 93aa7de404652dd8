//! Messages: calls as they are sent, and whatever comes back, taken apart within bounds.
//!
//! ```text
//! l|B  type  flags  1   u32 body length   u32 serial   a(yv) fields   padding to 8   body
//! ```

use super::wire::{LENGTH_MAX, Value, Writer, alignment, signature_of};

/// The part of every message from which its whole length follows.
pub const PREFIX: usize = 16;
/// The longest message that is taken in. A bus allows 128 MiB; what systemd answers to our calls has a few hundred bytes.
pub const MESSAGE_MAX: usize = 1 << 20;
/// How deep types may lie in each other (the specification's bound).
const DEPTH_MAX: usize = 64;

/// What is wrong with bytes that should be a message.
pub type Malformed = &'static str;

/// One method call.
#[derive(Debug)]
pub struct Call<'a> {
    /// Whom it is for: a name on the bus; none where there is no bus between.
    pub destination: Option<&'a str>,
    /// The object.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
    /// The method.
    pub method: &'a str,
    /// The arguments.
    pub arguments: &'a [Value],
    /// How many file descriptors go with it.
    pub handles: u32,
}

impl Call<'_> {
    /// Its bytes, under this serial number.
    ///
    /// # Errors
    /// A text or the whole that is too long, a text with a NUL in it, a type of more than 255 letters.
    pub fn encode(&self, serial: u32) -> Result<Vec<u8>, Malformed> {
        self.arguments.iter().try_for_each(|value| check(value, 0))?;
        let signature = signature_of(self.arguments);
        let mut body = Writer::default();
        body.values(self.arguments);
        if body.bytes.len() > LENGTH_MAX || signature.len() > 255 {
            return Err("it is longer than a bus takes");
        }
        let mut fields = vec![
            field(1, Value::Path(self.path.to_owned())),
            field(2, Value::text(self.interface)),
            field(3, Value::text(self.method)),
        ];
        fields.extend(self.destination.map(|name| field(6, Value::text(name))));
        if !signature.is_empty() {
            fields.push(field(8, Value::Signature(signature)));
        }
        if self.handles > 0 {
            fields.push(field(9, Value::Uint32(self.handles)));
        }
        let mut whole = Writer {
            bytes: vec![b'l', 1, 0, 1],
        };
        whole.u32(u32::try_from(body.bytes.len()).unwrap_or(u32::MAX));
        whole.u32(serial);
        whole.value(&Value::Array("(yv)".to_owned(), fields));
        whole.pad(8);
        whole.bytes.append(&mut body.bytes);
        Ok(whole.bytes)
    }
}

fn field(code: u8, value: Value) -> Value {
    Value::Struct(vec![Value::Byte(code), value.boxed()])
}

fn check(value: &Value, depth: usize) -> Result<(), Malformed> {
    if depth > DEPTH_MAX / 2 {
        return Err("its types lie too deep in each other");
    }
    match value {
        Value::Text(text) | Value::Path(text) if text.contains('\0') => Err("a text has a NUL in it"),
        Value::Text(text) | Value::Path(text) if text.len() > LENGTH_MAX => Err("a text is too long"),
        Value::Path(text) if !is_path(text) => Err("an object path in it is none"),
        Value::Signature(text) if !is_signature(text) => Err("a signature in it is none"),
        Value::Array(_, parts) | Value::Struct(parts) => parts.iter().try_for_each(|v| check(v, depth + 1)),
        Value::Entry(key, value) => check(key, depth + 1).and_then(|()| check(value, depth + 1)),
        Value::Variant(value) if value.signature().len() > 255 => Err("a type is too long"),
        Value::Variant(value) => check(value, depth + 1),
        _ => Ok(()),
    }
}

/// `/` or `/a/b_1`: a bus closes the connection for any other.
fn is_path(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text == "/"
        || text
            .strip_prefix('/')
            .is_some_and(|names| names.split('/').all(is_name))
}

fn is_signature(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match split(rest) {
            Ok((_, more)) => rest = more,
            Err(_) => return false,
        }
    }
    text.len() <= 255
}

/// What sort of message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Somebody calls us.
    Call,
    /// The answer to a call.
    Return,
    /// The refusal of a call.
    Error,
    /// A signal.
    Signal,
    /// A kind of a later specification, to be passed over.
    Other,
}

/// A message that came in, its body not yet read.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// Which call it answers.
    pub answers: Option<u32>,
    /// The object of a signal.
    pub path: Option<String>,
    /// The interface of a signal.
    pub interface: Option<String>,
    /// The name of a signal.
    pub member: Option<String>,
    /// The name of an error.
    pub error: Option<String>,
    /// Who sent it, as the bus says.
    pub sender: Option<String>,
    /// The types of the body.
    pub signature: String,
    big_endian: bool,
    bytes: Vec<u8>,
    body: usize,
}

/// The length of the message that begins with these bytes; none while there are fewer than [`PREFIX`].
///
/// # Errors
/// Bytes that begin no message, and a message longer than [`MESSAGE_MAX`].
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(prefix) = bytes.get(..PREFIX) else {
        return Ok(None);
    };
    let big_endian = match prefix {
        [b'l', _, _, 1, ..] => false,
        [b'B', _, _, 1, ..] => true,
        [b'l' | b'B', ..] => return Err("it has an unknown version"),
        _ => return Err("it does not begin as a message"),
    };
    let mut reader = Reader::new(prefix, 4, big_endian);
    let body = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    reader.u32()?;
    let fields = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if body > MESSAGE_MAX || fields > MESSAGE_MAX {
        return Err("it is longer than 1 MiB");
    }
    match (PREFIX + fields).next_multiple_of(8) + body {
        length if length > MESSAGE_MAX => Err("it is longer than 1 MiB"),
        length => Ok(Some(length)),
    }
}

impl Message {
    /// Reads the header of a whole message.
    ///
    /// # Errors
    /// Bytes that are not exactly one message by the specification.
    pub fn parse(bytes: Vec<u8>) -> Result<Message, Malformed> {
        if length(&bytes)? != Some(bytes.len()) {
            return Err("its length is wrong");
        }
        let (first, kind) = (bytes.first().copied(), bytes.get(1).copied());
        let mut message = Message {
            kind: match kind {
                Some(0) | None => return Err("it has no kind"),
                Some(1) => MessageKind::Call,
                Some(2) => MessageKind::Return,
                Some(3) => MessageKind::Error,
                Some(4) => MessageKind::Signal,
                Some(_) => MessageKind::Other,
            },
            answers: None,
            path: None,
            interface: None,
            member: None,
            error: None,
            sender: None,
            signature: String::new(),
            big_endian: first == Some(b'B'),
            bytes,
            body: 0,
        };
        message.body = message.read_fields()?;
        Ok(message)
    }

    /// Reads the fields; where the body begins.
    fn read_fields(&mut self) -> Result<usize, Malformed> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut reader = Reader::new(&bytes, 12, self.big_endian);
        let end = PREFIX + usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        while reader.at < end {
            reader.align(8)?;
            let code = reader.byte()?;
            let signature = reader.signature()?;
            match (code, signature) {
                (1, "o") => self.path = Some(reader.text()?.to_owned()),
                (2, "s") => self.interface = Some(reader.text()?.to_owned()),
                (3, "s") => self.member = Some(reader.text()?.to_owned()),
                (4, "s") => self.error = Some(reader.text()?.to_owned()),
                (5, "u") => self.answers = Some(reader.u32()?),
                (7, "s") => self.sender = Some(reader.text()?.to_owned()),
                (8, "g") => self.signature = reader.signature()?.to_owned(),
                (1..=9, _) if !matches!((code, signature), (6, "s") | (9, "u")) => {
                    return Err("a header field has a wrong type");
                }
                _ => reader.skip(signature)?,
            }
        }
        if reader.at != end {
            return Err("its header fields do not end where they should");
        }
        self.bytes = bytes;
        Ok(end.next_multiple_of(8))
    }

    /// Reads the body, which must be of these types.
    ///
    /// # Errors
    /// Another type.
    pub fn body(&self, signature: &str) -> Result<Reader<'_>, Malformed> {
        if self.signature != signature {
            return Err("its body has other types than this answer has");
        }
        Ok(Reader::new(&self.bytes, self.body, self.big_endian))
    }

    /// The text that an error carries as its first value, if it does.
    pub fn error_text(&self) -> Option<&str> {
        let text = self.signature.starts_with('s');
        let mut reader = Reader::new(&self.bytes, self.body, self.big_endian);
        text.then(|| reader.text().ok()).flatten()
    }
}

/// Reads values one after another; alignment counts from the beginning of the message.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], at: usize, big_endian: bool) -> Reader<'a> {
        Reader {
            bytes,
            at,
            big_endian,
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or("a length is out of bounds")?;
        let bytes = self
            .bytes
            .get(self.at..end)
            .ok_or("it ends in the middle of a value")?;
        self.at = end;
        Ok(bytes)
    }

    fn align(&mut self, to: usize) -> Result<(), Malformed> {
        let padding = self.at.next_multiple_of(to) - self.at;
        match self.take(padding)? {
            zeros if zeros.iter().all(|b| *b == 0) => Ok(()),
            _ => Err("its padding is not zero"),
        }
    }

    /// `y`
    ///
    /// # Errors
    /// The end of the message.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?
            .first()
            .copied()
            .ok_or("it ends in the middle of a value")
    }

    /// `u`
    ///
    /// # Errors
    /// The end of the message.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.align(4)?;
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| "a number is cut off")?;
        Ok(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// `s` and `o`.
    ///
    /// # Errors
    /// The end of the message, what is no UTF-8 or has a NUL in it.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u32()?;
        self.terminated(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// `g`
    ///
    /// # Errors
    /// As [`Reader::text`].
    pub fn signature(&mut self) -> Result<&'a str, Malformed> {
        let length = self.byte()?;
        self.terminated(length.into())
    }

    /// `v` with a text in it.
    ///
    /// # Errors
    /// As [`Reader::text`], and a value of another type.
    pub fn text_in_variant(&mut self) -> Result<&'a str, Malformed> {
        match self.signature()? {
            "s" | "o" => self.text(),
            _ => Err("a value has another type than text"),
        }
    }

    fn terminated(&mut self, length: usize) -> Result<&'a str, Malformed> {
        let text = self.take(length)?;
        if self.byte()? != 0 || text.contains(&0) {
            return Err("a text does not end where it should");
        }
        std::str::from_utf8(text).map_err(|_| "a text is not UTF-8")
    }

    /// Passes over values of these types.
    ///
    /// # Errors
    /// What is no signature, what lies too deep, the end of the message.
    pub fn skip(&mut self, signature: &str) -> Result<(), Malformed> {
        self.skip_all(signature.as_bytes(), 0)
    }

    fn skip_all(&mut self, mut signature: &[u8], depth: usize) -> Result<(), Malformed> {
        while !signature.is_empty() {
            signature = self.skip_one(signature, depth)?;
        }
        Ok(())
    }

    /// Passes over the first value; the rest of the signature.
    fn skip_one<'s>(&mut self, signature: &'s [u8], depth: usize) -> Result<&'s [u8], Malformed> {
        if depth > DEPTH_MAX {
            return Err("its types lie too deep in each other");
        }
        let (one, rest) = split(signature)?;
        let (first, more) = one.split_first().ok_or("a type is missing")?;
        match first {
            b's' | b'o' => drop(self.text()?),
            b'g' => drop(self.signature()?),
            b'a' => {
                let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
                self.align(alignment(more.first().copied().unwrap_or_default()))?;
                self.take(length)?;
            }
            b'(' | b'{' => {
                self.align(8)?;
                self.skip_all(more.get(..more.len() - 1).unwrap_or_default(), depth + 1)?;
            }
            b'v' => {
                let signature = self.signature()?.as_bytes();
                if !self.skip_one(signature, depth + 1)?.is_empty() {
                    return Err("a variant holds more than one value");
                }
            }
            first => {
                let size = alignment(*first);
                self.align(size)?;
                self.take(size)?;
            }
        }
        Ok(rest)
    }
}

/// The first complete type of a signature, and what comes after it. Counts brackets, and so needs no recursion.
fn split(signature: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut open: Vec<u8> = Vec::new();
    for (at, letter) in signature.iter().enumerate() {
        match letter {
            b'(' => open.push(b')'),
            b'{' => open.push(b'}'),
            b')' | b'}' if open.pop() != Some(*letter) => return Err("a type has unequal brackets"),
            b')' | b'}' => {}
            b'a' => continue,
            b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'h'
            | b'v' => {}
            _ => return Err("it has an unknown type"),
        }
        if open.is_empty() {
            return Ok(signature.split_at(at + 1));
        }
    }
    Err("a type is not complete")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer as a bus would send it.
    pub(crate) fn answer(kind: u8, fields: Vec<Value>, body: &[Value]) -> Vec<u8> {
        let mut written = Writer::default();
        written.values(body);
        let mut fields = fields;
        if !body.is_empty() {
            fields.push(field(8, Value::Signature(signature_of(body))));
        }
        let mut whole = Writer {
            bytes: vec![b'l', kind, 0, 1],
        };
        whole.u32(u32::try_from(written.bytes.len()).unwrap());
        whole.u32(1);
        whole.value(&Value::Array("(yv)".to_owned(), fields));
        whole.pad(8);
        whole.bytes.append(&mut written.bytes);
        whole.bytes
    }

    pub(crate) fn header(code: u8, value: Value) -> Value {
        field(code, value)
    }

    /// Laid out by hand from the specification.
    #[test]
    fn a_call_on_the_wire() {
        let call = Call {
            destination: Some("a.b"),
            path: "/a",
            interface: "c.d",
            method: "Get",
            arguments: &[Value::text("x"), Value::Bool(true)],
            handles: 0,
        };
        let expected: &[u8] = &[
            b'l', 1, 0, 1, 12, 0, 0, 0, 9, 0, 0, 0, 72, 0, 0, 0, //
            1, 1, b'o', 0, 2, 0, 0, 0, b'/', b'a', 0, 0, 0, 0, 0, 0, //
            2, 1, b's', 0, 3, 0, 0, 0, b'c', b'.', b'd', 0, 0, 0, 0, 0, //
            3, 1, b's', 0, 3, 0, 0, 0, b'G', b'e', b't', 0, 0, 0, 0, 0, //
            6, 1, b's', 0, 3, 0, 0, 0, b'a', b'.', b'b', 0, 0, 0, 0, 0, //
            8, 1, b'g', 0, 2, b's', b'b', 0, //
            1, 0, 0, 0, b'x', 0, 0, 0, 1, 0, 0, 0,
        ];
        let bytes = call.encode(9).unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        let read = Message::parse(bytes).unwrap();
        assert_eq!((read.kind, read.signature.as_str()), (MessageKind::Call, "sb"));
        let mut body = read.body("sb").unwrap();
        assert_eq!((body.text(), body.u32()), (Ok("x"), Ok(1)));
    }

    #[test]
    fn what_a_bus_would_refuse_is_not_sent() {
        let deep = (0..40).fold(Value::Byte(1), |value, _| value.boxed());
        let wide = Value::Struct(vec![Value::Byte(1); 300]);
        let path = |text: &str| Value::Path(text.to_owned());
        for value in [
            path(""),
            path("a"),
            path("/a/"),
            path("/a//b"),
            path("/a-b"),
            Value::Signature("a".to_owned()),
            Value::Signature("(s".to_owned()),
            Value::text("a\0b"),
            Value::text("x".repeat(LENGTH_MAX + 1)),
            deep,
            wide,
        ] {
            let arguments = [value];
            let call = Call {
                destination: None,
                path: "/",
                interface: "a.b",
                method: "C",
                arguments: &arguments,
                handles: 0,
            };
            assert!(call.encode(1).is_err());
        }
    }

    #[test]
    fn a_signal_is_read() {
        let body = [
            Value::Uint32(7),
            Value::Path("/job/7".to_owned()),
            Value::text("x.scope"),
            Value::text("done"),
        ];
        let unknown = Value::Struct(vec![
            Value::Byte(1),
            Value::Variant(Box::new(Value::texts(["a", "b"]))),
        ]);
        let fields = vec![
            header(1, Value::Path("/m".to_owned())),
            header(2, Value::text("i.f")),
            header(3, Value::text("JobRemoved")),
            header(7, Value::text(":1.1")),
            header(77, unknown),
        ];
        let message = Message::parse(answer(4, fields, &body)).unwrap();
        assert_eq!(message.kind, MessageKind::Signal);
        assert_eq!(message.member.as_deref(), Some("JobRemoved"));
        assert_eq!(message.sender.as_deref(), Some(":1.1"));
        let mut reader = message.body("uoss").unwrap();
        assert_eq!(reader.u32(), Ok(7));
        assert_eq!((reader.text(), reader.text()), (Ok("/job/7"), Ok("x.scope")));
        assert_eq!(reader.text(), Ok("done"));
        assert!(reader.text().is_err());
        assert!(message.body("s").is_err());
    }

    #[test]
    fn broken_messages_are_refused_without_harm() {
        let whole = answer(
            3,
            vec![header(4, Value::text("a.b.Broken")), header(5, Value::Uint32(3))],
            &[Value::text("why")],
        );
        let good = Message::parse(whole.clone()).unwrap();
        assert_eq!((good.answers, good.error_text()), (Some(3), Some("why")));
        for cut in 0..whole.len() {
            assert!(Message::parse(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        // Each byte broken in turn: an error or another message, and never a panic or a read beyond the end.
        for at in 0..whole.len() {
            for bad in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = bad;
                if let Ok(message) = Message::parse(bytes) {
                    let _ = (
                        message.error_text(),
                        message.body("s").map(|mut b| b.text().is_ok()),
                    );
                }
            }
        }
        let huge = [b'l', 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0];
        assert!(length(&huge).is_err());
        assert_eq!(length(&huge[..15]), Ok(None));
    }

    #[test]
    fn signatures_are_split_at_whole_types() {
        for (signature, first) in [
            ("s", "s"),
            ("ayb", "ay"),
            ("a(sv)a(sa(sv))", "a(sv)"),
            ("a{sv}u", "a{sv}"),
            ("aaav", "aaav"),
        ] {
            assert_eq!(split(signature.as_bytes()).unwrap().0, first.as_bytes());
        }
        for bad in ["", "a", "(s", "(s}", ")", "z", "aa(", "{s)"] {
            assert!(split(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
