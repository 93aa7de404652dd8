//! Who we are at a registry: `~/.docker/config.json` as docker and its helpers write it.

mod keychain;

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result, While};

/// Bytes of a configuration file.
const FILE_LIMIT: u64 = 1024 * 1024;

/// What docker calls its own registry in the file.
const HUB: &[&str] = &[
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
    "registry-1.docker.io",
];

/// A user at one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name, as the registry knows it; empty with an identity token.
    pub user: String,
    /// The password or identity token.
    pub proof: Proof,
    /// Where it was found, for messages: a file or a helper.
    pub found_in: String,
}

/// What shows that we are the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password or access token, sent with the name.
    Password(Secret),
    /// A refresh token (OAuth 2), exchanged for a bearer token.
    Identity(Secret),
}

/// The logins of one person.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    path: PathBuf,
    file: File,
}

/// The parts of the file that are ours to read; docker keeps much else in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: String,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
}

impl Credentials {
    /// Reads the file at `path`; one that does not exist holds no logins.
    ///
    /// # Errors
    /// `Invalid` where it is no such file, `Denied` where it may not be read.
    pub fn load(path: &Path) -> Result<Credentials> {
        let shown = path.display();
        let mut text = Vec::new();
        match std::fs::File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Credentials::default()),
            opened => opened
                .op("read", &shown)?
                .take(FILE_LIMIT + 1)
                .read_to_end(&mut text)
                .op("read", &shown)?,
        };
        let wrong = |reason: String| Error::new(Kind::Invalid, "read logins from", &shown).because(reason);
        if text.len() as u64 > FILE_LIMIT {
            return Err(wrong(format!("it is longer than {FILE_LIMIT} bytes")));
        }
        // serde_json's messages name places, and for wrong types the value: only the place is passed on.
        let file = serde_json::from_slice(&text).map_err(|e| {
            wrong(format!(
                "line {} column {} is not what docker writes",
                e.line(),
                e.column()
            ))
        })?;
        Ok(Credentials {
            path: path.to_owned(),
            file,
        })
    }

    /// The login for the registry `domain` (as in a [`crate::Reference`]), asking a helper where one is configured.
    ///
    /// Blocks while a helper runs, at most half a minute.
    ///
    /// # Errors
    /// `Unavailable` where the helper fails or takes too long; `Invalid` for a malformed entry.
    pub fn login(&self, domain: &str) -> Result<Option<Login>> {
        let keys: Vec<&str> = if domain == crate::reference::DEFAULT_DOMAIN {
            HUB.to_vec()
        } else {
            vec![domain]
        };
        for key in &keys {
            if let Some(name) = self.file.cred_helpers.get(*key) {
                return keychain::get(name, key).during("ask for the login to", domain);
            }
        }
        if !self.file.creds_store.is_empty() {
            for key in &keys {
                let found =
                    keychain::get(&self.file.creds_store, key).during("ask for the login to", domain)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        let Some(entry) = self.entry(&keys) else {
            return Ok(None);
        };
        self.read_entry(entry, domain)
    }

    /// The entry under one of `keys`, exactly or by its host.
    fn entry(&self, keys: &[&str]) -> Option<&Entry> {
        let exact = keys.iter().find_map(|key| self.file.auths.get(*key));
        exact.or_else(|| {
            let mut by_host = self.file.auths.iter();
            by_host
                .find(|(written, _)| keys.contains(&host_of(written)))
                .map(|(_, entry)| entry)
        })
    }

    fn read_entry(&self, entry: &Entry, domain: &str) -> Result<Option<Login>> {
        let shown = self.path.display();
        let found_in = shown.to_string();
        if let Some(token) = entry.identitytoken.clone().filter(|t| !t.expose().is_empty()) {
            let user = entry.username.clone();
            return Ok(Some(Login {
                user,
                proof: Proof::Identity(token),
                found_in,
            }));
        }
        let wrong = || {
            Error::new(Kind::Invalid, "read login to", domain)
                .because(format!("its auth in {shown} is not the base64 of user:password"))
        };
        let (user, password) = match &entry.auth {
            Some(auth) if !auth.expose().is_empty() => {
                let text = STANDARD.decode(auth.expose().trim()).map_err(|_| wrong())?;
                let text = String::from_utf8(text).map_err(|_| wrong())?;
                let (user, password) = text.split_once(':').ok_or_else(wrong)?;
                // docker pads with NULs (cli/config/configfile).
                (user.to_owned(), Secret::new(password.trim_end_matches('\0')))
            }
            _ => match &entry.password {
                Some(password) if !entry.username.is_empty() => (entry.username.clone(), password.clone()),
                _ => return Ok(None),
            },
        };
        Ok(Some(Login {
            user,
            proof: Proof::Password(password),
            found_in,
        }))
    }
}

/// The host of a key as docker wrote it: `https://host:port/v1/` or the host itself.
fn host_of(key: &str) -> &str {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    bare.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
