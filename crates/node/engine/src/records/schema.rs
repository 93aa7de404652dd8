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
];
