//! Transactions, schema steps, damaged files.

use super::*;
use tare_store::Id;

const PETS: Migration = Migration {
    name: "pets",
    sql: "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
};
const TOYS: Migration = Migration {
    name: "toys",
    sql: "CREATE TABLE toys (pet INTEGER NOT NULL REFERENCES pets (id)) STRICT; INSERT INTO pets (name) VALUES ('tom')",
};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("tare-database-{}", Id::random().unwrap().short()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tare.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn names(database: &mut Database) -> Vec<String> {
    database
        .read("list pets", |tx| {
            let mut statement = tx
                .prepare("SELECT name FROM pets ORDER BY name")
                .query("list", "pets")?;
            let rows = statement.query_map([], |row| row.get(0)).query("list", "pets")?;
            rows.collect::<rusqlite::Result<_>>().query("list", "pets")
        })
        .unwrap()
}

fn add(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("INSERT INTO pets (name) VALUES (?1)", [name])
        .query("add pet", name)?;
    Ok(())
}

#[test]
fn a_write_is_whole_or_nothing() {
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    database.write("add", |tx| add(tx, "rex")).unwrap();
    let failed = database.write("add", |tx| {
        add(tx, "ada")?;
        add(tx, "rex")
    });
    assert_eq!(failed.unwrap_err().kind(), Kind::AlreadyExists);
    assert_eq!(names(&mut database), ["rex"]);
}

#[test]
fn only_commits_that_change_something_count() {
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    assert_eq!(database.synced_commits(), 1, "the schema");
    database.write("add", |tx| add(tx, "rex")).unwrap();
    database.write("nothing", |_| Ok(())).unwrap();
    names(&mut database);
    assert_eq!(database.synced_commits(), 2);
    database.write_unsynced("add", |tx| add(tx, "ada")).unwrap();
    assert_eq!(database.synced_commits(), 2, "it waits for no disk");
    assert_eq!(
        names(&mut Database::open(&scratch.file(), &[PETS]).unwrap()),
        ["ada", "rex"],
        "and is seen"
    );
    assert_eq!(
        Database::open(&scratch.file(), &[PETS]).unwrap().synced_commits(),
        0
    );
}

/// The log is synced by its name: where that leads nowhere, a commit that is waited for fails.
#[test]
fn a_commit_is_waited_for_where_that_is_asked() {
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    std::fs::rename(scratch.0.join("tare.db-wal"), scratch.0.join("aside")).unwrap();
    database.write_unsynced("add", |tx| add(tx, "ada")).unwrap();
    for waited in [
        database.write("add", |tx| add(tx, "rex")).unwrap_err(),
        database.settle("look again").unwrap_err(),
    ] {
        assert!(waited.to_string().starts_with("sync "), "{waited}");
    }
    database.write("nothing", |_| Ok(())).unwrap();
}

#[test]
fn schema_steps_run_once_and_in_order() {
    let scratch = Scratch::new();
    Database::open(&scratch.file(), &[PETS]).unwrap();
    let mut database = Database::open(&scratch.file(), &[PETS, TOYS]).unwrap();
    assert_eq!(names(&mut database), ["tom"]);
    drop(database);
    assert_eq!(
        names(&mut Database::open(&scratch.file(), &[PETS, TOYS]).unwrap()),
        ["tom"]
    );
    let newer = Database::open(&scratch.file(), &[PETS]).unwrap_err();
    assert_eq!(newer.kind(), Kind::Unsupported);
    assert!(newer.first_hint().unwrap().contains("newer tare"));
}

#[test]
fn a_failed_step_leaves_the_schema_as_it_was() {
    let scratch = Scratch::new();
    Database::open(&scratch.file(), &[PETS]).unwrap();
    let bad = Migration {
        name: "bad",
        sql: "CREATE TABLE a (b) STRICT; SELECT nonsense",
    };
    assert!(Database::open(&scratch.file(), &[PETS, bad]).is_err());
    Database::open(&scratch.file(), &[PETS, TOYS]).unwrap();
}

#[test]
fn foreign_keys_hold_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS, TOYS]).unwrap();
    let orphan = database.write("add", |tx| {
        tx.execute("INSERT INTO toys VALUES (99)", []).query("add", "toy")
    });
    assert!(orphan.is_err());
    for entry in std::fs::read_dir(&scratch.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{entry:?}"
        );
    }
}

