//! Which registries may be spoken to without TLS.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is configured for each registry, by its name as in a reference (`host` or `host:port`).
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeMap<String, Host>);

/// What is configured for one registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Whether it speaks plain HTTP; not said: TLS, except on the loopback interface, where both are tried.
    pub plain_http: Option<bool>,
}

/// How to reach a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// TLS only.
    Tls,
    /// Plain HTTP only.
    Plain,
    /// TLS, and plain HTTP where the peer speaks no TLS: loopback, as docker does.
    Either,
}

impl Hosts {
    /// Configures the registry `domain`.
    pub fn set(&mut self, domain: impl Into<String>, host: Host) {
        self.0.insert(domain.into(), host);
    }

    pub(crate) fn wire(&self, domain: &str) -> Wire {
        match self.0.get(domain).and_then(|host| host.plain_http) {
            Some(true) => Wire::Plain,
            Some(false) => Wire::Tls,
            None if is_loopback(domain) => Wire::Either,
            None => Wire::Tls,
        }
    }
}

/// 127.0.0.0/8, ::1 and `localhost`, with or without a port. A name that merely resolves there does not count.
fn is_loopback(domain: &str) -> bool {
    let host = match domain.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => domain.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_what_is_configured_goes_without_tls() {
        let mut hosts = Hosts::default();
        hosts.set(
            "10.0.0.1:5000",
            Host {
                plain_http: Some(true),
            },
        );
        hosts.set(
            "localhost:5001",
            Host {
                plain_http: Some(false),
            },
        );
        for (domain, wire) in [
            ("localhost", Wire::Either),
            ("localhost:5000", Wire::Either),
            ("127.0.0.1:5000", Wire::Either),
            ("127.9.9.9", Wire::Either),
            ("[::1]:5000", Wire::Either),
            ("10.0.0.1:5000", Wire::Plain),
            ("10.0.0.1", Wire::Tls),
            ("localhost:5001", Wire::Tls),
            ("localhost.evil.example", Wire::Tls),
            ("127.0.0.1.evil.example", Wire::Tls),
            ("docker.io", Wire::Tls),
        ] {
            assert_eq!(hosts.wire(domain), wire, "{domain}");
        }
    }
}
