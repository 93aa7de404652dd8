//! Image references as people write them, and what they mean.

use oci_spec::image::{Digest, DigestAlgorithm};
use std::fmt;
use std::str::FromStr;
use tare_error::{Error, Kind, Result};

/// The registry of a name that has none.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag of a name that has neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// Bytes in a domain and path together (distribution/reference).
const NAME_LIMIT: usize = 255;
/// Bytes in a tag (OCI distribution-spec 1.1, "Pulling manifests").
const TAG_LIMIT: usize = 128;

/// A parsed image name: `domain/path[:tag][@digest]`, with docker's defaults filled in.
///
/// `Display` is the familiar form: what a person would type (`busybox:1.36`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a name as docker does: `busybox` is `docker.io/library/busybox:latest`; a first part with a dot, a
    /// colon or an upper-case letter, or `localhost`, is a registry.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong with which part, with a name to try where one can be guessed.
    pub fn parse(text: &str) -> Result<Reference> {
        let wrong =
            |reason: String| Error::new(Kind::Invalid, "read image name", quoted(text)).because(reason);
        if text.is_empty() {
            return Err(wrong("it is empty".into()));
        }
        if text.len() > 2 * NAME_LIMIT + TAG_LIMIT {
            return Err(wrong(format!("{} bytes are too long for a name", text.len())));
        }
        if text.contains("://") {
            let bare = text.split_once("://").map_or("", |(_, rest)| rest);
            return Err(wrong("it has a scheme".into()).hint(format!("try {bare}")));
        }
        if text.len() == 64
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(wrong("64 hexadecimal digits are an id, not a name".into()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest).map_err(&wrong)?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if let Some(tag) = tag {
            check_tag(tag).map_err(&wrong)?;
        }
        let (domain, path) = split_domain(name);
        check_domain(domain).map_err(&wrong)?;
        check_path(path).map_err(|e| with_suggestion(wrong(e), text, path))?;
        let path = match domain == DEFAULT_DOMAIN && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        if domain.len() + 1 + path.len() > NAME_LIMIT {
            return Err(wrong(format!("the name is longer than {NAME_LIMIT} bytes")));
        }
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag,
        };
        Ok(Reference {
            domain: domain.to_owned(),
            path,
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The registry: a host name or address, with its port where one is named.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository in the registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag; always there where no digest is.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where the name pins one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The whole name with nothing left out: `docker.io/library/busybox:latest`; what records are kept under.
    pub fn canonical(&self) -> String {
        self.written(&format!("{}/{}", self.domain, self.path))
    }

    /// The familiar name without tag and digest: `busybox`, `localhost:5000/team/app`.
    pub fn repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        match self.path.strip_prefix("library/") {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The same repository, pinned to `digest`, without a tag.
    #[must_use]
    pub fn at_digest(&self, digest: &Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest.clone()),
            ..self.clone()
        }
    }

    fn written(&self, name: &str) -> String {
        let tag = self.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|d| format!("@{d}")).unwrap_or_default();
        format!("{name}{tag}{digest}")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(&self.repository()))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference> {
        Reference::parse(text)
    }
}

/// The text as it may be printed: control characters escaped, a very long one cut.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(NAME_LIMIT + TAG_LIMIT).collect();
    format!("\"{}\"", shown.escape_debug())
}

/// A digest of an algorithm we can check.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, String> {
    let digest = Digest::from_str(text).map_err(|_| {
        format!(
            "the digest {} is not sha256: and 64 lower-case hexadecimal digits",
            quoted(text)
        )
    })?;
    match digest.algorithm() {
        DigestAlgorithm::Sha256 => Ok(digest),
        other => Err(format!(
            "digests of the algorithm {other} are not supported, sha256 is"
        )),
    }
}

/// Splits off a tag: what follows a colon after the last slash.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |i| i + 1);
    match text[last..].find(':') {
        Some(colon) => (&text[..last + colon], Some(&text[last + colon + 1..])),
        None => (text, None),
    }
}

/// Splits off the registry by docker's rule.
fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => match first {
            "index.docker.io" => (DEFAULT_DOMAIN, rest),
            domain => (domain, rest),
        },
        _ => (DEFAULT_DOMAIN, name),
    }
}

fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn check_tag(tag: &str) -> Result<(), String> {
    if tag.is_empty() {
        return Err("nothing follows the colon".into());
    }
    if tag.len() > TAG_LIMIT {
        return Err(format!("the tag is longer than {TAG_LIMIT} bytes"));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(bad) = tag.chars().find(|&c| !word(c) && c != '.' && c != '-') {
        return Err(format!(
            "the tag has '{}', allowed are letters, digits, _ . -",
            bad.escape_debug()
        ));
    }
    match tag.starts_with(word) {
        true => Ok(()),
        false => Err("the tag starts with . or -".into()),
    }
}

/// `host[:port]`, host being a name, an IPv4 address or an IPv6 address in brackets.
fn check_domain(domain: &str) -> Result<(), String> {
    let bad = |what: &str| Err(format!("the registry \"{}\" has {what}", domain.escape_debug()));
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return bad("no closing bracket");
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return bad("no IPv6 address in its brackets");
            }
            match after.strip_prefix(':') {
                Some(port) => ("", Some(port)),
                None if after.is_empty() => ("", None),
                None => return bad("text after its bracket"),
            }
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return bad("no port number after its colon");
    }
    if domain.starts_with('[') {
        return Ok(());
    }
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    match host.split('.').all(part) {
        true => Ok(()),
        false => bad("characters that no host name has"),
    }
}

/// Path components: lower-case letters and digits, separated by one `.`, one or two `_`, or any number of `-`.
fn check_path(path: &str) -> Result<(), String> {
    for component in path.split('/') {
        if component.is_empty() {
            return Err("a part of the name is empty".into());
        }
        if let Some(upper) = component.chars().find(char::is_ascii_uppercase) {
            return Err(format!("the name must be lower case, it has '{upper}'"));
        }
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(bad) = component
            .chars()
            .find(|&c| !alphanumeric(c) && !matches!(c, '.' | '_' | '-'))
        {
            return Err(format!(
                "the name has '{}', allowed are lower-case letters, digits, . _ - and /",
                bad.escape_debug()
            ));
        }
        let separators: Vec<&str> = component.split(alphanumeric).collect();
        let (Some(first), Some(last)) = (separators.first(), separators.last()) else {
            continue;
        };
        if !first.is_empty() || !last.is_empty() {
            return Err(format!(
                "\"{component}\" must start and end with a letter or a digit"
            ));
        }
        let allowed = |s: &&str| matches!(*s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
        if let Some(run) = separators.iter().find(|s| !allowed(s)) {
            return Err(format!("\"{component}\" has \"{run}\" between letters"));
        }
    }
    Ok(())
}

/// Adds the lower-case name, where that one would be good.
fn with_suggestion(error: Error, text: &str, path: &str) -> Error {
    let lower = path.to_ascii_lowercase();
    match lower != path && check_path(&lower).is_ok() {
        true => error.hint(format!("try {}", text.replacen(path, &lower, 1))),
        false => error,
    }
}

#[cfg(test)]
mod tests;
