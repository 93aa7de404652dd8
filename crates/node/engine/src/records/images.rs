//! Images in the database: what each is made of, and the names it has.

use tare_database::Query;
use tare_database::sql::{OptionalExtension, Transaction, params};
use tare_error::Result;

/// ```text
/// image_layers ──► images ◄── image_names      (a name leads to one image, an image has any number of names)
///                    ▲ ▲───── image_digests    (under which digest a repository gave it out)
///                    └─────── image_blobs      (all content it needs; what no row names is garbage)
/// ```
pub(super) const TABLES: &str = "
    CREATE TABLE images (
        id       TEXT PRIMARY KEY,    -- digest of the configuration
        manifest TEXT NOT NULL,       -- digest of the manifest whose blobs are here
        config   BLOB NOT NULL,       -- the configuration's exact bytes
        size     INTEGER NOT NULL,    -- bytes of all layers, inflated
        added    INTEGER NOT NULL     -- seconds since 1970
    ) STRICT;
    CREATE TABLE image_layers (
        image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,    -- 0 is the base
        chain    TEXT NOT NULL,       -- chain id: the snapshot
        size     INTEGER NOT NULL,    -- bytes, inflated
        PRIMARY KEY (image, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_layers_chain ON image_layers (chain);
    CREATE TABLE image_names (
        name  TEXT PRIMARY KEY,       -- canonical, with tag
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_names_image ON image_names (image);
    CREATE TABLE image_digests (
        repository TEXT NOT NULL,     -- canonical, without tag
        digest     TEXT NOT NULL,     -- of the manifest or index
        image      TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        PRIMARY KEY (repository, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_digests_image ON image_digests (image);
    CREATE TABLE image_blobs (        -- one image may have come under several manifests
        image  TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        PRIMARY KEY (image, digest)
    ) STRICT, WITHOUT ROWID;
";

/// One image as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// Digest of the configuration.
    pub id: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// The configuration's exact bytes.
    pub config: Vec<u8>,
    /// Seconds since 1970 at which it was stored.
    pub added: i64,
    /// Its layers, base first.
    pub layers: Vec<LayerRecord>,
}

/// One layer of an image as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRecord {
    /// Its chain id.
    pub chain: String,
    /// Bytes of its archive, inflated.
    pub size: i64,
}

/// The names under which an image is to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Canonical names with tag.
    pub tags: Vec<String>,
    /// Pairs of canonical repository and manifest or index digest.
    pub digests: Vec<(String, String)>,
}

/// What of an image's content is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Digests of blobs.
    pub blobs: Vec<String>,
    /// Whether that is all its manifest names: a layer that was unpacked already is not fetched for its blob.
    pub complete: bool,
}

/// Records an image, its content and further names; a name that led elsewhere leads here now.
///
/// Of an image that is recorded already, the blobs it came with before are kept beside the new ones, and its manifest
/// is replaced by a complete one alone.
///
/// # Errors
/// SQLite's.
pub fn put(tx: &Transaction<'_>, image: &ImageRecord, stored: &Stored, names: &Names) -> Result<()> {
    let id = &image.id;
    let size: i64 = image.layers.iter().map(|l| l.size).sum();
    tx.execute(
        "INSERT INTO images (id, manifest, config, size, added) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET
             manifest = CASE WHEN ?6 THEN excluded.manifest ELSE manifest END, added = excluded.added",
        params![
            id,
            image.manifest,
            image.config,
            size,
            image.added,
            stored.complete
        ],
    )
    .query("record image", id)?;
    for blob in &stored.blobs {
        tx.execute(
            "INSERT OR IGNORE INTO image_blobs (image, digest) VALUES (?1, ?2)",
            [id, blob],
        )
        .query("record blob", blob)?;
    }
    for (position, layer) in image.layers.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT OR IGNORE INTO image_layers (image, position, chain, size) VALUES (?1, ?2, ?3, ?4)",
            params![id, position, layer.chain, layer.size],
        )
        .query("record layer", &layer.chain)?;
    }
    for name in &names.tags {
        tx.execute(
            "INSERT OR REPLACE INTO image_names (name, image) VALUES (?1, ?2)",
            [name, id],
        )
        .query("record name", name)?;
    }
    for (repository, digest) in &names.digests {
        tx.execute(
            "INSERT OR REPLACE INTO image_digests (repository, digest, image) VALUES (?1, ?2, ?3)",
            [repository, digest, id],
        )
        .query("record digest", digest)?;
    }
    Ok(())
}

/// The image of this id.
///
/// # Errors
/// SQLite's.
pub fn get(tx: &Transaction<'_>, id: &str) -> Result<Option<ImageRecord>> {
    let found = tx
        .query_row(
            "SELECT id, manifest, config, added FROM images WHERE id = ?1",
            [id],
            |row| {
                Ok(ImageRecord {
                    id: row.get(0)?,
                    manifest: row.get(1)?,
                    config: row.get(2)?,
                    added: row.get(3)?,
                    layers: Vec::new(),
                })
            },
        )
        .optional()
        .query("read image", id)?;
    let Some(mut image) = found else { return Ok(None) };
    let mut layers = tx
        .prepare_cached("SELECT chain, size FROM image_layers WHERE image = ?1 ORDER BY position")
        .query("read layers of", id)?;
    let rows = layers.query_map([id], |row| {
        Ok(LayerRecord {
            chain: row.get(0)?,
            size: row.get(1)?,
        })
    });
    image.layers = rows
        .query("read layers of", id)?
        .collect::<Result<_, _>>()
        .query("read layers of", id)?;
    Ok(Some(image))
}

