//! Containers in the database: what was asked for and, once it is over, how it ended. Whether one runs is not here:
//! that the kernel and the supervisor know.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use tare_database::Query;
use tare_database::sql::{OptionalExtension, Row, Transaction, params};
use tare_error::{Error, Kind, Result};
use tare_shim::Oom;

/// ```text
/// container_labels ──► containers      (an image may go, when forced, while a container of it stays: no reference)
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE containers (
        id        TEXT PRIMARY KEY,         -- 64 digits
        name      TEXT NOT NULL UNIQUE,
        image     TEXT NOT NULL,            -- the image's id
        reference TEXT NOT NULL,            -- the image as the person named it
        command   TEXT NOT NULL,            -- for people
        remove    INTEGER NOT NULL,         -- 1: nothing stays when it has ended
        created   INTEGER NOT NULL,         -- seconds since 1970
        ended     INTEGER,                  -- seconds since 1970; absent while nobody has recorded an end
        code      INTEGER,                  -- exit code as a shell has it
        oom_limit INTEGER,                  -- the memory limit in bytes that killed it
        unknown   TEXT                      -- why nobody knows how it ended
    ) STRICT;
    CREATE INDEX containers_image ON containers (image);
    CREATE TABLE container_labels (
        container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
        key       TEXT NOT NULL,
        value     TEXT NOT NULL,
        PRIMARY KEY (container, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX container_labels_key ON container_labels (key, value);
";

/// What became of them later.
pub(super) const LIFE: &str = "
    ALTER TABLE containers ADD COLUMN interactive INTEGER NOT NULL DEFAULT 0; -- 1: its input stays open
    ALTER TABLE containers ADD COLUMN stop_signal INTEGER;                    -- number; absent: TERM
    ALTER TABLE containers ADD COLUMN stop_timeout INTEGER;                   -- seconds; absent: ten
";

/// What people ask about them afterwards.
pub(super) const ACCOUNT: &str = "
    ALTER TABLE containers ADD COLUMN settings TEXT; -- JSON: each setting, its value, and where that came from
    ALTER TABLE containers ADD COLUMN last TEXT;     -- JSON: of the last end, what the other columns do not say
";

/// Who makes them.
pub(super) const HANDLER: &str = "
    ALTER TABLE containers ADD COLUMN handler TEXT NOT NULL DEFAULT 'tare'; -- as the person named it
";

/// What is long lies apart: a list reads every row, and of a long one each page.
pub(super) const SETTINGS: &str = "
    CREATE TABLE container_settings (
        container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
        settings  TEXT NOT NULL             -- JSON: each setting, its value, and where that came from
    ) STRICT;
    INSERT INTO container_settings SELECT id, settings FROM containers WHERE settings IS NOT NULL;
    ALTER TABLE containers DROP COLUMN settings;
";

/// Which of them have something that a list would look for in vain.
pub(super) const CHECKED: &str = "
    ALTER TABLE containers ADD COLUMN checked INTEGER NOT NULL DEFAULT 1; -- 0: nobody looks after its health
";

/// One container as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its image.
    pub image: String,
    /// The image as the person named it.
    pub reference: String,
    /// Its command, for people.
    pub command: String,
    /// Whether nothing of it stays when it has ended.
    pub remove: bool,
    /// Whether its input stays open.
    pub interactive: bool,
    /// What asks it to end, where that is not `TERM`.
    pub stop_signal: Option<i32>,
    /// How many seconds it may take to end, where that are not ten; -1: as many as it wants.
    pub stop_timeout: Option<i64>,
    /// Who makes it, by a handler's name or the path of a runtime's program.
    pub handler: String,
    /// The id of the pod that it is in.
    pub pod: Option<String>,
    /// Whether its health may be looked after.
    pub checked: bool,
    /// Seconds since 1970 at which it was asked for.
    pub created: i64,
    /// How it ended, where that is recorded.
    pub end: Option<EndRecord>,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndRecord {
    /// Seconds since 1970.
    pub at: i64,
    /// Exit code as a shell has it.
    pub code: u8,
    /// The memory limit in bytes that killed it.
    pub oom_limit: Option<i64>,
    /// Why nobody knows how it ended.
    pub unknown: Option<String>,
    /// What is told to people besides.
    pub detail: EndDetail,
}

/// What is told of an end to people; nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndDetail {
    /// When it had been started (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended (RFC 3339, to the nanosecond).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What was killed in it for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom: Option<Oom>,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Records a container that is about to be made: from here on its id and name are taken.
///
/// # Errors
/// `AlreadyExists` where a container or a pod has the name; `NotFound` where the image is gone;
/// else SQLite's.
pub fn add(tx: &Transaction<'_>, container: &ContainerRecord, labels: &[(String, String)]) -> Result<()> {
    let (id, name) = (&container.id, &container.name);
    if let Some(holder) = by_name(tx, name)? {
        return Err(
            Error::new(Kind::AlreadyExists, "use name", name).because(format!("container {holder} has it"))
        );
    }
    super::pods::is_free(tx, name)?;
    let image = "SELECT 1 FROM images WHERE id = ?1";
    let there = tx
        .query_row(image, [&container.image], |_| Ok(()))
        .optional()
        .query("find image", &container.image)?;
    if there.is_none() {
        return Err(
            Error::new(Kind::NotFound, "use image", &container.reference).because("it was just removed")
        );
    }
    if let Some(pod) = &container.pod
        && super::pods::get(tx, pod)?.is_none()
    {
        return Err(Error::new(Kind::NotFound, "join pod", pod).because("it was just removed"));
    }
    tx.execute(
        "INSERT INTO containers
             (id, name, image, reference, command, remove, created, interactive, stop_signal, stop_timeout,
              handler, pod, checked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            id,
            name,
            container.image,
            container.reference,
            container.command,
            container.remove,
            container.created,
            container.interactive,
            container.stop_signal,
            container.stop_timeout,
            container.handler,
            container.pod,
            container.checked,
        ],
    )
    .query("record container", id)?;
    for (key, value) in labels {
        tx.execute(
            "INSERT INTO container_labels (container, key, value) VALUES (?1, ?2, ?3)",
            [id, key, value],
        )
        .query("record label", key)?;
    }
    Ok(())
}

/// Records how a container ended, in place of an earlier end: it may have been started again.
///
/// # Errors
/// SQLite's.
pub fn end(tx: &Transaction<'_>, id: &str, end: &EndRecord) -> Result<()> {
    let detail = serde_json::to_string(&end.detail).unwrap_or_default();
    tx.execute(
        "UPDATE containers SET ended = ?2, code = ?3, oom_limit = ?4, unknown = ?5, last = ?6
         WHERE id = ?1 AND coalesce(ended, 0) <= ?2",
        params![id, end.at, end.code, end.oom_limit, end.unknown, detail],
    )
    .query("record end of", id)
    .map(drop)
}

/// Records what was asked, setting by setting, as JSON.
///
/// # Errors
/// SQLite's.
pub fn describe(tx: &Transaction<'_>, id: &str, settings: &str) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO container_settings (container, settings) VALUES (?1, ?2)",
        [id, settings],
    )
    .query("record settings of", id)
    .map(drop)
}

/// What was recorded by [`describe`]; none for a container of an older program.
///
/// # Errors
/// SQLite's.
pub fn settings(tx: &Transaction<'_>, id: &str) -> Result<Option<String>> {
    let settings = "SELECT settings FROM container_settings WHERE container = ?1";
    tx.query_row(settings, [id], |row| row.get(0))
        .optional()
        .query("read settings of", id)
}

/// The labels of one container.
///
/// # Errors
/// SQLite's.
pub fn labels_of(tx: &Transaction<'_>, id: &str) -> Result<BTreeMap<String, String>> {
    let mut statement = tx
        .prepare_cached("SELECT key, value FROM container_labels WHERE container = ?1")
        .query("read", "labels")?;
    let rows = statement
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .query("read", "labels")?;
    rows.collect::<Result<_, _>>().query("read", "labels")
}

/// The labels of every container, by its id.
///
/// # Errors
/// SQLite's.
pub fn labels(tx: &Transaction<'_>) -> Result<HashMap<String, BTreeMap<String, String>>> {
    let mut statement = tx
        .prepare_cached("SELECT container, key, value FROM container_labels")
        .query("read", "labels")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .query("read", "labels")?;
    let mut labels: HashMap<String, BTreeMap<String, String>> = HashMap::new();
    for row in rows {
        let (container, key, value): (String, String, String) = row.query("read", "labels")?;
        labels.entry(container).or_default().insert(key, value);
    }
    Ok(labels)
}

/// Gives a container another name.
///
/// # Errors
/// `AlreadyExists` where another, or a pod, has it; else SQLite's.
pub fn rename(tx: &Transaction<'_>, id: &str, name: &str) -> Result<()> {
    if let Some(holder) = by_name(tx, name)?.filter(|holder| holder != id) {
        return Err(
            Error::new(Kind::AlreadyExists, "use name", name).because(format!("container {holder} has it"))
        );
    }
    super::pods::is_free(tx, name)?;
    tx.execute("UPDATE containers SET name = ?2 WHERE id = ?1", [id, name])
        .query("rename", id)
        .map(drop)
}

/// Removes a container's records; `false` where there are none.
///
/// # Errors
/// SQLite's.
pub fn remove(tx: &Transaction<'_>, id: &str) -> Result<bool> {
    Ok(tx
        .execute("DELETE FROM containers WHERE id = ?1", [id])
        .query("remove container", id)?
        > 0)
}

/// Whether a container stays when it has ended; one without a record does not.
///
/// # Errors
/// SQLite's.
pub fn stays(tx: &Transaction<'_>, id: &str) -> Result<bool> {
    let remove = tx.query_row("SELECT remove FROM containers WHERE id = ?1", [id], |row| {
        row.get::<_, bool>(0)
    });
    let remove = remove.optional().query("read container", id)?;
    Ok(remove == Some(false))
}

/// The container of this id.
///
/// # Errors
/// SQLite's.
pub fn get(tx: &Transaction<'_>, id: &str) -> Result<Option<ContainerRecord>> {
    tx.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], read)
        .optional()
        .query("read container", id)
}

