//! File systems on which SQLite's locks or shared memory cannot be trusted.

use std::path::Path;
use tare_error::{Context, Error, Kind, Result};

/// Magic numbers of network and cluster file systems (statfs(2), linux/magic.h).
///
/// FUSE is absent on purpose: its magic does not tell a local file system from a network one.
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "nfs"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x517B, "smb"),
    (0x0102_1997, "9p"),
    (0x5346_414F, "afs"),
    (0x6B41_4653, "kafs"),
    (0x00C3_6400, "ceph"),
    (0x7372_7545, "coda"),
    (0x564C, "ncp"),
    (0x0BD0_0BD0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x0116_1970, "gfs2"),
    (0x7461_636F, "ocfs2"),
    (0x786F_4256, "vboxsf"),
    (0xAAD7_AAEA, "panfs"),
];

/// Refuses a database whose folder lies on a network file system.
pub(crate) fn refuse_network(path: &Path) -> Result<()> {
    let folder = folder(path);
    let stat = rustix::fs::statfs(folder).op("open database in", folder.display())?;
    #[expect(
        clippy::cast_sign_loss,
        reason = "the magic is 32 bits, sign-extended or not depending on the machine"
    )]
    let magic = stat.f_type as u64 & 0xFFFF_FFFF;
    match network(magic) {
        None => Ok(()),
        Some(name) => Err(Error::new(Kind::Unsupported, "open database", path.display())
            .because(format!(
                "{name} is a network file system: locks and shared memory do not hold there"
            ))
            .hint("keep the data folder on a local disk (--root)")),
    }
}

/// The folder that `path` lies in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

fn network(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(m, _)| *m == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_pass_and_network_ones_do_not() {
        for local in [
            0xEF53,
            0x0102_1994,
            0x9123_683E,
            0x5846_5342,
            0x794C_7630,
            0x6573_5546,
        ] {
            assert_eq!(network(local), None, "{local:x}");
        }
        assert_eq!(network(0x6969), Some("nfs"));
        assert_eq!(network(0xFF53_4D42), Some("cifs"));
        refuse_network(&std::env::temp_dir().join("x.db")).unwrap();
    }
}