/// The ids of all images, newest first.
///
/// # Errors
/// SQLite's.
pub fn ids(tx: &Transaction<'_>) -> Result<Vec<String>> {
    texts(tx, "SELECT id FROM images ORDER BY added DESC, id", &[])
}

/// The image that a canonical name leads to.
///
/// # Errors
/// SQLite's.
pub fn by_name(tx: &Transaction<'_>, name: &str) -> Result<Option<String>> {
    Ok(texts(tx, "SELECT image FROM image_names WHERE name = ?1", &[name])?.pop())
}

/// The image that a repository gave out under a digest.
///
/// # Errors
/// SQLite's.
pub fn by_digest(tx: &Transaction<'_>, repository: &str, digest: &str) -> Result<Option<String>> {
    let sql = "SELECT image FROM image_digests WHERE repository = ?1 AND digest = ?2";
    Ok(texts(tx, sql, &[repository, digest])?.pop())
}

/// The images whose id begins so: at most two, which tells whether it is one.
///
/// # Errors
/// SQLite's.
pub fn by_prefix(tx: &Transaction<'_>, hex: &str) -> Result<Vec<String>> {
    let pattern = format!("sha256:{hex}*");
    texts(
        tx,
        "SELECT id FROM images WHERE id GLOB ?1 ORDER BY id LIMIT 2",
        &[&pattern],
    )
}

/// The names that an image has.
///
/// # Errors
/// SQLite's.
pub fn names_of(tx: &Transaction<'_>, id: &str) -> Result<Names> {
    let tags = texts(
        tx,
        "SELECT name FROM image_names WHERE image = ?1 ORDER BY name",
        &[id],
    )?;
    let mut digests = tx
        .prepare_cached("SELECT repository, digest FROM image_digests WHERE image = ?1 ORDER BY 1, 2")
        .query("read digests of", id)?;
    let rows = digests.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)));
    let digests = rows
        .query("read digests of", id)?
        .collect::<Result<_, _>>()
        .query("read digests of", id)?;
    Ok(Names { tags, digests })
}

/// All canonical names there are.
///
/// # Errors
/// SQLite's.
pub fn names(tx: &Transaction<'_>) -> Result<Vec<String>> {
    texts(tx, "SELECT name FROM image_names ORDER BY name", &[])
}

/// Takes a name away; `false` where there is none.
///
/// # Errors
/// SQLite's.
pub fn untag(tx: &Transaction<'_>, name: &str) -> Result<bool> {
    Ok(tx
        .execute("DELETE FROM image_names WHERE name = ?1", [name])
        .query("remove name", name)?
        > 0)
}

/// Takes a digest of a repository away; `false` where there is none.
///
/// # Errors
/// SQLite's.
pub fn forget_digest(tx: &Transaction<'_>, repository: &str, digest: &str) -> Result<bool> {
    let sql = "DELETE FROM image_digests WHERE repository = ?1 AND digest = ?2";
    Ok(tx
        .execute(sql, [repository, digest])
        .query("remove digest", digest)?
        > 0)
}

/// Removes an image's records with all its names; `false` where there is none.
///
/// # Errors
/// SQLite's.
pub fn remove(tx: &Transaction<'_>, id: &str) -> Result<bool> {
    Ok(tx
        .execute("DELETE FROM images WHERE id = ?1", [id])
        .query("remove image", id)?
        > 0)
}

/// Digests of the content that one image came with.
///
/// # Errors
/// SQLite's.
pub fn blobs_of(tx: &Transaction<'_>, id: &str) -> Result<Vec<String>> {
    texts(tx, "SELECT digest FROM image_blobs WHERE image = ?1", &[id])
}

/// Digests of all content that an image needs.
///
/// # Errors
/// SQLite's.
pub fn blobs_in_use(tx: &Transaction<'_>) -> Result<Vec<String>> {
    texts(tx, "SELECT DISTINCT digest FROM image_blobs", &[])
}

/// Chain ids of all layers that an image needs.
///
/// # Errors
/// SQLite's.
pub fn layers_in_use(tx: &Transaction<'_>) -> Result<Vec<String>> {
    texts(tx, "SELECT DISTINCT chain FROM image_layers", &[])
}

/// The inflated size of a layer that some image has.
///
/// # Errors
/// SQLite's.
pub fn layer_size(tx: &Transaction<'_>, chain: &str) -> Result<Option<i64>> {
    tx.query_row(
        "SELECT size FROM image_layers WHERE chain = ?1 LIMIT 1",
        [chain],
        |row| row.get(0),
    )
    .optional()
    .query("read layer", chain)
}

/// The first column of a query's rows.
fn texts(tx: &Transaction<'_>, sql: &str, parameters: &[&str]) -> Result<Vec<String>> {
    let mut statement = tx.prepare_cached(sql).query("read", "images")?;
    let rows = statement.query_map(tare_database::sql::params_from_iter(parameters), |row| row.get(0));
    rows.query("read", "images")?
        .collect::<Result<_, _>>()
        .query("read", "images")
}

#[cfg(test)]
mod tests;