/// The container of this name or id; where there is none, all whose ids begin so.
///
/// # Errors
/// SQLite's.
pub fn meant(tx: &Transaction<'_>, typed: &str) -> Result<Vec<ContainerRecord>> {
    let all = |condition: &str| {
        let mut statement = tx
            .prepare_cached(&format!("{COLUMNS} WHERE {condition}"))
            .query("find container", typed)?;
        let rows = statement
            .query_map([typed], read)
            .query("find container", typed)?;
        rows.collect::<Result<Vec<_>, _>>().query("find container", typed)
    };
    // A name is looked at first: it may look like the beginning of an id.
    for condition in ["name = ?1", "id = ?1"] {
        let found = all(condition)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    match typed {
        "" => Ok(Vec::new()),
        _ => all("substr(id, 1, length(?1)) = ?1"),
    }
}

/// The id of the container that has this name.
///
/// # Errors
/// SQLite's.
pub fn by_name(tx: &Transaction<'_>, name: &str) -> Result<Option<String>> {
    tx.query_row("SELECT id FROM containers WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
    .query("read container", name)
}

/// Every container, newest first.
///
/// # Errors
/// SQLite's.
pub fn all(tx: &Transaction<'_>) -> Result<Vec<ContainerRecord>> {
    let mut statement = tx
        .prepare_cached(&format!("{COLUMNS} ORDER BY created DESC, rowid DESC"))
        .query("read", "containers")?;
    let rows = statement.query_map([], read).query("read", "containers")?;
    rows.collect::<Result<_, _>>().query("read", "containers")
}

/// Containers made of an image.
///
/// # Errors
/// SQLite's.
pub fn of_image(tx: &Transaction<'_>, image: &str) -> Result<Vec<ContainerRecord>> {
    let mut statement = tx
        .prepare_cached(&format!("{COLUMNS} WHERE image = ?1 ORDER BY id"))
        .query("read", "containers")?;
    let rows = statement.query_map([image], read).query("read", "containers")?;
    rows.collect::<Result<_, _>>().query("read", "containers")
}

/// The containers of a pod, in the order in which they were made.
///
/// # Errors
/// SQLite's.
pub fn of_pod(tx: &Transaction<'_>, pod: &str) -> Result<Vec<ContainerRecord>> {
    let mut statement = tx
        .prepare_cached(&format!("{COLUMNS} WHERE pod = ?1 ORDER BY created, rowid"))
        .query("read", "containers")?;
    let rows = statement.query_map([pod], read).query("read", "containers")?;
    rows.collect::<Result<_, _>>().query("read", "containers")
}

const COLUMNS: &str =
    "SELECT id, name, image, reference, command, remove, created, ended, code, oom_limit, unknown,
        interactive, stop_signal, stop_timeout, last, handler, pod, checked
    FROM containers";

fn read(row: &Row<'_>) -> tare_database::sql::Result<ContainerRecord> {
    let ended: Option<i64> = row.get(7)?;
    let end = match ended {
        None => None,
        Some(at) => Some(EndRecord {
            at,
            code: row.get::<_, Option<u8>>(8)?.unwrap_or(u8::MAX),
            oom_limit: row.get(9)?,
            unknown: row.get(10)?,
            detail: row
                .get::<_, Option<String>>(14)?
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        }),
    };
    Ok(ContainerRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        image: row.get(2)?,
        reference: row.get(3)?,
        command: row.get(4)?,
        remove: row.get(5)?,
        created: row.get(6)?,
        interactive: row.get(11)?,
        stop_signal: row.get(12)?,
        stop_timeout: row.get(13)?,
        handler: row.get(15)?,
        pod: row.get(16)?,
        checked: row.get(17)?,
        end,
    })
}