/// Some of them are SQLite's defaults, as we build it.
#[test]
fn each_connection_has_the_settings_it_needs() {
    let scratch = Scratch::new();
    for _ in 0..2 {
        let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
        let ask = |database: &mut Database, name: &str| -> String {
            let asked = database.connection().unwrap();
            let answer = asked.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
            format!("{:?}", answer.unwrap())
        };
        for (name, value) in [
            ("journal_mode", r#"Text("wal")"#),
            ("synchronous", "Integer(1)"),
            ("foreign_keys", "Integer(1)"),
            ("trusted_schema", "Integer(0)"),
            ("wal_autocheckpoint", "Integer(0)"),
        ] {
            assert_eq!(ask(&mut database, name), value, "{name}");
        }
    }
}

#[test]
fn a_damaged_file_is_said_and_kept() {
    let scratch = Scratch::new();
    let garbage = b"this is no database ".repeat(500);
    std::fs::write(scratch.file(), &garbage).unwrap();
    let error = Database::open(&scratch.file(), &[PETS]).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.first_hint().unwrap().contains("move the file away"));
    assert_eq!(std::fs::read(scratch.file()).unwrap(), garbage);
}

#[test]
fn two_processes_worth_of_connections_write_in_turn() {
    let scratch = Scratch::new();
    let path = scratch.file();
    Database::open(&path, &[PETS]).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut database = Database::open(path, &[PETS]).unwrap();
                for i in 0..10 {
                    database
                        .write("add", |tx| add(tx, &format!("{worker}-{i}")))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(names(&mut Database::open(&path, &[PETS]).unwrap()).len(), 40);
}

#[test]
fn commits_survive_without_a_checkpoint_at_the_end() {
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    database.write("add", |tx| add(tx, "rex")).unwrap();
    drop(database);
    let wal = std::fs::metadata(scratch.0.join("tare.db-wal")).unwrap();
    assert!(wal.len() > 0, "closing must not cost a checkpoint");
    assert_eq!(
        names(&mut Database::open(&scratch.file(), &[PETS]).unwrap()),
        ["rex"]
    );
}

/// What a writer leaves that is killed while its commit is on its way to the disk: the log has it, and the index of the log does not.
/// `settle` is called by somebody who was there all the while; who comes after all have gone sees these names.
fn after_a_death_in_a_commit(settle: bool) -> Vec<String> {
    let scratch = Scratch::new();
    let index = scratch.0.join("tare.db-shm");
    let mut witness = Database::open(&scratch.file(), &[PETS]).unwrap();
    witness.write("add", |tx| add(tx, "rex")).unwrap();
    let before = std::fs::read(&index).unwrap();
    let mut killed = Database::open(&scratch.file(), &[PETS]).unwrap();
    killed.write("add", |tx| add(tx, "ada")).unwrap();
    let index = std::fs::OpenOptions::new().write(true).open(index).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&index, &before, 0).unwrap();
    assert_eq!(names(&mut witness), ["rex"], "nobody has heard of it");
    if settle {
        witness.settle("look again").unwrap();
        assert_eq!(names(&mut witness), ["rex"]);
    }
    drop((witness, killed));
    names(&mut Database::open(&scratch.file(), &[PETS]).unwrap())
}

#[test]
fn what_was_settled_stays_so_whatever_a_dead_writer_left() {
    assert_eq!(
        after_a_death_in_a_commit(false),
        ["ada", "rex"],
        "as SQLite does it"
    );
    assert_eq!(after_a_death_in_a_commit(true), ["rex"]);
}

#[test]
fn another_process_cannot_use_it() {
    let scratch = Scratch::new();
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    database.owner += 1;
    let error = database.write("add", |tx| add(tx, "rex")).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    database.owner -= 1;
}

#[test]
fn a_new_file_is_set_up_by_one_of_many() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let path = scratch.file();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| Database::open(&path, &[PETS, TOYS]).unwrap());
            }
        });
        assert_eq!(names(&mut Database::open(&path, &[PETS, TOYS]).unwrap()), ["tom"]);
    }
}

#[test]
fn the_log_stays_short_however_many_come_and_go() {
    let scratch = Scratch::new();
    let log = || std::fs::metadata(scratch.0.join("tare.db-wal")).map_or(0, |about| about.len());
    for i in 0..200 {
        let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
        database.write("add pet", |tx| add(tx, &i.to_string())).unwrap();
        drop(database);
        assert!(log() <= LONGEST_LOG, "{} bytes after {i} commands", log());
    }
    let mut database = Database::open(&scratch.file(), &[PETS]).unwrap();
    assert_eq!(names(&mut database).len(), 200);
}
