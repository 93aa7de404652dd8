//! The identity of a layer: what it is, and what it lies on.

use std::fmt;
use std::str::FromStr;
use tare_content::{Digest, DigestAlgorithm, Hasher};
use tare_error::{Error, Kind, Result};

/// The identity of a layer together with all layers below it; always SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainId(Digest);

/// A layer of an image: its own digest, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerId {
    /// The layer on its parents.
    pub chain: ChainId,
    /// The layer alone, as the image's configuration lists it (`rootfs.diff_ids`).
    pub diff: Digest,
}

impl ChainId {
    /// The layers of an image from its diff ids, base first.
    ///
    /// # Errors
    /// `Unsupported` for a diff id that is not SHA-256.
    pub fn layers(diff_ids: &[Digest]) -> Result<Vec<LayerId>> {
        let mut layers: Vec<LayerId> = Vec::with_capacity(diff_ids.len());
        for diff in diff_ids {
            if *diff.algorithm() != DigestAlgorithm::Sha256 {
                return Err(
                    Error::new(Kind::Unsupported, "name layer", diff).because("a diff id must be sha256")
                );
            }
            let chain = match layers.last() {
                None => diff.clone(),
                Some(parent) => {
                    let mut hasher = Hasher::sha256();
                    hasher.update(parent.chain.0.as_ref().as_bytes());
                    hasher.update(b" ");
                    hasher.update(diff.as_ref().as_bytes());
                    hasher.finish()?
                }
            };
            layers.push(LayerId {
                chain: ChainId(chain),
                diff: diff.clone(),
            });
        }
        Ok(layers)
    }

    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The layer's directory name.
    pub(crate) fn name(&self) -> String {
        format!("sha256-{}", self.0.digest())
    }

    /// The name of the directory it is made in.
    pub(crate) fn staging_name(&self) -> String {
        format!(".stage-{}", self.0.digest())
    }

    /// The chain id that a directory name stands for.
    pub(crate) fn of_name(name: &str) -> Option<ChainId> {
        name.strip_prefix("sha256-")
            .and_then(|hex| format!("sha256:{hex}").parse().ok())
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ChainId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match Digest::try_from(text) {
            Ok(digest) if *digest.algorithm() == DigestAlgorithm::Sha256 => Ok(ChainId(digest)),
            _ => {
                Err(Error::new(Kind::Invalid, "read chain id", text)
                    .because("it is not sha256:<64 hex digits>"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// busybox's two-layer example computed with sha256sum(1).
    #[test]
    fn a_chain_hashes_parent_and_diff() {
        let a = Digest::try_from(format!("sha256:{}", "a".repeat(64))).unwrap();
        let b = Digest::try_from(format!("sha256:{}", "b".repeat(64))).unwrap();
        let layers = ChainId::layers(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(layers[0].chain.digest(), &a);
        assert_eq!(
            layers[1].chain.to_string(),
            "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
        );
        assert_eq!(
            ChainId::of_name(&layers[1].chain.name()),
            Some(layers[1].chain.clone())
        );
        assert!("sha512:00".parse::<ChainId>().is_err());
        assert!("../../etc".parse::<ChainId>().is_err());
        assert_eq!(ChainId::of_name("sha256-../.."), None);
    }
}
