//! A task service of ours as a shim would have it: one thread, one loop, the protocol's state machine per connection.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};
use tare_spec_containerd::{Message, Service, TaskMethod, task};
use tare_ttrpc::{Call, Code, Limits, Server, Status};

/// A connection, and the answers that are to be given later.
struct Client {
    stream: UnixStream,
    server: Server,
    later: Vec<(Instant, u32, Vec<u8>)>,
}

/// What the loop saw: the largest memory of a connection at rest, and how many calls expired.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) idle: usize,
    pub(crate) expired: usize,
}

/// Serves until all connections that came have gone, reading `piece` bytes at a time.
pub(crate) fn serve(listener: &UnixListener, piece: usize) -> Seen {
    listener.set_nonblocking(true).expect("do not block");
    let mut clients: Vec<Client> = Vec::new();
    let mut seen = Seen::default();
    let mut came = 0;
    while came == 0 || !clients.is_empty() {
        wait(listener, &clients);
        while let Ok((stream, _)) = listener.accept() {
            came += 1;
            stream.set_nonblocking(true).expect("do not block");
            clients.push(Client {
                stream,
                server: Server::new(Limits::default()),
                later: Vec::new(),
            });
        }
        clients.retain_mut(|client| step(client, piece, &mut seen));
    }
    seen
}

fn wait(listener: &UnixListener, clients: &[Client]) {
    let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
    for client in clients {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, client.server.ready());
        wanted.set(PollFlags::OUT, !client.server.output().is_empty());
        fds.push(PollFd::new(&client.stream, wanted));
    }
    let times = clients
        .iter()
        .flat_map(|c| c.later.iter().map(|l| l.0).chain(c.server.deadline()));
    let until = times.min().map(|t| {
        let left = t.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        Timespec::try_from(left).expect("a short time")
    });
    let _ = poll(&mut fds, until.as_ref());
}

/// Does what can be done without waiting; false when the connection has ended.
fn step(client: &mut Client, piece: usize, seen: &mut Seen) -> bool {
    let mut buffer = vec![0; piece];
    while client.server.ready() {
        let mut bytes = match client.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => &buffer[..count],
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return false,
        };
        while let Some(call) = client.server.next(&mut bytes, Instant::now()) {
            match outcome(&call) {
                Outcome::Now(outcome) => {
                    client
                        .server
                        .answer(call.stream, outcome.as_deref().map_err(Status::clone));
                }
                Outcome::Later(time, message) => {
                    client.later.push((Instant::now() + time, call.stream, message))
                }
            }
        }
    }
    let now = Instant::now();
    while client.server.expire(now).is_some() {
        seen.expired += 1;
    }
    client.later.retain(|(time, stream, message)| {
        let due = *time <= now;
        if due {
            // Nobody waits any more for what expired: the answer is dropped.
            client.server.answer(*stream, Ok(message));
        }
        !due
    });
    while !client.server.output().is_empty() {
        let most = client.server.output().len().min(piece);
        match client.stream.write(&client.server.output()[..most]) {
            Ok(count) => client.server.sent(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return false,
        }
    }
    if client.server.at_rest() {
        seen.idle = seen.idle.max(client.server.held());
    }
    true
}

enum Outcome {
    Now(Result<Vec<u8>, Status>),
    Later(Duration, Vec<u8>),
}

fn outcome(call: &Call) -> Outcome {
    let method = Service::from_name(&call.service)
        .filter(|service| *service == Service::TaskV3)
        .and_then(|_| TaskMethod::from_name(&call.method));
    match answer(call, method) {
        Ok(outcome) => outcome,
        Err(status) => Outcome::Now(Err(status)),
    }
}

fn answer(call: &Call, method: Option<TaskMethod>) -> Result<Outcome, Status> {
    let now = |message: Vec<u8>| Ok(Outcome::Now(Ok(message)));
    match method {
        Some(TaskMethod::Connect) => now(connect(call)?.encode_to_vec()),
        Some(TaskMethod::State) => {
            let request: task::StateRequest = call.message()?;
            let size = request.id.strip_prefix("size ").and_then(|n| n.parse().ok());
            let answer = task::StateResponse {
                bundle: "s".repeat(size.unwrap_or(0)),
                ..task::StateResponse::default()
            };
            now(answer.encode_to_vec())
        }
        Some(TaskMethod::Kill) => {
            let request: task::KillRequest = call.message()?;
            assert!(request.id.bytes().all(|b| b == b'k'));
            now(Vec::new())
        }
        Some(TaskMethod::Wait) => {
            let request: task::WaitRequest = call.message()?;
            let status: Option<u32> = request.id.strip_prefix("status ").and_then(|n| n.parse().ok());
            let answer = task::WaitResponse {
                exit_status: status.unwrap_or(0),
                exited_at: None,
            };
            // The last to ask is the first to be answered.
            let time = status.map_or(600, |n| 200 - u64::from(n) % 200);
            Ok(Outcome::Later(
                Duration::from_millis(time),
                answer.encode_to_vec(),
            ))
        }
        _ => {
            let text = format!("no {} in {}", call.method, call.service);
            Err(Status::new(Code::Unimplemented, text))
        }
    }
}

fn connect(call: &Call) -> Result<task::ConnectResponse, Status> {
    let request: task::ConnectRequest = call.message()?;
    let task_pid = match request.id.as_str() {
        "missing" => return Err(Status::new(Code::NotFound, "container not created: not found")),
        "refused" => {
            return Err(Status::new(
                Code::FailedPrecondition,
                "task refused must be stopped",
            ));
        }
        "broken" => return Err(Status::new(Code::Unknown, "OCI runtime create failed: ünhappy")),
        "one" => 1,
        _ => 0,
    };
    let version = match request.id.as_str() {
        "namespace" => call.header("Containerd-Namespace-Ttrpc").unwrap_or("none"),
        _ => "",
    };
    Ok(task::ConnectResponse {
        shim_pid: 7,
        task_pid,
        version: version.to_owned(),
    })
}
