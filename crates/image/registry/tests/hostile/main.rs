//! The client against servers that lie, stall, redirect and ask for logins.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;
mod tls;

use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;
use server::{Answer, Heard, Server};
use std::path::PathBuf;
use std::time::Duration;
use tare_error::{Error, Kind, Report, Result};
use tare_registry::{Client, Credentials, Document, Reference, Repository, Settings, Timeouts, digest_of};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest() -> Vec<u8> {
    let part = |media: &str| json!({"mediaType": media, "digest": digest_of(b"blob"), "size": 4});
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part("application/vnd.oci.image.config.v1+json"),
        "layers": [part("application/vnd.oci.image.layer.v1.tar+gzip")],
    })
    .to_string()
    .into_bytes()
}

fn manifest_answer() -> Answer {
    Answer::ok(manifest())
        .header("content-type", MANIFEST)
        .header("docker-content-digest", "sha256:lie")
}

fn blob() -> Descriptor {
    Descriptor::new(MediaType::ImageLayerGzip, 4, digest_of(b"blob"))
}

/// A `~/.docker/config.json` of one login.
struct Logins(PathBuf);

impl Logins {
    /// `ada:pw` at `host`.
    fn new(host: &str) -> Logins {
        let name = format!(
            "tare-hostile-{}-{}.json",
            std::process::id(),
            host.replace([':', '.'], "-")
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, json!({"auths": {host: {"auth": "YWRhOnB3"}}}).to_string()).unwrap();
        Logins(path)
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn settings() -> Settings {
    // One test waits for it; no other server here may be scheduled later.
    let short = Duration::from_secs(2);
    Settings {
        timeouts: Timeouts {
            answer: Duration::from_secs(5),
            stall: short,
        },
        ..Settings::default()
    }
}

fn with_login(logins: &Logins) -> Settings {
    Settings {
        credentials: Credentials::load(&logins.0).unwrap(),
        ..settings()
    }
}

fn run<T>(settings: Settings, image: &str, ask: impl AsyncFnOnce(Repository) -> Result<T>) -> Result<T> {
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let reference = Reference::parse(image).unwrap();
    executor.block_on(async { ask(Client::new(settings).open(&reference).await?).await })
}

fn document(settings: Settings, image: &str) -> Result<Document> {
    run(settings, image, async |repository| repository.document().await)
}

fn fetch(host: &str) -> Result<Vec<u8>> {
    run(settings(), &format!("{host}/a/b"), async |repository| {
        let mut blob = repository.blob(&blob()).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = blob.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    })
}

fn said(error: &Error) -> String {
    Report::new(error).to_string()
}

#[test]
fn a_plain_loopback_registry_is_read_and_its_digest_header_is_not() {
    let server = Server::start(|_| manifest_answer());
    let image = format!("{}/a/b:v1", server.host());
    let read = document(settings(), &image).unwrap();
    assert_eq!(*read.digest(), digest_of(&manifest()));
    let heard = server.heard();
    assert_eq!(heard[0].path, "/v2/a/b/manifests/v1");
    assert!(heard[0].header("accept").unwrap().contains(MANIFEST));
    assert_eq!(heard[0].header("authorization"), None);
    let pinned = format!("{}/a/b@{}", server.host(), digest_of(&manifest()));
    document(settings(), &pinned).unwrap();
}

#[test]
fn wrong_bytes_are_never_taken() {
    let server = Server::start(|_| manifest_answer());
    let error = document(
        settings(),
        &format!("{}/a@{}", server.host(), digest_of(b"other")),
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(said(&error).contains("the registry sent sha256:"), "{error}");
    let big = Server::start(|_| Answer::ok(vec![b' '; 5 << 20]).header("content-type", MANIFEST));
    let error = document(settings(), &format!("{}/a", big.host())).unwrap_err();
    assert!(said(&error).contains("longer than the 4194304 bytes"), "{error}");
    let small = run(settings(), &format!("{}/a", server.host()), async |r| {
        r.small_blob(&Descriptor::new(
            MediaType::ImageConfig,
            manifest().len() as u64,
            digest_of(b"blob"),
        ))
        .await
    });
    assert!(said(&small.unwrap_err()).contains("asked for sha256:"));
}

#[test]
fn a_blob_has_the_promised_length_or_is_an_error() {
    for (body, length, hold, kind, reason) in [
        (&b"blob"[..], None, false, None, ""),
        (
            b"blo",
            None,
            false,
            Some(Kind::Corrupt),
            "4 bytes were promised, the registry sends 3",
        ),
        (
            b"blobs",
            None,
            false,
            Some(Kind::Corrupt),
            "4 bytes were promised, the registry sends 5",
        ),
        (
            b"bl",
            Some(4),
            false,
            Some(Kind::Unavailable),
            "the connection broke",
        ),
        (
            b"bl",
            Some(4),
            true,
            Some(Kind::Unavailable),
            "nothing came for 2 s",
        ),
    ] {
        let server = Server::start(move |_| Answer {
            length,
            hold,
            ..Answer::ok(body)
        });
        match (fetch(&server.host()), kind) {
            (Ok(bytes), None) => assert_eq!(bytes, b"blob"),
            (Err(e), Some(kind)) => {
                assert_eq!(e.kind(), kind, "{e}");
                assert!(said(&e).contains(reason), "{e}");
            }
            (got, _) => panic!("{got:?}"),
        }
    }
}

#[test]
fn a_refusal_is_said_with_its_cause() {
    let refused = {
        let gone = Server::start(|_| Answer::ok("")).host();
        document(settings(), &format!("{gone}/a"))
            .map_err(|e| (gone, e))
            .unwrap_err()
    };
    assert_eq!(
        said(&refused.1),
        format!("connect to {}: connection refused", refused.0)
    );
    assert!(refused.1.first_hint().is_some());
    let fault = |code: &str| json!({"errors": [{"code": code, "message": "m\n"}]}).to_string();
    for (status, body, kind, reason) in [
        (
            404,
            fault("NAME_UNKNOWN"),
            Kind::NotFound,
            "has no image of this name",
        ),
        (
            404,
            fault("MANIFEST_UNKNOWN"),
            Kind::NotFound,
            "has no such image",
        ),
        (404, String::new(), Kind::NotFound, "does not know it"),
        (
            401,
            fault("UNAUTHORIZED"),
            Kind::Denied,
            "wants a login, or has no such image",
        ),
        (
            403,
            fault("DENIED"),
            Kind::Denied,
            "wants a login, or has no such image",
        ),
        (
            429,
            fault("TOOMANYREQUESTS"),
            Kind::Exhausted,
            "too many requests (TOOMANYREQUESTS: m)",
        ),
        (
            500,
            "<html>".into(),
            Kind::Unavailable,
            "the registry answers 500 Internal Server Error",
        ),
        (418, String::new(), Kind::Unavailable, "the registry answers 418"),
    ] {
        let server = Server::start(move |_| Answer {
            body: body.clone().into(),
            ..Answer::status(status)
        });
        let error = document(settings(), &format!("{}/a/b", server.host())).unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(said(&error).contains(reason), "{status}: {error}");
    }
}

/// Wants `Basic ada:pw`.
fn basic(heard: &Heard) -> Answer {
    match heard.header("authorization") {
        Some("Basic YWRhOnB3") => manifest_answer(),
        _ => Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
    }
}

#[test]
fn a_login_is_sent_when_asked_for_and_judged() {
    let server = Server::start(basic);
    let (host, image) = (server.host(), format!("{}/a/b", server.host()));
    let logins = Logins::new(&host);
    document(with_login(&logins), &image).unwrap();
    assert_eq!(
        server.heard()[0].header("authorization"),
        None,
        "not before it is asked for"
    );
    let anonymous = document(settings(), &image).unwrap_err();
    assert!(said(&anonymous).contains("wants a login"), "{anonymous}");

    let never = Server::start(|_| Answer::status(401).header("www-authenticate", "Basic realm=\"x\""));
    let logins = Logins::new(&never.host());
    let error = document(with_login(&logins), &format!("{}/a", never.host())).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    let expected = format!(
        "wrong credentials: {} does not take user \"ada\" from {}",
        never.host(),
        logins.0.display()
    );
    assert!(said(&error).contains(&expected), "{error}");
    assert_eq!(never.heard().len(), 2, "one try without, one with the login");
}

#[test]
fn a_token_is_fetched_from_the_realm_with_scope_and_login() {
    let realm = Server::start(|heard| match heard.header("authorization") {
        Some("Basic YWRhOnB3") => Answer::ok(r#"{"token": "t0ken"}"#),
        _ => Answer::status(401),
    });
    let address = format!("http://{}/token", realm.host());
    let registry = Server::start(move |heard| match heard.header("authorization") {
        Some("Bearer t0ken") => manifest_answer(),
        _ => Answer::status(401).header(
            "www-authenticate",
            format!("Bearer realm=\"{address}\",service=\"svc\",scope=\"evil:*\""),
        ),
    });
    let logins = Logins::new(&registry.host());
    document(with_login(&logins), &format!("{}/a/b", registry.host())).unwrap();
    let asked = realm.heard().remove(0);
    assert_eq!(
        asked.path,
        "/token?service=svc&scope=repository%3Aa%2Fb%3Apull&account=ada"
    );
    let error = document(settings(), &format!("{}/a/b", registry.host())).unwrap_err();
    assert!(said(&error).contains("wants a login"), "{error}");
}

#[test]
fn an_identity_token_is_exchanged_in_a_form() {
    let realm = Server::start(|_| Answer::ok(r#"{"access_token": "t0ken"}"#));
    let address = format!("http://{}/token", realm.host());
    let registry = Server::start(move |heard| match heard.header("authorization") {
        Some("Bearer t0ken") => manifest_answer(),
        _ => Answer::status(401).header("www-authenticate", format!("Bearer realm=\"{address}\"")),
    });
    let logins = Logins::new(&registry.host());
    let entry = json!({"auths": {registry.host(): {"identitytoken": "re fresh"}}});
    std::fs::write(&logins.0, entry.to_string()).unwrap();
    document(with_login(&logins), &format!("{}/a/b", registry.host())).unwrap();
    let asked = realm.heard().remove(0);
    assert_eq!(asked.method, "POST");
    assert!(asked.body.contains("refresh_token=re%20fresh"), "{}", asked.body);
    assert!(asked.body.contains("grant_type=refresh_token"), "{}", asked.body);
}

#[test]
fn a_redirect_does_not_take_the_login_along() {
    let thief = Server::start(|_| manifest_answer());
    let there = format!("http://{}/taken", thief.host());
    let registry = Server::start(move |heard| match heard.header("authorization") {
        Some("Basic YWRhOnB3") => Answer::status(307).header("location", there.clone()),
        _ => Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
    });
    let logins = Logins::new(&registry.host());
    document(with_login(&logins), &format!("{}/a", registry.host())).unwrap();
    let heard = thief.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].header("authorization"), None);
}

#[test]
fn a_redirect_that_asks_for_a_login_gets_none() {
    let realm = Server::start(|_| Answer::ok(r#"{"token": "t"}"#));
    let challenge = format!("Bearer realm=\"http://{}/token\"", realm.host());
    let thief = Server::start(move |_| Answer::status(401).header("www-authenticate", challenge.clone()));
    let there = format!("http://{}/taken", thief.host());
    let registry = Server::start(move |_| Answer::status(302).header("location", there.clone()));
    let logins = Logins::new(&registry.host());
    let both = json!({"auths": {registry.host(): {"auth": "YWRhOnB3"}, thief.host(): {"auth": "YWRhOnB3"}}});
    std::fs::write(&logins.0, both.to_string()).unwrap();
    let error = document(with_login(&logins), &format!("{}/a", registry.host())).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(thief.heard().iter().all(|h| h.header("authorization").is_none()));
    assert_eq!(
        realm.heard().len(),
        0,
        "a realm that somebody else names gets nothing"
    );
}

#[test]
fn redirects_end() {
    let looping = Server::start(|_| Answer::status(301).header("location", "/again"));
    let error = document(settings(), &format!("{}/a", looping.host())).unwrap_err();
    assert!(said(&error).contains("more than 5 in a row"), "{error}");
    for location in ["file:///etc/passwd", "http://u:p@127.0.0.1/", ""] {
        let bad = Server::start(move |_| Answer::status(302).header("location", location));
        let error = document(settings(), &format!("{}/a", bad.host())).unwrap_err();
        assert!(matches!(error.kind(), Kind::Denied), "{location}: {error}");
    }
}

#[test]
fn a_token_server_is_not_trusted_either() {
    for (answer, reason) in [
        (Answer::ok("{}"), "its answer holds no token"),
        (Answer::ok("nonsense"), "its answer holds no token"),
        (
            Answer::ok(r#"{"token": "a\nb"}"#),
            "characters no header may hold",
        ),
        (Answer::ok(vec![b' '; 2 << 20]), "longer than the 1048576 bytes"),
        (Answer::status(500), "the registry answers 500"),
        (
            Answer::status(302).header("location", "http://127.0.0.1:1/"),
            "302",
        ),
    ] {
        let realm = Server::start(move |_| answer.clone());
        let address = format!("http://{}/", realm.host());
        let registry = Server::start(move |_| {
            Answer::status(401).header("www-authenticate", format!("Bearer realm=\"{address}\""))
        });
        let error = document(settings(), &format!("{}/a", registry.host())).unwrap_err();
        assert!(said(&error).contains(reason), "{reason}: {error:?}");
    }
}
