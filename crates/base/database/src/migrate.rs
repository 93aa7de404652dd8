//! From the schema a file has to the schema this program knows.

use crate::Query;
use rusqlite::{Connection, TransactionBehavior};
use tare_error::{Error, Kind, Result};

/// One step of a schema; its place in the list is the version it leads from.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// What it brings, for messages.
    pub name: &'static str,
    /// Statements, separated by semicolons. Never changed once released: a further step is added instead.
    pub sql: &'static str,
}

/// Brings the schema up to date in one transaction; says whether anything was to be done.
pub(crate) fn run(connection: &mut Connection, migrations: &[Migration]) -> Result<bool> {
    // The usual case costs no lock.
    if version(connection)? == migrations.len() {
        return Ok(false);
    }
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .query("migrate", "")?;
    let from = version(&tx)?;
    if from > migrations.len() {
        return Err(
            Error::new(Kind::Unsupported, "read schema", format!("version {from}"))
                .because(format!("this program knows up to {}", migrations.len()))
                .hint("a newer tare wrote it; use that one"),
        );
    }
    for migration in &migrations[from..] {
        tx.execute_batch(migration.sql)
            .query("migrate schema:", migration.name)?;
    }
    let to = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    tx.pragma_update(None, "user_version", to).query("migrate", "")?;
    tx.commit().query("migrate", "")?;
    Ok(from != migrations.len())
}

fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .query("read schema version", "")?;
    usize::try_from(version).map_err(|_| {
        Error::new(Kind::Corrupt, "read schema version", version).hint("this is not a database of tare")
    })
}
