//! HTTP/1.1 over TCP and TLS with deadlines, and what went wrong in our words.

use crate::address::Origin;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use std::error::Error as StdError;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tare_error::{Error, Kind, Result};

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection stands, TLS included, and the answer's head is there.
    pub answer: Duration,
    /// Until the next piece of a body.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// Whom TLS trusts.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The machine's certificate store.
    #[default]
    Machine,
    /// These authorities alone (DER).
    Only(Vec<Vec<u8>>),
}

pub(crate) type Body = Full<Bytes>;

/// Connections to any host, kept for reuse.
#[derive(Debug)]
pub(crate) struct Transport {
    plain: Client<HttpConnector, Body>,
    /// Made when first needed: reading the machine's certificates takes milliseconds.
    secure: OnceLock<Client<HttpsConnector<HttpConnector>, Body>>,
    trust: Trust,
    timeouts: Timeouts,
}

impl Transport {
    pub(crate) fn new(timeouts: Timeouts, trust: Trust) -> Transport {
        let plain = Client::builder(TokioExecutor::new()).build(connector(timeouts));
        Transport {
            plain,
            secure: OnceLock::new(),
            trust,
            timeouts,
        }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends one request and waits for the head of the answer.
    ///
    /// # Errors
    /// `Unavailable` where the peer cannot be reached, speaks no TLS or does not answer; `Denied` where its
    /// certificate is not trusted.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let uri = request.uri().clone();
        match self.exchange(request).await? {
            Ok(response) => Ok(response),
            Err(e) => Err(explain(&uri, &e)),
        }
    }

    /// Whether the peer at `request`'s address answers to TLS at all.
    ///
    /// Only its own words decide, a broken record or an end in the middle of the greeting: a certificate that is
    /// not trusted, or a peer that is not there, is an error and never a reason to go on without TLS.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub(crate) async fn speaks_tls(&self, request: Request<Body>) -> Result<bool> {
        let uri = request.uri().clone();
        let Err(error) = self.exchange(request).await? else {
            return Ok(true);
        };
        let links = chain(&error);
        let tls = links.iter().find_map(|e| e.downcast_ref::<rustls::Error>());
        let broke_off = links
            .iter()
            .filter_map(|e| e.downcast_ref::<std::io::Error>())
            .any(|e| matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset));
        match tls {
            Some(rustls::Error::InvalidMessage(_)) => Ok(false),
            None if error.is_connect() && broke_off => Ok(false),
            _ => Err(explain(&uri, &error)),
        }
    }

    /// Sends a request by the transport its address asks for; the outer error is ours, the inner the library's.
    async fn exchange(
        &self,
        request: Request<Body>,
    ) -> Result<std::result::Result<Response<Incoming>, hyper_util::client::legacy::Error>> {
        let uri = request.uri().clone();
        let secure = Origin::of(&uri).is_some_and(|o| o.secure);
        let answered = if secure {
            self.deadline(self.secure()?.request(request)).await
        } else {
            self.deadline(self.plain.request(request)).await
        };
        let seconds = self.timeouts.answer.as_secs_f32();
        answered.map_err(|_| unavailable(&uri).because(format!("no answer within {seconds} s")))
    }

    fn deadline<F: Future>(&self, sent: F) -> tokio::time::Timeout<F> {
        tokio::time::timeout(self.timeouts.answer, sent)
    }

    fn secure(&self) -> Result<&Client<HttpsConnector<HttpConnector>, Body>> {
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let tls = tls(&self.trust)?;
        let mut tcp = connector(self.timeouts);
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(self
            .secure
            .get_or_init(|| Client::builder(TokioExecutor::new()).build(https)))
    }
}

fn connector(timeouts: Timeouts) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(timeouts.answer));
    tcp.set_nodelay(true);
    tcp
}

fn tls(trust: &Trust) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match trust {
        Trust::Machine => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(Error::new(Kind::Unsupported, "use TLS", "")
                    .because("this machine has no trusted certificates")
                    .hint("install the package ca-certificates"));
            }
        }
        Trust::Only(given) => {
            roots.add_parsable_certificates(
                given
                    .iter()
                    .map(|der| CertificateDer::from(der.as_slice()).into_owned()),
            );
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(Kind::Internal, "set up TLS", "").from_source(e))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn unavailable(uri: &Uri) -> Error {
    Error::new(Kind::Unavailable, "connect to", shown(uri))
}

