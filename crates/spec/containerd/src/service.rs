//! The services by name, and the topics that events go to.

use crate::types::Envelope;
use crate::{Any, Message, Name, Timestamp, events};

/// The services that containerd calls in a shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// The task service of shims that answered version 2 at their start. Its messages are those of version 3.
    TaskV2,
    /// The task service of shims that answered version 3.
    TaskV3,
    /// The sandbox service, of shims that answered version 3.
    Sandbox,
}

impl Service {
    /// The service of this name; none where a shim has no such service.
    pub fn from_name(name: &str) -> Option<Self> {
        [Service::TaskV3, Service::TaskV2, Service::Sandbox]
            .into_iter()
            .find(|service| service.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Service::TaskV2 => "containerd.task.v2.Task",
            Service::TaskV3 => "containerd.task.v3.Task",
            Service::Sandbox => "containerd.runtime.sandbox.v1.Sandbox",
        }
    }
}

/// The service of containerd that a shim publishes its events to, at `TTRPC_ADDRESS`.
pub const EVENTS: &str = "containerd.services.events.ttrpc.v1.Events";
/// Its one method; it takes a [`ForwardRequest`](crate::forward::ForwardRequest) and answers with nothing.
pub const FORWARD: &str = "Forward";

/// An event and the topic that it is published to (containerd's `core/runtime/events.go`).
pub trait Event: Message + Name {
    /// The topic.
    const TOPIC: &'static str;

    /// The event as the events service takes it.
    fn envelope(&self, namespace: &str, time: Timestamp) -> Envelope
    where
        Self: Sized,
    {
        Envelope {
            timestamp: Some(time),
            namespace: namespace.to_owned(),
            topic: Self::TOPIC.to_owned(),
            event: Some(Any::pack(self)),
        }
    }
}

macro_rules! topics {
    ($($event:ident $topic:literal)+) => {
        $(impl Event for events::$event {
            const TOPIC: &'static str = $topic;
        })+
    };
}

topics! {
    TaskCreate "/tasks/create"
    TaskStart "/tasks/start"
    TaskOom "/tasks/oom"
    TaskExit "/tasks/exit"
    TaskDelete "/tasks/delete"
    TaskExecAdded "/tasks/exec-added"
    TaskExecStarted "/tasks/exec-started"
    TaskPaused "/tasks/paused"
    TaskResumed "/tasks/resumed"
    TaskCheckpointed "/tasks/checkpointed"
}
