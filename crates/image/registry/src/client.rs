//! The client: one repository of one registry, opened once, then read from.

use crate::address::{Origin, resolve};
use crate::challenge::{self, Challenge};
use crate::credentials::{Credentials, Login, Proof};
use crate::document::{ACCEPT, DOCUMENT_LIMIT, Document, check_digest};
use crate::hosts::{Hosts, Wire};
use crate::transport::{Body, Pieces, Timeouts, Transport, Trust, read_all};
use crate::{DEFAULT_DOMAIN, Reference, fault, token};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT as ACCEPT_HEADER, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT, WWW_AUTHENTICATE,
};
use hyper::{Request, Response, StatusCode, Uri};
use oci_spec::image::Descriptor;
use std::sync::{Arc, Mutex, PoisonError};
use tare_error::{Error, Kind, Result};

/// Where docker's own registry is served.
const HUB_HOST: &str = "registry-1.docker.io";
/// Bytes of an error document.
const FAULT_LIMIT: u64 = 64 * 1024;
/// Bytes of an image's configuration.
const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;
/// Redirects followed for one request.
const REDIRECTS: usize = 5;
/// What we say we are.
const AGENT: &str = concat!("tare/", env!("CARGO_PKG_VERSION"));

/// How registries are spoken to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What is configured for single registries.
    pub hosts: Hosts,
    /// The logins of the person who asks.
    pub credentials: Credentials,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// Whom TLS trusts.
    pub trust: Trust,
}

/// A client of registries; keeps connections. Needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct Client {
    transport: Arc<Transport>,
    hosts: Hosts,
    credentials: Credentials,
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(settings: Settings) -> Client {
        let Settings {
            hosts,
            credentials,
            timeouts,
            trust,
        } = settings;
        Client {
            transport: Arc::new(Transport::new(timeouts, trust)),
            hosts,
            credentials,
        }
    }

    /// Finds out how to reach the repository of `reference`.
    ///
    /// Cancel safe: nothing is kept.
    ///
    /// # Errors
    /// `Unavailable` where a loopback registry cannot be reached; others are reached with the first request.
    pub async fn open(&self, reference: &Reference) -> Result<Repository> {
        let host = match reference.domain() {
            DEFAULT_DOMAIN => HUB_HOST,
            domain => domain,
        };
        let secure = match self.hosts.wire(reference.domain()) {
            Wire::Tls => true,
            Wire::Plain => false,
            Wire::Either => self.greets_with_tls(host).await?,
        };
        let scheme = if secure { "https" } else { "http" };
        let base = format!("{scheme}://{host}/v2/{}/", reference.path());
        let origin = base.parse().ok().and_then(|uri| Origin::of(&uri));
        let origin = origin.ok_or_else(|| Error::new(Kind::Invalid, "reach registry", reference.domain()))?;
        Ok(Repository {
            transport: self.transport.clone(),
            credentials: self.credentials.clone(),
            reference: reference.clone(),
            base,
            origin,
            authorization: Mutex::new(None),
        })
    }

    /// Whether the loopback registry at `host` speaks TLS; nothing secret is sent to find out.
    async fn greets_with_tls(&self, host: &str) -> Result<bool> {
        let bad = |e| Error::new(Kind::Invalid, "reach registry", host).from_source(e);
        let ping = Request::get(format!("https://{host}/v2/")).header(USER_AGENT, AGENT);
        self.transport
            .speaks_tls(ping.body(Body::default()).map_err(bad)?)
            .await
    }
}

