//! Bearer tokens: asked from the server that the registry names (distribution-spec, "token authentication").

use crate::address::{Origin, form, with_query};
use crate::credentials::{Login, Proof};
use crate::transport::{Body, Transport, read_all};
use crate::{Secret, fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Deserialize;
use tare_error::{Error, Kind, Result};

/// Bytes of a token server's answer.
const ANSWER_LIMIT: u64 = 1024 * 1024;

/// What a token is asked for.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// The registry that named the realm.
    pub(crate) registry: &'a Origin,
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) repository: &'a str,
    pub(crate) login: Option<&'a Login>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The header of user and password (RFC 7617).
pub(crate) fn basic(user: &str, password: &Secret) -> Result<HeaderValue> {
    header("Basic", &STANDARD.encode(format!("{user}:{}", password.expose())))
}

fn header(scheme: &str, value: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).map_err(|_| {
        Error::new(Kind::Invalid, "send", "login").because("it has characters no header may hold")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Fetches a token that allows pulling.
///
/// A login is sent to an https realm only, or to a plain one where the registry itself is plain; and never after
/// a redirect (CVE-2020-15157).
pub(crate) async fn fetch(transport: &Transport, ask: &Ask<'_>) -> Result<HeaderValue> {
    let shown = ask.realm.escape_debug();
    let refused = |reason: &str| Error::new(Kind::Denied, "ask for a token at", &shown).because(reason);
    let realm: Uri = ask
        .realm
        .parse()
        .map_err(|_| refused("the registry names a place that is no URL"))?;
    let origin =
        Origin::of(&realm).ok_or_else(|| refused("the registry names a place that is no http URL"))?;
    if !origin.secure && ask.registry.secure {
        return Err(refused("the registry sends us to a place without TLS"));
    }
    let response = transport.send(request(&realm, ask)?).await?;
    let status = response.status();
    let bytes = read_all(
        response.into_body(),
        ANSWER_LIMIT,
        transport.timeouts(),
        &format!("token of {origin}"),
    )
    .await;
    if !status.is_success() {
        return Err(fault::token(status, &bytes.unwrap_or_default(), &origin, ask));
    }
    let answer: Option<Answer> = serde_json::from_slice(&bytes?).ok();
    let token = answer
        .and_then(|a| a.token.or(a.access_token))
        .filter(|t| !t.is_empty());
    let token = token.ok_or_else(|| {
        Error::new(Kind::Corrupt, "ask for a token at", &origin).because("its answer holds no token")
    })?;
    header("Bearer", &token)
}

fn request(realm: &Uri, ask: &Ask<'_>) -> Result<Request<Body>> {
    let scope = format!("repository:{}:pull", ask.repository);
    let service = ask.service.unwrap_or_default();
    let bad = || Error::new(Kind::Internal, "ask for a token at", realm);
    if let Some(Login {
        proof: Proof::Identity(token),
        ..
    }) = ask.login
    {
        let body = form(&[
            ("grant_type", "refresh_token"),
            ("service", service),
            ("client_id", "tare"),
            ("scope", &scope),
            ("refresh_token", token.expose()),
        ]);
        let post = Request::builder().method(Method::POST).uri(realm);
        let post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        return post
            .body(Body::new(Bytes::from(body)))
            .map_err(|e| bad().from_source(e));
    }
    let mut parameters = vec![("service", service), ("scope", &scope)];
    parameters.retain(|(_, value)| !value.is_empty());
    let mut get = Request::builder().method(Method::GET);
    if let Some(Login {
        user,
        proof: Proof::Password(password),
        ..
    }) = ask.login
    {
        parameters.push(("account", user));
        get = get.header(AUTHORIZATION, basic(user, password)?);
    }
    let uri = with_query(realm, &parameters).ok_or_else(bad)?;
    get.uri(uri)
        .body(Body::default())
        .map_err(|e| bad().from_source(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Timeouts, Trust};

    /// What is refused before anything is sent: no server listens in this test.
    fn refused(registry: &str, realm: &str) -> Error {
        let registry = Origin::of(&registry.parse().unwrap()).unwrap();
        let login = Login {
            user: "ada".into(),
            proof: Proof::Password(Secret::new("pw")),
            found_in: "a test".into(),
        };
        let ask = Ask {
            registry: &registry,
            realm,
            service: None,
            repository: "a",
            login: Some(&login),
        };
        let transport = Transport::new(Timeouts::default(), Trust::Only(Vec::new()));
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        executor.block_on(fetch(&transport, &ask)).unwrap_err()
    }

    #[test]
    fn no_login_goes_to_a_realm_that_is_less_safe_than_the_registry() {
        for (registry, realm, reason) in [
            (
                "https://r.example",
                "http://r.example/token",
                "to a place without TLS",
            ),
            (
                "https://r.example",
                "http://127.0.0.1:1/token",
                "to a place without TLS",
            ),
            ("http://127.0.0.1:5000", "/token", "no http URL"),
            ("http://127.0.0.1:5000", "ftp://127.0.0.1/token", "no http URL"),
            ("http://127.0.0.1:5000", "file:///etc/passwd", "no URL"),
            ("http://127.0.0.1:5000", "http://u:p@127.0.0.1:1/", "no http URL"),
            ("http://127.0.0.1:5000", "http://[", "no URL"),
        ] {
            let error = refused(registry, realm);
            assert_eq!(error.kind(), Kind::Denied, "{realm}: {error}");
            assert!(error.to_string().contains(reason), "{realm}: {error}");
        }
    }

    #[test]
    fn a_login_never_shows_in_a_header_that_is_printed() {
        let header = basic("ada", &Secret::new("pw")).unwrap();
        assert_eq!(header.as_bytes(), b"Basic YWRhOnB3");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
