//! `rmi`: a name goes, and with the last one the image, unless a container needs it.

use super::{as_prefix, by_reference, familiar};
use crate::Engine;
use crate::journal::{Event, Subject};
use crate::records::{containers, images};
use tare_database::sql::Transaction;
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
        let id = self.lookup(typed).ok().flatten();
        let removed = self.try_remove_image(typed, force);
        let subject = |name: &str| Subject {
            kind: "image",
            id: id.clone().unwrap_or_default(),
            name: name.to_owned(),
            ..Subject::default()
        };
        match &removed {
            Ok(removed) => {
                for name in &removed.untagged {
                    self.note(&Event::new(subject(name), "untag"));
                }
                if removed.deleted.is_some() {
                    self.note(&Event::new(subject(""), "delete"));
                }
            }
            Err(_) => self.note(&Event::new(subject(typed), "delete").came_to(&removed)),
        }
        removed
    }

    fn try_remove_image(&self, typed: &str, force: bool) -> Result<Removed> {
        let Some(id) = self.lookup(typed)? else {
            return Err(self.no_image(typed)?);
        };
        let reference = self.named(typed, &id)?;
        let intent = self.intend()?;
        // Decided and done in one transaction: a name that another command gives meanwhile is seen or comes after.
        let removed = self.records().write_in_reserve("remove image", |tx| {
            let tags = images::names_of(tx, &id)?.tags;
            let names: Vec<String> = tags.iter().map(|n| familiar(n)).collect();
            match &reference {
                Some(reference) if reference.digest().is_some() || names.len() > 1 => {
                    take_name(tx, reference)
                }
                None if names.len() > 1 && !force => Err(Error::new(Kind::Conflict, "remove image", typed)
                    .because(format!("it has several names: {}", names.join(", ")))
                    .hint("remove it by name, or all of it with --force")),
                _ => {
                    if !force {
                        refuse_in_use(tx, &id, typed)?;
                    }
                    images::remove(tx, &id)?;
                    Ok(Removed {
                        untagged: names,
                        deleted: Some(id.clone()),
                    })
                }
            }
        })?;
        tare_failpoint::pass("image-forgotten")?;
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
}

/// Takes one name away; the image stays.
fn take_name(tx: &Transaction<'_>, reference: &Reference) -> Result<Removed> {
    match reference.digest() {
        Some(digest) => {
            let repository = format!("{}/{}", reference.domain(), reference.path());
            images::forget_digest(tx, &repository, digest.as_ref())?
        }
        None => images::untag(tx, &reference.canonical())?,
    };
    Ok(Removed {
        untagged: vec![reference.to_string()],
        deleted: None,
    })
}

/// Refuses where a container is recorded that was made of the image; to be asked where the image is removed.
fn refuse_in_use(tx: &Transaction<'_>, id: &str, typed: &str) -> Result<()> {
    let Some(holder) = containers::of_image(tx, id)?.into_iter().next() else {
        return Ok(());
    };
    let (name, state) = (&holder.name, if holder.end.is_some() { " (exited)" } else { "" });
    Err(Error::new(Kind::Conflict, "remove image", typed)
        .because(format!("the container {name}{state} uses it"))
        .hint(format!(
            "remove the container first (tare rm {name}), or use --force"
        )))
}
