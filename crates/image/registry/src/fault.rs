//! What a registry's refusal means, in the words of the person who asked.

use crate::address::Origin;
use crate::credentials::Login;
use crate::token::Ask;
use hyper::StatusCode;
use serde::Deserialize;
use std::fmt;
use tare_error::{Error, Kind};

#[derive(Deserialize)]
struct Answer {
    errors: Vec<Fault>,
}

/// One entry of a registry's error document (OCI distribution-spec 1.1, "Error Codes").
#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
}

/// The first fault in an error document: its code and a printable message.
fn first_fault(body: &[u8]) -> (String, String) {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let fault = answer.and_then(|a| a.errors.into_iter().next());
    let text = |t: Option<String>| -> String {
        t.unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect()
    };
    fault.map(|f| (text(f.code), text(f.message))).unwrap_or_default()
}

/// Who was refused: `user "ada" from /root/.docker/config.json`.
fn who(login: &Login) -> String {
    let user = match login.user.as_str() {
        "" => "the identity token".to_owned(),
        user => format!("user \"{}\"", user.escape_debug()),
    };
    format!("{user} from {}", login.found_in)
}

/// A token server said no.
pub(crate) fn token(status: StatusCode, body: &[u8], origin: &Origin, ask: &Ask<'_>) -> Error {
    match (status, ask.login) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST, login) => {
            denied("pull", ask.repository, ask.registry, login, true)
        }
        _ => other("ask for a token at", origin, status, body),
    }
}

/// `401` or `403`; `checked` where the refusal is about the login itself, not about what it may do.
pub(crate) fn denied(
    operation: &'static str,
    subject: impl fmt::Display,
    registry: impl fmt::Display,
    login: Option<&Login>,
    checked: bool,
) -> Error {
    let error = Error::new(Kind::Denied, operation, subject);
    match login {
        None => error
            .because(format!("{registry} wants a login, or has no such image"))
            .hint(format!(
                "`docker login {registry}` stores one in ~/.docker/config.json, which is read here"
            )),
        Some(login) if checked => error
            .because(format!(
                "wrong credentials: {registry} does not take {}",
                who(login)
            ))
            .hint(format!("`docker login {registry}` replaces them")),
        Some(login) => error
            .because(format!(
                "not allowed: {registry} refuses {}, or has no such image",
                who(login)
            ))
            .hint("check the image's name, and what this user may pull"),
    }
}

/// `404` for a manifest.
pub(crate) fn unknown_image(image: impl fmt::Display, registry: impl fmt::Display, body: &[u8]) -> Error {
    let (code, _) = first_fault(body);
    let error = Error::new(Kind::NotFound, "find image", image);
    match code.as_str() {
        "NAME_UNKNOWN" => error
            .because(format!("{registry} has no image of this name"))
            .hint("check the spelling; names are written as in `quay.io/user/app:tag`"),
        "MANIFEST_UNKNOWN" => error
            .because(format!("{registry} has no such image"))
            .hint("check the spelling of name and tag; the tag is `latest` where none is given"),
        _ => error
            .because(format!("{registry} does not know it"))
            .hint("check the spelling of registry, name and tag"),
    }
}

/// Any other refusal.
pub(crate) fn other(
    operation: &'static str,
    subject: impl fmt::Display,
    status: StatusCode,
    body: &[u8],
) -> Error {
    let (code, message) = first_fault(body);
    let said = match (code.as_str(), message.as_str()) {
        ("", "") => String::new(),
        (code, message) => format!(" ({code}: {message})"),
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => Error::new(Kind::Exhausted, operation, subject)
            .because(format!("too many requests{said}"))
            .hint("wait a while; a login usually raises the limit"),
        s if s.is_server_error() => Error::new(Kind::Unavailable, operation, subject)
            .because(format!("the registry answers {s}{said}"))
            .hint("the fault is the registry's; try again later"),
        StatusCode::NOT_FOUND => {
            Error::new(Kind::NotFound, operation, subject).because(format!("it is not there{said}"))
        }
        s => Error::new(Kind::Unavailable, operation, subject)
            .because(format!("the registry answers {s}{said}")),
    }
}
