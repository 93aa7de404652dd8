//! Pods in the database: what each is to be. Whether it is up is not here: that its supervisor knows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tare_database::Query;
use tare_database::sql::{OptionalExtension, Row, Transaction, params};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Resources;

/// ```text
/// containers ──► pods      (a pod stays while any container is in it)
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE pods (
        id      TEXT PRIMARY KEY,      -- 64 digits
        name    TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,      -- seconds since 1970
        config  TEXT NOT NULL          -- JSON: what its containers share, its labels and limits
    ) STRICT;
    ALTER TABLE containers ADD COLUMN pod TEXT REFERENCES pods (id);
    CREATE INDEX containers_pod ON containers (pod) WHERE pod IS NOT NULL;
";

/// One pod as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRecord {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Seconds since 1970 at which it was asked for.
    pub created: i64,
    /// What it is to be.
    pub config: PodConfig,
}

/// What a pod is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodConfig {
    /// Labels, by key.
    pub labels: BTreeMap<String, String>,
    /// What its containers share.
    pub shares: Shares,
    /// Its network is the machine's.
    pub host_network: bool,
    /// The host name, where they share one.
    pub hostname: String,
    /// It is ended with the last container of it.
    pub stops_with_last: bool,
    /// The cgroup above the pod's own.
    pub cgroup_parent: String,
    /// The limits of all its containers together.
    pub limits: Option<Resources>,
}

/// What the containers of a pod share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Interfaces and addresses.
    pub network: bool,
    /// System V IPC, message queues and `/dev/shm`.
    pub ipc: bool,
    /// The host name.
    pub uts: bool,
    /// Process ids.
    pub pid: bool,
}

impl Shares {
    /// What is shared, in podman's words.
    pub fn words(&self) -> Vec<&'static str> {
        let each = [
            (self.ipc, "ipc"),
            (self.network, "net"),
            (self.uts, "uts"),
            (self.pid, "pid"),
        ];
        each.into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, word)| word)
            .collect()
    }
}

impl Default for Shares {
    /// As podman's.
    fn default() -> Shares {
        Shares {
            network: true,
            ipc: true,
            uts: true,
            pid: false,
        }
    }
}

/// Records a pod: from here on its id and name are taken.
///
/// # Errors
/// `AlreadyExists` where the name is taken; else SQLite's.
pub fn add(tx: &Transaction<'_>, pod: &PodRecord) -> Result<()> {
    is_free(tx, &pod.name)?;
    // As podman's: a name means one of the two.
    if let Some(holder) = super::containers::by_name(tx, &pod.name)? {
        return Err(in_use("container", &holder, &pod.name));
    }
    let config = serde_json::to_string(&pod.config).unwrap_or_default();
    tx.execute(
        "INSERT INTO pods (id, name, created, config) VALUES (?1, ?2, ?3, ?4)",
        params![pod.id, pod.name, pod.created, config],
    )
    .query("record pod", &pod.id)
    .map(drop)
}

/// That no pod has a name.
///
/// # Errors
/// `AlreadyExists` where one has; else SQLite's.
pub(super) fn is_free(tx: &Transaction<'_>, name: &str) -> Result<()> {
    let holder = tx
        .query_row("SELECT id FROM pods WHERE name = ?1", [name], |row| {
            row.get::<_, String>(0)
        })
        .optional()
        .query("read pod", name)?;
    holder.map_or(Ok(()), |holder| Err(in_use("pod", &holder, name)))
}

fn in_use(what: &str, id: &str, name: &str) -> Error {
    Error::new(Kind::AlreadyExists, "use name", name)
        .because(format!("{what} {} has it", id.get(..12).unwrap_or(id)))
        .hint("choose another --name")
}

/// Removes a pod's record; `false` where there is none.
///
/// # Errors
/// `Conflict` while a container is in it; else SQLite's.
pub fn remove(tx: &Transaction<'_>, id: &str) -> Result<bool> {
    if !super::containers::of_pod(tx, id)?.is_empty() {
        return Err(contains_containers(id));
    }
    Ok(tx
        .execute("DELETE FROM pods WHERE id = ?1", [id])
        .query("remove pod", id)?
        > 0)
}

/// That a pod stays, in podman's words.
fn contains_containers(id: &str) -> Error {
    Error::new(Kind::Conflict, "remove pod", id.get(..12).unwrap_or(id))
        .because(format!("pod {id} contains containers and cannot be removed"))
        .hint("`tare pod rm -f` removes them with it")
}

/// The pod of this id.
///
/// # Errors
/// SQLite's.
pub fn get(tx: &Transaction<'_>, id: &str) -> Result<Option<PodRecord>> {
    tx.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], read)
        .optional()
        .query("read pod", id)
}

/// The pod of this name or id; where there is none, all whose ids begin so.
///
/// # Errors
/// SQLite's.
pub fn meant(tx: &Transaction<'_>, typed: &str) -> Result<Vec<PodRecord>> {
    for condition in [
        "name = ?1",
        "id = ?1",
        "substr(id, 1, length(?1)) = ?1 AND ?1 <> ''",
    ] {
        let mut statement = tx
            .prepare_cached(&format!("{COLUMNS} WHERE {condition}"))
            .query("find pod", typed)?;
        let rows = statement.query_map([typed], read).query("find pod", typed)?;
        let found = rows.collect::<Result<Vec<_>, _>>().query("find pod", typed)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Every pod, newest first.
///
/// # Errors
/// SQLite's.
pub fn all(tx: &Transaction<'_>) -> Result<Vec<PodRecord>> {
    let mut statement = tx
        .prepare_cached(&format!("{COLUMNS} ORDER BY created DESC, rowid DESC"))
        .query("read", "pods")?;
    let rows = statement.query_map([], read).query("read", "pods")?;
    rows.collect::<Result<_, _>>().query("read", "pods")
}

const COLUMNS: &str = "SELECT id, name, created, config FROM pods";

fn read(row: &Row<'_>) -> tare_database::sql::Result<PodRecord> {
    let config: String = row.get(3)?;
    Ok(PodRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        created: row.get(2)?,
        // Written by us alone; what cannot be read is a newer program's, which this database is not opened with.
        config: serde_json::from_str(&config).unwrap_or_default(),
    })
}
