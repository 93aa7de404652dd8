//! The keys of requests: which container or pod was made by which, so that a request that is repeated comes to the same.

use tare_database::Query;
use tare_database::sql::{OptionalExtension, Transaction};
use tare_error::Result;

/// A key is taken as long as there is what was made with it.
pub(super) const COLUMNS: &str = "
    ALTER TABLE containers ADD COLUMN request_key TEXT; -- by which whoever asked for it may ask again
    ALTER TABLE containers ADD COLUMN request TEXT;     -- what was asked for: the program's version and a digest
    CREATE UNIQUE INDEX containers_request_key ON containers (request_key) WHERE request_key IS NOT NULL;
    ALTER TABLE pods ADD COLUMN request_key TEXT;
    ALTER TABLE pods ADD COLUMN request TEXT;
    CREATE UNIQUE INDEX pods_request_key ON pods (request_key) WHERE request_key IS NOT NULL;
";

/// What a request makes: the keys of the one are not the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Container,
    Pod,
}

impl Made {
    /// As a word of a path and of a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Made::Container => "container",
            Made::Pod => "pod",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Made::Container => "containers",
            Made::Pod => "pods",
        }
    }
}

/// A key, and what was asked for by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) key: String,
    /// The program's version and a digest.
    pub(crate) request: String,
}

/// What was made with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What was asked for.
    pub(crate) request: String,
}

/// Says of what was just recorded by which key it was asked for.
pub(crate) fn put(tx: &Transaction<'_>, made: Made, id: &str, asked: &Asked) -> Result<()> {
    let table = made.table();
    tx.execute(
        &format!("UPDATE {table} SET request_key = ?2, request = ?3 WHERE id = ?1"),
        [id, &asked.key, &asked.request],
    )
    .query("record request", &asked.key)
    .map(drop)
}

/// What was made with a key.
pub(crate) fn find(tx: &Transaction<'_>, made: Made, key: &str) -> Result<Option<Keyed>> {
    let table = made.table();
    tx.query_row(
        &format!("SELECT id, name, coalesce(request, '') FROM {table} WHERE request_key = ?1"),
        [key],
        |row| {
            Ok(Keyed {
                id: row.get(0)?,
                name: row.get(1)?,
                request: row.get(2)?,
            })
        },
    )
    .optional()
    .query("find request", key)
}