/// `host:port` as the person wrote it.
pub(crate) fn shown(uri: &Uri) -> String {
    Origin::of(uri).map_or_else(|| uri.host().unwrap_or_default().to_owned(), |o| o.to_string())
}

/// The cause first: what the kernel, the resolver or TLS said, not the layers above it.
fn explain(uri: &Uri, error: &(dyn StdError + 'static)) -> Error {
    let links = chain(error);
    if let Some(tls) = links.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
        return explain_tls(uri, tls);
    }
    let io = links
        .iter()
        .rev()
        .find_map(|e| e.downcast_ref::<std::io::Error>());
    if let Some(errno) = io.and_then(std::io::Error::raw_os_error) {
        return unavailable(uri)
            .from_source(std::io::Error::from_raw_os_error(errno))
            .hint("is the registry up, and the network? `tare images` lists what is here without it");
    }
    if links.iter().any(|e| e.to_string() == "dns error") {
        let said = io.map(ToString::to_string).unwrap_or_default();
        let cause = match said.rsplit(": ").next().unwrap_or_default() {
            // What the C library says where none of its name servers did (EAI_AGAIN of getaddrinfo(3)).
            "Try again" => "no name server answered",
            cause => cause,
        };
        return Error::new(Kind::Unavailable, "look up", uri.host().unwrap_or_default())
            .because(lower_first(cause))
            .hint("check the registry's name and this machine's DNS; `tare images` lists what is here");
    }
    if io.is_some_and(|e| e.kind() == ErrorKind::UnexpectedEof) {
        return unavailable(uri).because("it closed the connection");
    }
    let last = links.last().map(ToString::to_string).unwrap_or_default();
    unavailable(uri).because(lower_first(&last))
}

/// An error and all below it. An `io::Error` passes over the error it holds when asked for its source, so that one
/// is taken out of it; the TLS library's lies two of them deep.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let below = |e: &&'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> {
        match e
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(held) => Some(held),
            None => StdError::source(*e),
        }
    };
    std::iter::successors(Some(error), below).collect()
}

fn explain_tls(uri: &Uri, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            Error::new(Kind::Denied, "trust", shown(uri)).because(format!("its certificate: {why}")).hint(
                "if the certificate is of an authority of your own, add it to the machine's store (update-ca-certificates)",
            )
        }
        rustls::Error::InvalidMessage(_) => unavailable(uri).because(NO_TLS).hint(format!(
            "if it is meant to speak plain HTTP, allow it in config.toml: [registry.\"{}\"] plain-http = true",
            shown(uri)
        )),
        other => unavailable(uri).because(format!("TLS: {other}")),
    }
}

/// What is said of a peer that answers a TLS greeting with something else.
const NO_TLS: &str = "it does not speak TLS";

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|c| c.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// `Corrupt` where it is longer, `Unavailable` where it stalls or breaks off.
pub(crate) async fn read_all(
    body: Incoming,
    limit: u64,
    timeouts: Timeouts,
    subject: &str,
) -> Result<Vec<u8>> {
    let mut pieces = Pieces {
        body,
        timeouts,
        subject: subject.to_owned(),
    };
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await? {
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(Error::new(Kind::Corrupt, "read", subject)
                .because(format!("the answer is longer than the {limit} bytes allowed")));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A body piece by piece.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) body: Incoming,
    pub(crate) timeouts: Timeouts,
    pub(crate) subject: String,
}

impl Pieces {
    /// The next piece, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let broken = || Error::new(Kind::Unavailable, "read", &self.subject);
        loop {
            let frame = tokio::time::timeout(self.timeouts.stall, self.body.frame()).await;
            let seconds = self.timeouts.stall.as_secs_f32();
            match frame.map_err(|_| broken().because(format!("nothing came for {seconds} s")))? {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    // Trailers, or an empty piece.
                    _ => {}
                },
                Some(Err(e)) => {
                    let said = chain(&e).pop();
                    let cause = said.map(ToString::to_string).unwrap_or_default();
                    return Err(broken().because(format!("the connection broke: {}", lower_first(&cause))));
                }
            }
        }
    }
}
