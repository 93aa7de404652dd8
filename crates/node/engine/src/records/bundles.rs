//! The files of containers that are to be there after a reboot, until they are removed.

use tare_database::Query;
use tare_database::sql::{Transaction, params};
use tare_error::Result;

/// No file of a container's folder that is kept is longer.
pub(crate) const LONGEST: usize = 16 << 20;

/// ```text
/// container_files ──► containers
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE container_files (
        container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
        name      TEXT NOT NULL,        -- in its folder
        mode      INTEGER NOT NULL,
        content   BLOB NOT NULL,
        PRIMARY KEY (container, name)
    ) STRICT, WITHOUT ROWID;
";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptFile {
    /// Its name in the container's folder.
    pub(crate) name: String,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// What it held when the container was made.
    pub(crate) content: Vec<u8>,
}

/// Keeps a file.
pub(crate) fn put(tx: &Transaction<'_>, container: &str, file: &KeptFile) -> Result<()> {
    let KeptFile { name, mode, content } = file;
    tx.execute(
        "INSERT OR REPLACE INTO container_files (container, name, mode, content) VALUES (?1, ?2, ?3, ?4)",
        params![container, name, mode, content],
    )
    .query("keep files of", container)
    .map(drop)
}

/// The files that are kept of a container.
pub(crate) fn all(tx: &Transaction<'_>, container: &str) -> Result<Vec<KeptFile>> {
    let mut statement = tx
        .prepare("SELECT name, mode, content FROM container_files WHERE container = ?1")
        .query("read files of", container)?;
    let files = statement.query_map([container], |row| {
        Ok(KeptFile {
            name: row.get(0)?,
            mode: row.get(1)?,
            content: row.get(2)?,
        })
    });
    files
        .and_then(Iterator::collect)
        .query("read files of", container)
}
