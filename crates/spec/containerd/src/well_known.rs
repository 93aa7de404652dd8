//! `google.protobuf.Any` and `Timestamp`, as containerd uses them.

use prost::{DecodeError, Message, Name};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A message, or a JSON document, with the name of its type. An empty message of protobuf is `()`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Any {
    /// The type's name: `containerd.events.TaskExit`, or one of [`typeurl`](crate::typeurl). containerd writes no
    /// `type.googleapis.com/` before it, and reads what stands after the last slash.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message, encoded.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    /// A message with its name.
    pub fn pack<M: Message + Name>(message: &M) -> Self {
        Any {
            type_url: M::full_name(),
            value: message.encode_to_vec(),
        }
    }

    /// A JSON document with its name: one of [`typeurl`](crate::typeurl).
    pub fn json(name: &str, document: Vec<u8>) -> Self {
        Any {
            type_url: name.to_owned(),
            value: document,
        }
    }

    /// True where the type is this one.
    pub fn is<M: Name>(&self) -> bool {
        self.type_url.rsplit('/').next() == Some(M::full_name().as_str())
    }

    /// The message inside.
    ///
    /// # Errors
    /// The type is another one, or the bytes are not of it.
    pub fn unpack<M: Message + Name + Default>(&self) -> Result<M, WrongType> {
        if !self.is::<M>() {
            return Err(WrongType {
                wanted: M::full_name(),
                found: self.type_url.clone(),
                source: None,
            });
        }
        M::decode(self.value.as_slice()).map_err(|e| WrongType {
            wanted: M::full_name(),
            found: self.type_url.clone(),
            source: Some(e),
        })
    }
}

/// An [`Any`] that does not hold the message that was asked for.
#[derive(Debug)]
pub struct WrongType {
    wanted: String,
    found: String,
    source: Option<DecodeError>,
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no message {} in an Any of type {:?}", self.wanted, self.found)
    }
}

impl std::error::Error for WrongType {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// A point in time, UTC. containerd reads an absent one as "never" (the process has not exited).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub struct Timestamp {
    /// Seconds since 1970; negative before. Go's zero time is -62135596800, and means the same as an absent one.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// 0 to 999,999,999, counted forwards also before 1970.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (
                i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                after.subsec_nanos(),
            ),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => (-seconds, 0),
                    nanos => (-seconds - 1, 1_000_000_000 - nanos),
                }
            }
        };
        Timestamp {
            seconds,
            nanos: i32::try_from(nanos).unwrap_or_default(),
        }
    }
}

impl Timestamp {
    /// As the system's own type; none before 1970, out of range, or where the nanoseconds are none.
    pub fn time(self) -> Option<SystemTime> {
        let nanos = u32::try_from(self.nanos).ok().filter(|n| *n < 1_000_000_000)?;
        let since = Duration::new(u64::try_from(self.seconds).ok()?, nanos);
        UNIX_EPOCH.checked_add(since)
    }
}
