//! What nobody needs goes: containers that do not run, images that no container is made of, volumes that none mounts.
//!
//! Each goes by the same way as one that is named. What another command begins to use meanwhile stays, and whoever dies in
//! between has removed what he has removed: the next one goes on.

use crate::Engine;
use crate::container::Listed;
use crate::image::Image;
use crate::journal::{Event, Subject};
use crate::records::containers;
use crate::volume::{Gone, VolumeFilter};
use std::collections::{BTreeMap, HashMap};
use tare_error::{Error, Kind, Result};
use tare_snapshot::ChainId;

/// Which ones go: all of these have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Seconds since 1970 before which it was made.
    pub until: Option<i64>,
    /// Labels that it has: the key, and the value where one is given.
    pub labels: Vec<(String, Option<String>)>,
    /// Labels that it has not.
    pub no_labels: Vec<(String, Option<String>)>,
}

impl PruneFilter {
    /// Reads one `KEY=VALUE` more: `until` by `moment`, `label`, `label!`.
    ///
    /// # Errors
    /// `Invalid` for another key or a bad value.
    pub fn apply(&mut self, text: &str, moment: impl Fn(&str) -> Result<i64>) -> Result<()> {
        let invalid = |why: &str| {
            Error::new(Kind::Invalid, "read filter", format!("{text:?}"))
                .because(why)
                .hint("the filters are until=TIME, label=KEY[=VALUE] and label!=KEY[=VALUE]")
        };
        let (key, value) = text.split_once('=').ok_or_else(|| invalid("it has no ="))?;
        let label = match value.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        match key {
            "until" => self.until = Some(moment(value)?),
            "label" => self.labels.push(label),
            "label!" => self.no_labels.push(label),
            _ => return Err(invalid("there is no such filter")),
        }
        Ok(())
    }

    /// Whether this is one of them.
    fn takes(&self, created: Option<i64>, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): &(String, Option<String>)| {
            labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.until
            .is_none_or(|until| created.is_some_and(|created| created < until))
            && self.labels.iter().all(has)
            && !self.no_labels.iter().any(has)
    }

    /// The same for volumes, which have no time.
    pub fn of_volumes(&self, all: bool) -> VolumeFilter {
        VolumeFilter {
            labels: self.labels.clone(),
            no_labels: self.no_labels.clone(),
            anonymous: (!all).then_some(true),
            ..VolumeFilter::default()
        }
    }
}

/// Images that went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoneImages {
    /// Names that were taken away.
    pub untagged: Vec<String>,
    /// Ids.
    pub deleted: Vec<String>,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Engine {
    /// Removes the containers that do not run and the filter takes.
    ///
    /// # Errors
    /// The database's and the file system's.
    pub fn prune_containers(&self, filter: &PruneFilter) -> Result<Gone> {
        let mut gone = Gone::default();
        for Listed {
            record,
            status,
            life,
            labels,
            ..
        } in self.containers()?
        {
            // One that was never whole is being made just now.
            let still = !status.is_up() && (record.end.is_some() || life.made);
            if !still || !filter.takes(Some(record.created), &labels) {
                continue;
            }
            let bytes = self.snapshots().usage(&record.id).map_or(0, |usage| usage.bytes);
            match self.remove_container(&record.id, false, false) {
                // It was started meanwhile, or removed.
                Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                removed => {
                    removed?;
                    gone.names.push(record.id);
                    gone.bytes += bytes;
                }
            }
        }
        self.note_pruned("container", gone.bytes);
        Ok(gone)
    }

    /// Removes the images that have no name, or with `all` every one, that no container is made of and the filter takes.
    ///
    /// # Errors
    /// The database's and the stores'.
    pub fn prune_images(&self, filter: &PruneFilter, all: bool) -> Result<GoneImages> {
        let before = self.layer_sizes()?;
        let blobs = self.blobs_size()?;
        let mut gone = GoneImages::default();
        for summary in self.images()? {
            let Some(image) = self.image(&summary.id)? else {
                continue;
            };
            let of_image = |tx: &tare_database::sql::Transaction<'_>| containers::of_image(tx, &image.id);
            let is_used = !self.records().read("find containers", of_image)?.is_empty();
            let wanted = all || image.names.is_empty();
            if is_used || !wanted || !filter.takes(created(&image), &labels(&image)) {
                continue;
            }
            let named = [image.id.clone()];
            let typed = if image.names.is_empty() {
                &named[..]
            } else {
                &image.names[..]
            };
            for name in typed {
                match self.remove_image(name, false) {
                    Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                    removed => {
                        let removed = removed?;
                        gone.untagged.extend(removed.untagged);
                        gone.deleted.extend(removed.deleted);
                    }
                }
            }
        }
        // What dead commands left of images goes with them.
        self.collect()?;
        let after = self.layer_sizes()?;
        let layers = before.iter().filter(|(chain, _)| !after.contains_key(chain));
        gone.bytes = layers.map(|(_, size)| size).sum::<u64>() + blobs.saturating_sub(self.blobs_size()?);
        self.note_pruned("image", gone.bytes);
        Ok(gone)
    }

    /// Bytes on disk of every layer.
    pub(crate) fn layer_sizes(&self) -> Result<HashMap<ChainId, u64>> {
        let mut sizes = HashMap::new();
        for chain in self.snapshots().layers()? {
            match self.snapshots().layer_usage(&chain) {
                Err(e) if e.kind() == Kind::NotFound => {}
                usage => {
                    sizes.insert(chain, usage?.bytes);
                }
            }
        }
        Ok(sizes)
    }

    fn blobs_size(&self) -> Result<u64> {
        Ok(self.content().list()?.iter().map(|(_, size)| size).sum())
    }

    pub(crate) fn note_pruned(&self, kind: &'static str, bytes: u64) {
        let subject = Subject {
            kind,
            ..Subject::default()
        };
        self.note(&Event::new(subject, "prune").with("reclaimed", bytes));
    }
}

/// Seconds since 1970 at which an image was built, as it says.
fn created(image: &Image) -> Option<i64> {
    let text = image.config.created().as_deref()?;
    tare_logs::Moment::parse(text).map(|moment| moment.seconds)
}

fn labels(image: &Image) -> BTreeMap<String, String> {
    let config = image.config.config().as_ref();
    let labels = config.and_then(|config| config.labels().clone());
    labels.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let mut filter = PruneFilter::default();
        let moment = |text: &str| Ok(text.parse().unwrap_or(0));
        for text in ["until=100", "label=a", "label=b=c", "label!=d"] {
            filter.apply(text, moment).unwrap();
        }
        for bad in ["until", "name=x", "labels=a"] {
            assert!(filter.apply(bad, moment).is_err(), "{bad}");
        }
        let labels = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            owned.collect::<BTreeMap<_, _>>()
        };
        for (created, with, expected) in [
            (Some(99), &[("a", ""), ("b", "c")][..], true),
            (Some(100), &[("a", ""), ("b", "c")], false),
            (None, &[("a", ""), ("b", "c")], false),
            (Some(1), &[("a", ""), ("b", "x")], false),
            (Some(1), &[("a", ""), ("b", "c"), ("d", "")], false),
        ] {
            assert_eq!(
                filter.takes(created, &labels(with)),
                expected,
                "{created:?} {with:?}"
            );
        }
    }
}
