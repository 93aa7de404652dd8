//! Values as D-Bus writes them: types by signature, alignment, little endian (D-Bus specification, "Marshaling").

/// The longest array or string that is written; the specification allows 64 MiB, no property of a unit comes near.
pub(crate) const LENGTH_MAX: usize = 1 << 20;

/// One value with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `d`
    Double(f64),
    /// `s`: no NUL in it.
    Text(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `h`: the place of a file descriptor among those sent with the message.
    Handle(u32),
    /// `a`: the signature of its elements, and the elements, each of that type.
    Array(String, Vec<Value>),
    /// `(...)`
    Struct(Vec<Value>),
    /// `{..}`: only inside an array.
    Entry(Box<Value>, Box<Value>),
    /// `v`
    Variant(Box<Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// A list of texts.
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
        Value::Array("s".to_owned(), texts.into_iter().map(Value::text).collect())
    }

    /// Bytes: `ay`.
    pub fn bytes(bytes: &[u8]) -> Value {
        Value::Array("y".to_owned(), bytes.iter().map(|b| Value::Byte(*b)).collect())
    }

    /// This value in a variant.
    #[must_use]
    pub fn boxed(self) -> Value {
        Value::Variant(Box::new(self))
    }

    /// Its type, in the letters of the specification.
    pub fn signature(&self) -> String {
        match self {
            Value::Byte(_) => "y".to_owned(),
            Value::Bool(_) => "b".to_owned(),
            Value::Int16(_) => "n".to_owned(),
            Value::Uint16(_) => "q".to_owned(),
            Value::Int32(_) => "i".to_owned(),
            Value::Uint32(_) => "u".to_owned(),
            Value::Int64(_) => "x".to_owned(),
            Value::Uint64(_) => "t".to_owned(),
            Value::Double(_) => "d".to_owned(),
            Value::Text(_) => "s".to_owned(),
            Value::Path(_) => "o".to_owned(),
            Value::Signature(_) => "g".to_owned(),
            Value::Handle(_) => "h".to_owned(),
            Value::Array(of, _) => format!("a{of}"),
            Value::Struct(parts) => format!("({})", signature_of(parts)),
            Value::Entry(key, value) => format!("{{{}{}}}", key.signature(), value.signature()),
            Value::Variant(_) => "v".to_owned(),
        }
    }
}

/// The types of several values, one after another.
pub(crate) fn signature_of(values: &[Value]) -> String {
    values.iter().map(Value::signature).collect()
}

/// To which multiple of bytes a value of this type is aligned, by the first letter of its signature.
pub(crate) fn alignment(first: u8) -> usize {
    match first {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b's' | b'o' | b'a' | b'h' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

/// Bytes of a message, aligned as counted from their beginning.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.put(4, &number.to_le_bytes());
    }

    fn put(&mut self, align: usize, bytes: &[u8]) {
        self.pad(align);
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn values(&mut self, values: &[Value]) {
        for value in values {
            self.value(value);
        }
    }

    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Byte(n) => self.put(1, &[*n]),
            Value::Bool(yes) => self.u32(u32::from(*yes)),
            Value::Int16(n) => self.put(2, &n.to_le_bytes()),
            Value::Uint16(n) => self.put(2, &n.to_le_bytes()),
            Value::Int32(n) => self.put(4, &n.to_le_bytes()),
            Value::Uint32(n) | Value::Handle(n) => self.u32(*n),
            Value::Int64(n) => self.put(8, &n.to_le_bytes()),
            Value::Uint64(n) => self.put(8, &n.to_le_bytes()),
            Value::Double(n) => self.put(8, &n.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => {
                self.length(text.len());
                self.bytes.extend_from_slice(text.as_bytes());
                self.bytes.push(0);
            }
            Value::Signature(text) => self.signature(text),
            Value::Array(of, elements) => self.array(of, elements),
            Value::Struct(parts) => {
                self.pad(8);
                self.values(parts);
            }
            Value::Entry(key, value) => {
                self.pad(8);
                self.value(key);
                self.value(value);
            }
            Value::Variant(value) => {
                self.signature(&value.signature());
                self.value(value);
            }
        }
    }

    fn array(&mut self, of: &str, elements: &[Value]) {
        self.length(0);
        let length_at = self.bytes.len() - 4;
        // The length does not count the padding before the first element.
        self.pad(alignment(of.bytes().next().unwrap_or_default()));
        let start = self.bytes.len();
        self.values(elements);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(length_at..length_at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// What is too long for its length is refused when the message is made; see [`super::message::Call::encode`].
    fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn signature(&mut self, text: &str) {
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.value(value);
        writer.bytes
    }

    #[test]
    fn values_on_the_wire() {
        let table: &[(Value, &str, &[u8])] = &[
            (Value::Byte(7), "y", &[7]),
            (Value::Bool(true), "b", &[1, 0, 0, 0]),
            (Value::Int16(-2), "n", &[0xfe, 0xff]),
            (Value::Uint16(258), "q", &[2, 1]),
            (Value::Int32(-1), "i", &[0xff; 4]),
            (Value::Uint32(66051), "u", &[3, 2, 1, 0]),
            (Value::Int64(-1), "x", &[0xff; 8]),
            (Value::Uint64(1), "t", &[1, 0, 0, 0, 0, 0, 0, 0]),
            (Value::Double(1.0), "d", &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
            (Value::text("ab"), "s", &[2, 0, 0, 0, b'a', b'b', 0]),
            (Value::Path("/".to_owned()), "o", &[1, 0, 0, 0, b'/', 0]),
            (Value::Signature("as".to_owned()), "g", &[2, b'a', b's', 0]),
            (Value::Handle(0), "h", &[0, 0, 0, 0]),
            (Value::bytes(&[3, 4]), "ay", &[2, 0, 0, 0, 3, 4]),
            // The padding between the length and an element aligned to 8 is not counted.
            (
                Value::Array("t".to_owned(), vec![Value::Uint64(1)]),
                "at",
                &[8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            ),
            (Value::Array("(sv)".to_owned(), vec![]), "a(sv)", &[0; 8]),
            (
                Value::Struct(vec![Value::Byte(1), Value::Uint32(2)]),
                "(yu)",
                &[1, 0, 0, 0, 2, 0, 0, 0],
            ),
            (
                Value::Array(
                    "{ss}".to_owned(),
                    vec![Value::Entry(
                        Box::new(Value::text("a")),
                        Box::new(Value::text("b")),
                    )],
                ),
                "a{ss}",
                &[
                    14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'a', 0, 0, 0, 1, 0, 0, 0, b'b', 0,
                ],
            ),
            (Value::Bool(true).boxed(), "v", &[1, b'b', 0, 0, 1, 0, 0, 0]),
        ];
        for (value, signature, wire) in table {
            assert_eq!(value.signature(), *signature);
            assert_eq!(bytes(value), *wire, "{value:?}");
        }
    }
}
