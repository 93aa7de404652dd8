//! What a container's life is to be beyond one run of it: whether it is whole, whether it is started again, and by when. One that
//! has no row here is a `run`'s, and is not started again.

use std::collections::HashMap;
use tare_database::Query;
use tare_database::sql::{OptionalExtension, Row, Transaction, params};
use tare_error::Result;

/// ```text
/// container_life ──► containers
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE container_life (
        container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
        made      INTEGER NOT NULL,         -- 1: it was whole before its first start, and stays whatever becomes of one
        began     INTEGER NOT NULL,         -- 1: somebody has started it, or was about to
        policy    TEXT NOT NULL,            -- no, always, unless-stopped, on-failure or on-failure:N
        stopped   INTEGER NOT NULL,         -- 1: somebody wanted it to end
        restarts  INTEGER NOT NULL,         -- how often it was started again since somebody started it
        pause     INTEGER NOT NULL,         -- milliseconds before the last such start
        due       INTEGER,                  -- milliseconds since 1970 at which it is to be started again; absent: it is not
        decided   INTEGER NOT NULL          -- nanoseconds since 1970 of the last end from which all this follows
    ) STRICT, WITHOUT ROWID;
";

/// What is known of one container's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeRecord {
    /// It was whole before its first start, and stays whatever becomes of one.
    pub made: bool,
    /// Somebody has started it, or was about to.
    pub began: bool,
    /// When it is started again, as the person wrote it.
    pub policy: String,
    /// Somebody wanted it to end.
    pub stopped: bool,
    /// How often it was started again since somebody started it.
    pub restarts: u32,
    /// Milliseconds that were waited before the last such start.
    pub pause: u32,
    /// Milliseconds since 1970 at which it is to be started again.
    pub due: Option<i64>,
    /// Nanoseconds since 1970 of the last end from which all this follows.
    pub decided: i64,
}

impl Default for LifeRecord {
    /// What one without a row has: a `run`'s container.
    fn default() -> LifeRecord {
        LifeRecord {
            made: false,
            began: true,
            policy: "no".to_owned(),
            stopped: false,
            restarts: 0,
            pause: 0,
            due: None,
            decided: 0,
        }
    }
}

/// Records a life; one that says nothing special needs no row.
///
/// # Errors
/// SQLite's.
pub fn put(tx: &Transaction<'_>, container: &str, life: &LifeRecord) -> Result<()> {
    if *life == LifeRecord::default() {
        return tx
            .execute("DELETE FROM container_life WHERE container = ?1", [container])
            .query("record life of", container)
            .map(drop);
    }
    tx.execute(
        "INSERT OR REPLACE INTO container_life (container, made, began, policy, stopped, restarts, pause, due, decided)
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM containers WHERE id = ?1",
        params![
            container,
            life.made,
            life.began,
            life.policy,
            life.stopped,
            life.restarts,
            life.pause,
            life.due,
            life.decided,
        ],
    )
    .query("record life of", container)
    .map(drop)
}

/// The life of this container.
///
/// # Errors
/// SQLite's.
pub fn get(tx: &Transaction<'_>, container: &str) -> Result<LifeRecord> {
    let found = tx
        .query_row(&format!("{COLUMNS} WHERE container = ?1"), [container], read)
        .optional()
        .query("read life of", container)?;
    Ok(found.map(|(_, life)| life).unwrap_or_default())
}

/// Every life that says something special, by the container's id.
///
/// # Errors
/// SQLite's.
pub fn all(tx: &Transaction<'_>) -> Result<HashMap<String, LifeRecord>> {
    let mut statement = tx.prepare_cached(COLUMNS).query("read", "lives")?;
    let rows = statement.query_map([], read).query("read", "lives")?;
    rows.collect::<Result<_, _>>().query("read", "lives")
}

const COLUMNS: &str =
    "SELECT container, made, began, policy, stopped, restarts, pause, due, decided FROM container_life";

fn read(row: &Row<'_>) -> tare_database::sql::Result<(String, LifeRecord)> {
    let life = LifeRecord {
        made: row.get(1)?,
        began: row.get(2)?,
        policy: row.get(3)?,
        stopped: row.get(4)?,
        restarts: row.get(5)?,
        pause: row.get(6)?,
        due: row.get(7)?,
        decided: row.get(8)?,
    };
    Ok((row.get(0)?, life))
}
