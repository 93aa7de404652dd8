//! Credential helpers (`docker-credential-*`): another program of this person's, asked with bounded time and output.

use super::{Login, Proof};
use crate::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;
use std::io::{Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};

/// How long a helper may take: some ask a person to unlock a keyring.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a helper may answer.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The name under which an identity token is returned (docker-credential-helpers).
const TOKEN_USER: &str = "<token>";
/// What a helper says that has no such login, and exits with 1 (docker-credential-helpers, credentials/error.go).
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks `docker-credential-<name>` for the login to `server`.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Login>> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(good) {
        return Err(
            Error::new(Kind::Invalid, "run credential helper", name.escape_debug())
                .because("that is no program's name"),
        );
    }
    ask(&format!("docker-credential-{name}"), server, PATIENCE)
}

fn ask(program: &str, server: &str, patience: Duration) -> Result<Option<Login>> {
    let failed = |reason: String| Error::new(Kind::Unavailable, "run", program).because(reason);
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .op("run", program)?;
    let answered = converse(&mut child, server, Instant::now() + patience);
    if answered.is_err() {
        child.kill().ok();
    }
    let status = child.wait().op("wait for", program)?;
    let text = answered.map_err(|e| match e.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::TIMEDOUT) => failed(format!("no answer within {} s", patience.as_secs())),
        Some(Errno::OVERFLOW) => failed(format!("it answered more than {ANSWER_LIMIT} bytes")),
        _ => Error::os("run", program, e),
    })?;
    read_answer(&text, status, program)
}

/// Sends the question, reads the answer and waits for the end, each until `deadline`.
fn converse(child: &mut Child, server: &str, deadline: Instant) -> std::io::Result<Vec<u8>> {
    if let Some(mut stdin) = child.stdin.take() {
        // A server name is far shorter than a pipe holds; a helper that does not read it is its own affair.
        match stdin.write_all(server.as_bytes()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => return Err(e),
            _ => {}
        }
    }
    let text = match child.stdout.take() {
        Some(stdout) => read_until(stdout, deadline)?,
        None => Vec::new(),
    };
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(Errno::SRCH)?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    wait_readable(&ended, deadline)?;
    Ok(text)
}

fn read_until(mut stdout: ChildStdout, deadline: Instant) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = [0u8; 4096];
    loop {
        wait_readable(&stdout, deadline)?;
        match stdout.read(&mut piece)? {
            0 => return Ok(text),
            n => text.extend_from_slice(&piece[..n]),
        }
        if text.len() > ANSWER_LIMIT {
            return Err(Errno::OVERFLOW.into());
        }
    }
}

/// Waits for data, the end, or `ETIMEDOUT`.
fn wait_readable(fd: &impl std::os::fd::AsFd, deadline: Instant) -> std::io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            done => return done.map(drop).map_err(Into::into),
        }
    }
}

fn read_answer(text: &[u8], status: ExitStatus, program: &str) -> Result<Option<Login>> {
    let failed = |reason: String| Error::new(Kind::Unavailable, "run", program).because(reason);
    if !status.success() {
        let said = String::from_utf8_lossy(text);
        if said.trim() == NOT_FOUND {
            return Ok(None);
        }
        // A helper that fails prints why; what it prints when it succeeds is the secret, and is not shown.
        let said: String = said.trim().chars().take(200).collect();
        return Err(failed(format!("{status}: {}", said.escape_debug())));
    }
    let answer: Answer =
        serde_json::from_slice(text).map_err(|_| failed("its answer is not a login".into()))?;
    let secret = Secret::new(answer.secret);
    let (user, proof) = match answer.username.as_str() {
        "" => return Ok(None),
        TOKEN_USER => (String::new(), Proof::Identity(secret)),
        _ => (answer.username, Proof::Password(secret)),
    };
    Ok(Some(Login {
        user,
        proof,
        found_in: program.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    struct Script(PathBuf);

    impl Script {
        fn new(name: &str, body: &str) -> Script {
            let path = std::env::temp_dir().join(format!("tare-helper-{}-{name}", std::process::id()));
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Script(path)
        }

        fn ask(&self, patience: Duration) -> Result<Option<Login>> {
            ask(self.0.to_str().unwrap(), "quay.io", patience)
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).ok();
        }
    }

    #[test]
    fn helpers_are_asked_as_docker_asks_them() {
        let long = Duration::from_secs(20);
        let good = Script::new(
            "good",
            r#"[ "$1" = get ] && printf '{"ServerURL":"%s","Username":"ada","Secret":"s3cret"}' "$(cat)""#,
        );
        let login = good.ask(long).unwrap().unwrap();
        assert_eq!(
            (login.user.as_str(), login.proof),
            ("ada", Proof::Password(Secret::new("s3cret")))
        );
        let token = Script::new("token", r#"printf '{"Username":"<token>","Secret":"t"}'"#);
        assert_eq!(
            token.ask(long).unwrap().unwrap().proof,
            Proof::Identity(Secret::new("t"))
        );
        let none = Script::new("none", &format!("echo '{NOT_FOUND}'; exit 1"));
        assert_eq!(none.ask(long).unwrap(), None);
    }

    #[test]
    fn a_helper_that_misbehaves_is_said_and_gone() {
        let long = Duration::from_secs(20);
        let broken = Script::new("broken", "echo no keyring; exit 3")
            .ask(long)
            .unwrap_err();
        assert!(
            broken.to_string().ends_with("exit status: 3: no keyring"),
            "{broken}"
        );
        let chatty = Script::new("chatty", "yes").ask(long).unwrap_err();
        assert!(chatty.to_string().contains("more than 65536 bytes"), "{chatty}");
        let slow = Script::new("slow", "exec cat /dev/zero >/dev/null")
            .ask(Duration::from_millis(50))
            .unwrap_err();
        assert!(slow.to_string().contains("no answer within"), "{slow}");
        let secret = Script::new("leak", "echo s3cret").ask(long).unwrap_err();
        assert!(!format!("{secret:?}").contains("s3cret"), "{secret:?}");
        assert_eq!(get("../evil", "quay.io").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(
            get("no-such-helper-of-ours", "quay.io").unwrap_err().kind(),
            Kind::NotFound
        );
    }
}
