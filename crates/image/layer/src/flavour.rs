//! The two ways overlayfs keeps its own marks, and which extended attributes an image may set.

use rustix::fd::BorrowedFd;
use rustix::fs::XattrFlags;

/// Who mounts what is unpacked, and so where overlayfs looks for its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Root of the host: `trusted.overlay.*`, devices are made.
    Privileged,
    /// Root of a user namespace: `user.overlay.*` (mount option `userxattr`, Linux 5.11), devices are skipped.
    Rootless,
}

/// Prefixes that belong to overlayfs: an image that could set them would forge opaque directories, redirects to
/// other inodes and metadata-only files.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// A label of the policy of the host that packed the image; here it means nothing or the wrong thing.
const SELINUX: &[u8] = b"security.selinux";
/// Inherited by everything made in a directory, so it must come last.
pub(crate) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

impl Flavour {
    /// The attribute that makes a directory hide the directories below it.
    pub fn opaque(self) -> &'static str {
        match self {
            Flavour::Privileged => "trusted.overlay.opaque",
            Flavour::Rootless => "user.overlay.opaque",
        }
    }

    /// Marks an open directory as opaque.
    pub(crate) fn set_opaque(self, directory: BorrowedFd<'_>) -> rustix::io::Result<()> {
        rustix::fs::fsetxattr(directory, self.opaque(), b"y", XattrFlags::empty())
    }

    /// Whether an image may set the attribute `name`.
    pub fn takes(self, name: &[u8]) -> bool {
        !OVERLAY.iter().any(|prefix| name.starts_with(prefix))
            && name != SELINUX
            && !(self == Flavour::Rootless && name.starts_with(b"trusted."))
    }
}

#[cfg(test)]
mod tests {
    use super::Flavour::{Privileged, Rootless};

    #[test]
    fn an_image_sets_no_mark_of_overlayfs() {
        for (name, privileged, rootless) in [
            ("trusted.overlay.opaque", false, false),
            ("trusted.overlay.redirect", false, false),
            ("user.overlay.metacopy", false, false),
            ("user.overlay.", false, false),
            ("user.overlays", true, true),
            ("user.mime_type", true, true),
            ("trusted.md5", true, false),
            ("security.capability", true, true),
            ("security.selinux", false, false),
            ("system.posix_acl_access", true, true),
        ] {
            assert_eq!(Privileged.takes(name.as_bytes()), privileged, "{name}");
            assert_eq!(Rootless.takes(name.as_bytes()), rootless, "{name}");
        }
    }
}