/// One repository of a registry.
#[derive(Debug)]
pub struct Repository {
    transport: Arc<Transport>,
    credentials: Credentials,
    reference: Reference,
    base: String,
    origin: Origin,
    /// The header that was accepted last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// What a request is about, for messages.
#[derive(Clone, Copy)]
enum About<'a> {
    Image(&'a Reference),
    Blob(&'a Descriptor),
}

impl Repository {
    /// The manifest or index that the reference names, by its digest where it has one.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Unavailable`, `Corrupt` (another digest than asked for, ambiguous), `Unsupported`.
    pub async fn document(&self) -> Result<Document> {
        let reference = &self.reference;
        let name = reference
            .digest()
            .map(AsRef::as_ref)
            .or(reference.tag())
            .unwrap_or(crate::DEFAULT_TAG);
        let response = self
            .get(&format!("manifests/{name}"), About::Image(reference))
            .await?;
        let media = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let bytes = self
            .all(response, DOCUMENT_LIMIT, &format!("manifest of {reference}"))
            .await?;
        if let Some(digest) = reference.digest() {
            check_digest(&bytes, digest, reference)?;
        }
        Document::parse(bytes, media.as_deref(), reference)
    }

    /// The manifest that `descriptor`, an entry of an index, describes.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As [`Repository::document`].
    pub async fn described(&self, descriptor: &Descriptor) -> Result<Document> {
        crate::reference::parse_digest(descriptor.digest().as_ref())
            .map_err(|e| Error::new(Kind::Corrupt, "read manifest of", &self.reference).because(e))?;
        let pinned = self.reference.at_digest(descriptor.digest());
        let response = self
            .get(
                &format!("manifests/{}", descriptor.digest()),
                About::Image(&pinned),
            )
            .await?;
        let limit = DOCUMENT_LIMIT.min(descriptor.size());
        let bytes = self
            .all(response, limit, &format!("manifest {}", descriptor.digest()))
            .await?;
        Document::parse_described(bytes, descriptor, &self.reference)
    }

    /// A small blob as a whole: an image's configuration. Digest and length are checked.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As [`Repository::document`].
    pub async fn small_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size() > CONFIG_LIMIT {
            return Err(
                Error::new(Kind::Corrupt, "read configuration of", &self.reference)
                    .because(format!("it is longer than {CONFIG_LIMIT} bytes")),
            );
        }
        let mut blob = self.blob(descriptor).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = blob.next().await? {
            bytes.extend_from_slice(&piece);
        }
        check_digest(&bytes, descriptor.digest(), &self.reference)?;
        Ok(bytes)
    }

    /// A blob, piece by piece. Its length is checked here; its digest is for the caller to check.
    ///
    /// Cancel safe: dropping ends the transfer.
    ///
    /// # Errors
    /// As [`Repository::document`].
    pub async fn blob(&self, descriptor: &Descriptor) -> Result<Blob> {
        let response = self
            .get(&format!("blobs/{}", descriptor.digest()), About::Blob(descriptor))
            .await?;
        let subject = short(descriptor);
        let length = response.headers().get(hyper::header::CONTENT_LENGTH);
        let length = length
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse::<u64>().ok());
        if let Some(length) = length.filter(|&l| l != descriptor.size()) {
            return Err(Error::new(Kind::Corrupt, "read", &subject).because(format!(
                "{} bytes were promised, the registry sends {length}",
                descriptor.size()
            )));
        }
        let pieces = Pieces {
            body: response.into_body(),
            timeouts: self.transport.timeouts(),
            subject,
        };
        Ok(Blob {
            pieces,
            size: descriptor.size(),
            got: 0,
        })
    }

    async fn all(&self, response: Response<Incoming>, limit: u64, subject: &str) -> Result<Vec<u8>> {
        read_all(response.into_body(), limit, self.transport.timeouts(), subject).await
    }

