//! `rmi`: a name goes, and with the last one the image, unless a container needs it.

use super::{as_prefix, by_reference};
use crate::Engine;
use crate::records::images;
use tare_error::{Error, Kind, Result};
use tare_registry::Reference;

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Familiar names that were taken away.
    pub untagged: Vec<String>,
    /// The id of the image, where the image itself is gone.
    pub deleted: Option<String>,
}

impl Engine {
    /// Removes a name, or an image by its id; the image goes with its last name.
    ///
    /// With `force` an image goes by id though it has several names, and its records go though a container uses it:
    /// the layers then stay until that container is removed.
    ///
    /// # Errors
    /// `NotFound` with the nearest name; `Conflict` where a container uses the image, naming it, or where an id has
    /// several names.
    pub fn remove_image(&self, typed: &str, force: bool) -> Result<Removed> {
        let Some(id) = self.lookup(typed)? else {
            return Err(self.no_image(typed)?);
        };
        let reference = self.named(typed, &id)?;
        let names = self.familiar_names(&id)?;
        let whole = match &reference {
            None if names.len() > 1 && !force => {
                return Err(Error::new(Kind::Conflict, "remove image", typed)
                    .because(format!("it has several names: {}", names.join(", ")))
                    .hint("remove it by name, or all of it with --force"));
            }
            None => true,
            Some(reference) => reference.digest().is_none() && names.len() <= 1,
        };
        if whole && !force {
            self.refuse_in_use(&id, typed)?;
        }
        let intent = self.intend()?;
        let removed = self.records().write("remove image", |tx| match &reference {
            Some(reference) if !whole => {
                let repository = format!("{}/{}", reference.domain(), reference.path());
                match reference.digest() {
                    Some(digest) => images::forget_digest(tx, &repository, digest.as_ref())?,
                    None => images::untag(tx, &reference.canonical())?,
                };
                Ok(Removed {
                    untagged: vec![reference.to_string()],
                    deleted: None,
                })
            }
            _ => {
                images::remove(tx, &id)?;
                Ok(Removed {
                    untagged: names.clone(),
                    deleted: Some(id.clone()),
                })
            }
        })?;
        // Where another command holds images just now, the next one to remove something collects this too.
        if removed.deleted.is_some() {
            self.collect()?;
        }
        drop(intent);
        Ok(removed)
    }

    /// The reference that was typed, where it was one and not an id.
    fn named(&self, typed: &str, id: &str) -> Result<Option<Reference>> {
        let Ok(reference) = Reference::parse(typed) else {
            return Ok(None);
        };
        if as_prefix(typed).is_none() {
            return Ok(Some(reference));
        }
        // "cafe" may be a name or an id: it is a name where that name leads here.
        let found = self
            .records()
            .read("find image", |tx| by_reference(tx, &reference))?;
        Ok((found.as_deref() == Some(id)).then_some(reference))
    }

    /// An image in use is one whose layers a container's top lies over.
    fn refuse_in_use(&self, id: &str, typed: &str) -> Result<()> {
        let Some(image) = self.image(id)? else {
            return Ok(());
        };
        for top in self.snapshots().tops()? {
            if !image.layers.is_empty() && self.snapshots().chain_of(&top)? == image.layers {
                let short = top.get(..12).unwrap_or(&top);
                return Err(Error::new(Kind::Conflict, "remove image", typed)
                    .because(format!("the container {short} uses it"))
                    .hint(format!(
                        "remove the container first (tare rm {short}), or use --force"
                    )));
            }
        }
        Ok(())
    }
}
