//! URLs: origins, redirects, queries.

use hyper::Uri;
use std::fmt;

/// Scheme, host and port: what credentials are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute http or https URL without user information; else `None`.
    pub(crate) fn of(uri: &Uri) -> Option<Origin> {
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some(Origin {
            secure,
            host: authority.host().to_ascii_lowercase(),
            port,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => f.write_str(&self.host),
            (_, port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// Where a `Location` leads from `base` (RFC 3986, 5.2, without dot segments); `None` where it is no URL.
pub(crate) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let bare = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let text = if bare.contains("://") && !bare.starts_with(['/', '?']) {
        bare.to_owned()
    } else if bare.starts_with("//") {
        format!("{scheme}:{bare}")
    } else if bare.starts_with('/') {
        format!("{scheme}://{authority}{bare}")
    } else if bare.starts_with('?') {
        format!("{scheme}://{authority}{}{bare}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{bare}")
    };
    let uri: Uri = text.parse().ok()?;
    Origin::of(&uri).map(|_| uri)
}

/// `uri` with further query parameters.
pub(crate) fn with_query(uri: &Uri, parameters: &[(&str, &str)]) -> Option<Uri> {
    let mut text = uri.to_string();
    if uri.path_and_query().is_none_or(|p| p.as_str().is_empty()) {
        text.push('/');
    }
    text.push(if uri.query().is_some() { '&' } else { '?' });
    text.push_str(&form(parameters));
    text.parse().ok()
}

/// Parameters in the form of a query or of a posted form.
pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(k, v)| format!("{}={}", escaped(k), escaped(v)))
        .collect();
    pairs.join("&")
}

/// Percent-encodes all but unreserved characters (RFC 3986, 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        let of = |text: &str| Origin::of(&text.parse().unwrap());
        assert_eq!(of("https://A.example/x"), of("https://a.example:443/y"));
        assert_ne!(of("https://a.example"), of("http://a.example"));
        assert_ne!(of("http://a.example:5000"), of("http://a.example:5001"));
        assert_ne!(of("http://a.example"), of("http://a.example.evil"));
        for none in ["/path", "ftp://a", "http://user:pw@a.example/"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn redirects_lead_where_a_browser_would_go() {
        let base: Uri = "https://r.example:5000/v2/a/blobs/x?y".parse().unwrap();
        for (location, to) in [
            (
                "https://cdn.example/b?sig=1#f",
                Some("https://cdn.example/b?sig=1"),
            ),
            ("//cdn.example/b", Some("https://cdn.example/b")),
            ("/b", Some("https://r.example:5000/b")),
            ("c", Some("https://r.example:5000/v2/a/blobs/c")),
            ("?z=1", Some("https://r.example:5000/v2/a/blobs/x?z=1")),
            ("/to?u=http://x", Some("https://r.example:5000/to?u=http://x")),
            ("ftp://cdn.example/b", None),
            ("file:///etc/passwd", None),
            ("http://u:p@cdn.example/", None),
            ("http://", None),
        ] {
            assert_eq!(
                resolve(&base, location).map(|u| u.to_string()).as_deref(),
                to,
                "{location}"
            );
        }
    }

    #[test]
    fn queries_are_escaped() {
        let parameters = [("service", "a b&c"), ("scope", "repository:é:pull")];
        let expected = "service=a%20b%26c&scope=repository%3A%C3%A9%3Apull";
        for (base, full) in [
            (
                "https://a.example/token",
                format!("https://a.example/token?{expected}"),
            ),
            (
                "https://a.example/token?x=1",
                format!("https://a.example/token?x=1&{expected}"),
            ),
            ("https://a.example", format!("https://a.example/?{expected}")),
        ] {
            assert_eq!(
                with_query(&base.parse().unwrap(), &parameters)
                    .unwrap()
                    .to_string(),
                full
            );
        }
    }
}
