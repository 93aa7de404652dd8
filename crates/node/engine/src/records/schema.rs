//! The schema, step by step. A step is never changed once released; a new one is added at the end.

use tare_database::Migration;

/// All steps, in order; each owner of tables adds its own here.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "images",
        sql: super::images::TABLES,
    },
    Migration {
        name: "containers",
        sql: super::containers::TABLES,
    },
    Migration {
        name: "containers that are kept",
        sql: super::containers::LIFE,
    },
    Migration {
        name: "lives of containers",
        sql: super::life::TABLES,
    },
    Migration {
        name: "containers that give account",
        sql: super::containers::ACCOUNT,
    },
    Migration {
        name: "volumes",
        sql: super::volumes::TABLES,
    },
    Migration {
        name: "who makes containers",
        sql: super::containers::HANDLER,
    },
    Migration {
        name: "pods",
        sql: super::pods::TABLES,
    },
    Migration {
        name: "files of containers",
        sql: super::bundles::TABLES,
    },
    Migration {
        name: "keys of requests",
        sql: super::keys::COLUMNS,
    },
    Migration {
        name: "settings of containers",
        sql: super::containers::SETTINGS,
    },
    Migration {
        name: "whose health is checked",
        sql: super::containers::CHECKED,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::containers;
    use tare_database::Database;

    #[test]
    fn settings_that_lay_with_their_containers_are_kept() {
        let folder = std::env::temp_dir().join(format!("tare-engine-schema-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("tare.db");
        let before = MIGRATIONS
            .iter()
            .position(|step| step.name == "settings of containers");
        let mut database = Database::open(&path, &MIGRATIONS[..before.unwrap()]).unwrap();
        let row = "INSERT INTO containers (id, name, image, reference, command, remove, created, settings)
                   VALUES ('a', 'web', 'i', 'busybox', 'true', 0, 1, '[]'), ('b', 'db', 'i', 'busybox', 'true', 0, 1, NULL)";
        database
            .write("add", |tx| Ok(tx.execute(row, []).unwrap()))
            .unwrap();
        drop(database);
        let mut database = Database::open(&path, MIGRATIONS).unwrap();
        let mut settings = |id: &str| database.read("look", |tx| containers::settings(tx, id)).unwrap();
        assert_eq!((settings("a").as_deref(), settings("b")), (Some("[]"), None));
        assert_eq!(database.read("look", containers::all).unwrap().len(), 2);
        drop(database);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
