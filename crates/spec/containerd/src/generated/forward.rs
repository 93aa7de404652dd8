//! Package `containerd.services.events.ttrpc.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ForwardRequest {
    #[prost(message, optional, tag = "1")]
    pub envelope: ::core::option::Option<crate::types::Envelope>,
}
/// The methods of the service `Events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventsMethod {
    Forward,
}
impl EventsMethod {
    /// The method of this name; none where the service has no such method.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "Forward" => Self::Forward,
            _ => return None,
        })
    }
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "Forward",
        }
    }
}