    /// A successful answer to a GET below the repository: logs in when asked to, and follows redirects.
    async fn get(&self, path: &str, about: About<'_>) -> Result<Response<Incoming>> {
        let address = format!("{}{path}", self.base);
        let start: Uri = address
            .parse()
            .map_err(|e| Error::new(Kind::Invalid, "reach", address).from_source(e))?;
        let (mut uri, mut login, mut asked, mut hops) = (start.clone(), None, false, 0);
        loop {
            let response = self.transport.send(self.request(&uri)?).await?;
            let status = response.status();
            let at_home = Origin::of(&uri).as_ref() == Some(&self.origin);
            match status {
                s if s.is_success() => return Ok(response),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    hops += 1;
                    uri = self.redirected(&uri, &response, hops)?;
                }
                StatusCode::UNAUTHORIZED if at_home && !asked => {
                    asked = true;
                    login = self.authorize(&response).await?;
                    uri = start.clone();
                }
                _ => return Err(self.refused(response, login.as_ref(), at_home, about).await),
            }
        }
    }

    /// A request; the login goes to the registry itself and to nobody it redirects to.
    fn request(&self, uri: &Uri) -> Result<Request<Body>> {
        let mut get = Request::get(uri)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT_HEADER, format!("{ACCEPT}, */*"));
        if Origin::of(uri).as_ref() == Some(&self.origin) {
            let held = self
                .authorization
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(value) = held {
                get = get.header(AUTHORIZATION, value);
            }
        }
        get.body(Body::default())
            .map_err(|e| Error::new(Kind::Internal, "ask", uri).from_source(e))
    }

    /// Where an answer redirects to.
    fn redirected(&self, from: &Uri, response: &Response<Incoming>, hops: usize) -> Result<Uri> {
        let wrong =
            |reason: String| Error::new(Kind::Denied, "follow a redirect of", &self.origin).because(reason);
        if hops > REDIRECTS {
            return Err(wrong(format!("more than {REDIRECTS} in a row")));
        }
        let location = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
        let to = location
            .and_then(|l| resolve(from, l))
            .ok_or_else(|| wrong("it leads to no http URL".into()))?;
        match Origin::of(&to) {
            Some(origin) if self.origin.secure && !origin.secure => {
                Err(wrong(format!("it leads from TLS to plain HTTP at {origin}")))
            }
            _ => Ok(to),
        }
    }

    /// Answers a 401: keeps the header to send from now on, and says whose it is.
    async fn authorize(&self, response: &Response<Incoming>) -> Result<Option<Login>> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<Challenge> = headers
            .filter_map(|v| v.to_str().ok())
            .flat_map(challenge::parse)
            .collect();
        let (credentials, domain) = (self.credentials.clone(), self.reference.domain().to_owned());
        // A helper may be asked: another program, so not on the thread that serves connections.
        let login = tokio::task::spawn_blocking(move || credentials.login(&domain))
            .await
            .map_err(|e| {
                Error::new(Kind::Internal, "find login to", self.reference.domain()).from_source(e)
            })??;
        let bearer = challenges.iter().find_map(|c| match c {
            Challenge::Bearer { realm, service, .. } => Some((realm, service)),
            Challenge::Basic => None,
        });
        let value = match (bearer, &login) {
            (Some((realm, service)), _) => {
                let ask = token::Ask {
                    registry: &self.origin,
                    realm,
                    service: service.as_deref(),
                    repository: self.reference.path(),
                    login: login.as_ref(),
                };
                Some(token::fetch(&self.transport, &ask).await?)
            }
            (
                None,
                Some(Login {
                    user,
                    proof: Proof::Password(password),
                    ..
                }),
            ) if challenges.contains(&Challenge::Basic) => Some(token::basic(user, password)?),
            _ => None,
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(login)
    }

    /// What an answer that is no success means.
    async fn refused(
        &self,
        response: Response<Incoming>,
        login: Option<&Login>,
        at_home: bool,
        about: About<'_>,
    ) -> Error {
        let status = response.status();
        let body = self
            .all(response, FAULT_LIMIT, "the registry's answer")
            .await
            .unwrap_or_default();
        let domain = self.reference.domain();
        match (status, about) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) if at_home => {
                let basic = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
                let basic = basic
                    .as_ref()
                    .is_some_and(|v| v.as_bytes().starts_with(b"Basic "));
                let wrong = status == StatusCode::UNAUTHORIZED && basic;
                fault::denied("pull", &self.reference, domain, login, wrong)
            }
            (StatusCode::NOT_FOUND, About::Image(image)) => fault::unknown_image(image, domain, &body),
            (_, About::Image(image)) => fault::other("pull", image, status, &body),
            (_, About::Blob(blob)) => fault::other("fetch", short(blob), status, &body),
        }
    }
}

/// A blob by the first digits of its digest, as people see it.
fn short(descriptor: &Descriptor) -> String {
    format!(
        "blob {}",
        descriptor.digest().digest().get(..12).unwrap_or_default()
    )
}

/// A blob on its way: exactly as many bytes as were promised, or an error.
#[derive(Debug)]
pub struct Blob {
    pieces: Pieces,
    size: u64,
    got: u64,
}

impl Blob {
    /// The next piece, `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// `Corrupt` where more or fewer bytes come than promised, `Unavailable` where the transfer stalls or breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let subject = self.pieces.subject.clone();
        let wrong = |reason: String| Error::new(Kind::Corrupt, "read", subject).because(reason);
        match self.pieces.next().await? {
            None if self.got < self.size => Err(wrong(format!(
                "it ends after {} of {} bytes",
                self.got, self.size
            ))),
            None => Ok(None),
            Some(piece) if self.got + piece.len() as u64 > self.size => {
                Err(wrong(format!("more than the {} bytes promised", self.size)))
            }
            Some(piece) => {
                self.got += piece.len() as u64;
                Ok(Some(piece))
            }
        }
    }

    /// Bytes promised.
    pub fn size(&self) -> u64 {
        self.size
    }
}
