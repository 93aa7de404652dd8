//! What `start` (and `-info`) reads from standard input, and what it answers.

use crate::bootstrap::BootstrapParams;
use crate::{Any, DecodeError, Message, Name, WrongType};
use serde::{Deserialize, Serialize};

/// Standard input of `start`: containerd up to 2.2 writes the runtime's options alone, newer ones a whole
/// [`BootstrapParams`] with the options among its extensions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartInput {
    /// The options, and whatever else was handed over with its type.
    pub extensions: Vec<Any>,
    /// All of it, from containerd 2.3 on.
    pub bootstrap: Option<BootstrapParams>,
}

impl StartInput {
    /// Reads it. The two forms are the same bytes to protobuf (two strings first), so that, as in containerd's own shim,
    /// it is a bootstrap where it names the id and the namespace that the command line names.
    ///
    /// # Errors
    /// The bytes are neither.
    pub fn parse(input: &[u8], id: &str, namespace: &str) -> Result<Self, DecodeError> {
        if input.is_empty() {
            return Ok(StartInput::default());
        }
        match BootstrapParams::decode(input) {
            Ok(params) if params.instance_id == id && params.namespace == namespace => Ok(StartInput {
                extensions: params.extensions.iter().filter_map(|e| e.value.clone()).collect(),
                bootstrap: Some(params),
            }),
            _ => Ok(StartInput {
                extensions: vec![Any::decode(input)?],
                bootstrap: None,
            }),
        }
    }

    /// The options of this type; none where there are none of it.
    ///
    /// # Errors
    /// They are there and malformed.
    pub fn find<M: Message + Name + Default>(&self) -> Result<Option<M>, WrongType> {
        self.extensions
            .iter()
            .find(|any| any.is::<M>())
            .map(Any::unpack)
            .transpose()
    }
}

/// The answer of `start`, as JSON on standard output: every containerd 2 takes it (2.3 and newer also a
/// [`BootstrapResult`](crate::bootstrap::BootstrapResult), and fall back to this; 1.7 too, and before that the bare
/// address). The same is kept in the bundle as `bootstrap.json`, by containerd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapAnswer {
    /// 3: task v3 and the sandbox service. 2: task v2 alone.
    pub version: u32,
    /// `unix://` and the path of the socket.
    pub address: String,
    /// `ttrpc`.
    pub protocol: String,
}
