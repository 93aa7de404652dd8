//! Volumes in the database: what each is to be, and which containers use it.

use tare_database::Query;
use tare_database::sql::{OptionalExtension, Row, Transaction, params};
use tare_error::{Error, Kind, Result};

/// ```text
/// volume_labels ──► volumes ◄── container_volumes ──► containers      (a volume stays while any container uses it)
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE volumes (
        name      TEXT PRIMARY KEY,
        anonymous INTEGER NOT NULL,   -- 1: nobody named it
        created   INTEGER NOT NULL,   -- seconds since 1970
        uid       INTEGER,            -- owner of the top directory, where one was asked for
        gid       INTEGER,
        mode      INTEGER
    ) STRICT;
    CREATE TABLE volume_labels (
        volume TEXT NOT NULL REFERENCES volumes (name) ON DELETE CASCADE,
        key    TEXT NOT NULL,
        value  TEXT NOT NULL,
        PRIMARY KEY (volume, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE container_volumes (
        container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
        volume    TEXT NOT NULL REFERENCES volumes (name),
        target    TEXT NOT NULL,      -- where inside
        read_only INTEGER NOT NULL,
        PRIMARY KEY (container, target)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX container_volumes_volume ON container_volumes (volume);
";

/// One volume as recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    /// Whether nobody named it.
    pub anonymous: bool,
    /// Seconds since 1970 at which it was asked for.
    pub created: i64,
    /// Who owns its top directory, where that was asked for.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Its permission bits.
    pub mode: Option<u32>,
    /// Labels, by key.
    pub labels: Vec<(String, String)>,
}

/// That a container mounts a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseRecord {
    /// The volume's name.
    pub volume: String,
    /// Where inside.
    pub target: String,
    /// Whether it cannot be written there.
    pub read_only: bool,
}

/// Records a volume where there is none of its name; `false` where there is one.
///
/// # Errors
/// SQLite's.
pub fn add(tx: &Transaction<'_>, volume: &VolumeRecord) -> Result<bool> {
    let name = &volume.name;
    let added = tx
        .execute(
            "INSERT OR IGNORE INTO volumes (name, anonymous, created, uid, gid, mode) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![name, volume.anonymous, volume.created, volume.uid, volume.gid, volume.mode],
        )
        .query("record volume", name)?;
    if added == 0 {
        return Ok(false);
    }
    for (key, value) in &volume.labels {
        tx.execute(
            "INSERT INTO volume_labels (volume, key, value) VALUES (?1, ?2, ?3)",
            [name, key, value],
        )
        .query("record label", key)?;
    }
    Ok(true)
}

/// Records that a container mounts a volume.
///
/// # Errors
/// SQLite's.
pub fn add_use(tx: &Transaction<'_>, container: &str, used: &UseRecord) -> Result<()> {
    tx.execute(
        "INSERT INTO container_volumes (container, volume, target, read_only) VALUES (?1, ?2, ?3, ?4)",
        params![container, used.volume, used.target, used.read_only],
    )
    .query("record use of volume", &used.volume)
    .map(drop)
}

/// The volume of this name.
///
/// # Errors
/// SQLite's.
pub fn get(tx: &Transaction<'_>, name: &str) -> Result<Option<VolumeRecord>> {
    let found = tx
        .query_row(&format!("{COLUMNS} WHERE name = ?1"), [name], read)
        .optional()
        .query("read volume", name)?;
    found.map(|volume| with_labels(tx, volume)).transpose()
}

/// Every volume, by name.
///
/// # Errors
/// SQLite's.
pub fn all(tx: &Transaction<'_>) -> Result<Vec<VolumeRecord>> {
    let mut statement = tx
        .prepare_cached(&format!("{COLUMNS} ORDER BY name"))
        .query("read", "volumes")?;
    let rows = statement.query_map([], read).query("read", "volumes")?;
    let all: Vec<VolumeRecord> = rows.collect::<Result<_, _>>().query("read", "volumes")?;
    all.into_iter().map(|volume| with_labels(tx, volume)).collect()
}

/// The ids of the containers that use a volume.
///
/// # Errors
/// SQLite's.
pub fn users(tx: &Transaction<'_>, name: &str) -> Result<Vec<String>> {
    let mut statement = tx
        .prepare_cached("SELECT DISTINCT container FROM container_volumes WHERE volume = ?1 ORDER BY 1")
        .query("read", "uses of volumes")?;
    let rows = statement
        .query_map([name], |row| row.get(0))
        .query("read", "uses of volumes")?;
    rows.collect::<Result<_, _>>().query("read", "uses of volumes")
}

/// What a container mounts.
///
/// # Errors
/// SQLite's.
pub fn of_container(tx: &Transaction<'_>, id: &str) -> Result<Vec<UseRecord>> {
    let mut statement = tx
        .prepare_cached(
            "SELECT volume, target, read_only FROM container_volumes WHERE container = ?1 ORDER BY target",
        )
        .query("read", "uses of volumes")?;
    let rows = statement.query_map([id], |row| {
        Ok(UseRecord {
            volume: row.get(0)?,
            target: row.get(1)?,
            read_only: row.get(2)?,
        })
    });
    rows.query("read", "uses of volumes")?
        .collect::<Result<_, _>>()
        .query("read", "uses of volumes")
}

/// The volumes that nobody named and no other container uses.
///
/// # Errors
/// SQLite's.
pub fn of_container_alone(tx: &Transaction<'_>, id: &str) -> Result<Vec<String>> {
    let mut statement = tx
        .prepare_cached(
            "SELECT name FROM volumes WHERE anonymous
                AND name IN (SELECT volume FROM container_volumes WHERE container = ?1)
                AND name NOT IN (SELECT volume FROM container_volumes WHERE container <> ?1)",
        )
        .query("read", "uses of volumes")?;
    let rows = statement
        .query_map([id], |row| row.get(0))
        .query("read", "uses of volumes")?;
    rows.collect::<Result<_, _>>().query("read", "uses of volumes")
}

/// That a volume is there and no container uses it.
///
/// # Errors
/// `NotFound`; `Conflict` where one uses it, in docker's words; else SQLite's.
pub fn check_unused(tx: &Transaction<'_>, name: &str) -> Result<()> {
    if get(tx, name)?.is_none() {
        return Err(Error::new(Kind::NotFound, "get", name).because("no such volume"));
    }
    let users = users(tx, name)?;
    if !users.is_empty() {
        return Err(Error::new(Kind::Conflict, "remove", name)
            .because(format!("volume is in use - [{}]", users.join(", ")))
            .hint("`tare rm` of those containers lets it go"));
    }
    Ok(())
}

/// Removes a volume's records; one that a container uses stays, by the schema.
///
/// # Errors
/// SQLite's.
pub fn remove(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM volumes WHERE name = ?1", [name])
        .query("remove volume", name)
        .map(drop)
}

const COLUMNS: &str = "SELECT name, anonymous, created, uid, gid, mode FROM volumes";

fn read(row: &Row<'_>) -> tare_database::sql::Result<VolumeRecord> {
    Ok(VolumeRecord {
        name: row.get(0)?,
        anonymous: row.get(1)?,
        created: row.get(2)?,
        uid: row.get(3)?,
        gid: row.get(4)?,
        mode: row.get(5)?,
        labels: Vec::new(),
    })
}

fn with_labels(tx: &Transaction<'_>, mut volume: VolumeRecord) -> Result<VolumeRecord> {
    let mut statement = tx
        .prepare_cached("SELECT key, value FROM volume_labels WHERE volume = ?1 ORDER BY key")
        .query("read labels of", &volume.name)?;
    let rows = statement.query_map([&volume.name], |row| Ok((row.get(0)?, row.get(1)?)));
    volume.labels = rows
        .query("read labels of", &volume.name)?
        .collect::<Result<_, _>>()
        .query("read labels of", &volume.name)?;
    drop(statement);
    Ok(volume)
}
