//! What clients say to a supervisor, and what it does about it.

use super::container::{Container, Pending};
use super::peer::{Fault, Peer};
use super::service::{CREATOR, Leaving, Service};
use crate::protocol::{Answer, Call, CreateRequest, Credit, FrameKind, Phase, Received, State, Stream};
use tare_error::{Error, Kind, Result};

impl Service {
    pub(super) fn take(&mut self, peer: &mut Peer, frame: &Received) -> Result<(), Fault> {
        let attached = self.container.as_ref().and_then(|c| c.attached) == Some(peer.number);
        let streams = self.container.as_mut().and_then(|c| c.streams.as_mut());
        match (frame.kind, streams) {
            (FrameKind::Request, _) => {
                let request = peer.request(frame)?;
                let id = request.id;
                match self.call(peer, id, request.call) {
                    Ok(Some(answer)) => peer.reply(id, Ok(answer)),
                    Ok(None) => {}
                    Err(error) => peer.reply(id, Err(&error)),
                }
                Ok(())
            }
            (FrameKind::Data(Stream::Stdin), Some(streams)) if attached => {
                if !streams.input.push(peer.wire.payload(frame)) {
                    return Err("it sends more to stdin than it may".to_owned());
                }
                Ok(())
            }
            (FrameKind::Credit, Some(streams)) if attached => {
                let credit = Credit::parse(peer.wire.payload(frame)).map_err(|m| m.to_string())?;
                if let Some(output) = streams.output(credit.stream) {
                    output.grant(credit.bytes);
                }
                Ok(())
            }
            // What crosses the container's end on its way.
            (FrameKind::Data(Stream::Stdin) | FrameKind::Credit, None) => Ok(()),
            (kind, _) => Err(format!("a {kind:?} frame makes no sense here")),
        }
    }

    /// Does what a client asks; `None` where the answer comes later.
    fn call(&mut self, peer: &Peer, request: u32, call: Call) -> Result<Option<Answer>> {
        match call {
            Call::Create(call) => return self.create(peer, request, *call).map(|()| None),
            Call::Reaped => return self.reaped(peer, request).map(|()| None),
            Call::State => {
                let absent = State {
                    phase: Phase::Absent,
                    pid: None,
                    exit: None,
                };
                let state = self.container.as_ref().map_or(absent, Container::state);
                return Ok(Some(Answer::State(state)));
            }
            Call::Attach => self.attach(peer.number)?,
            Call::Kill { signal, all } => self.running()?.kill(signal, all)?,
            Call::Resize(size) => {
                if let Some(streams) = &self.running()?.streams {
                    streams.resize(size.rows, size.columns)?;
                }
            }
        }
        Ok(Some(Answer::Done))
    }

    fn running(&mut self) -> Result<&mut Container> {
        let none = || Error::new(Kind::NotFound, "find", "the container").because("none was made");
        self.container.as_mut().ok_or_else(none)
    }

    fn create(&mut self, peer: &Peer, request: u32, call: CreateRequest) -> Result<()> {
        if peer.number != CREATOR || self.container.is_some() {
            return Err(Error::new(Kind::Conflict, "create", call.id).because("the pod has its container"));
        }
        let asked = Pending {
            peer: peer.number,
            request,
        };
        self.begun = true;
        let begun = Container::begin(call, &self.pod, asked);
        self.left_behind |= begun.as_ref().is_err_and(|error| !error.attached().is_empty());
        self.container = Some(begun?);
        Ok(())
    }

    /// The client is done. It gets its answer when everything of ours is gone as well: what dies before leaves the
    /// records by which the client finds the rest.
    fn reaped(&mut self, peer: &Peer, request: u32) -> Result<()> {
        if self.container.as_ref().is_some_and(|c| !c.has_ended()) {
            return Err(Error::new(Kind::Conflict, "leave", "the container").because("it has not ended"));
        }
        self.leaving = Some(Leaving::Clean(Some(Pending {
            peer: peer.number,
            request,
        })));
        Ok(())
    }

    fn attach(&mut self, peer: u32) -> Result<()> {
        let container = self.running()?;
        if container.attached.is_some() {
            return Err(Error::new(Kind::Conflict, "attach to", "the container")
                .because("another client is attached"));
        }
        container.attached = Some(peer);
        for output in container.streams.iter_mut().flat_map(|s| &mut s.outputs) {
            output.restart();
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, asked: Pending, outcome: Result<Answer, &Error>) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.number == asked.peer) {
            peer.reply(asked.request, outcome);
        }
    }
}
