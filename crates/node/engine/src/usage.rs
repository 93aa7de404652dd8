//! `system df`: what lies on disk, and how much of it could go.

use crate::Engine;
use crate::container::Listed;
use crate::image::Summary;
use crate::records::{containers, images};
use crate::volume::{Volume, VolumeFilter};
use std::collections::{HashMap, HashSet};
use tare_error::{Kind, Result};

/// What lies on disk.
#[derive(Clone, Debug, Default)]
pub struct DiskUsage {
    /// Images, the last stored first.
    pub images: Vec<ImageUsage>,
    /// Bytes of all layers and blobs, those that belong to no image included.
    pub images_size: u64,
    /// Bytes of those that no container needs.
    pub images_reclaimable: u64,
    /// Containers with the bytes that each has written, the newest first.
    pub containers: Vec<(Listed, u64)>,
    /// Volumes with their bytes, by name. What somebody has mounted there is not counted.
    pub volumes: Vec<(Volume, u64)>,
}

/// What an image takes.
#[derive(Clone, Debug)]
pub struct ImageUsage {
    /// What it is.
    pub summary: Summary,
    /// Bytes of its layers on disk.
    pub size: u64,
    /// Bytes of those that another image has too.
    pub shared: u64,
    /// How many containers are made of it.
    pub containers: usize,
}

impl Engine {
    /// Measures everything.
    ///
    /// # Errors
    /// The database's and the file system's.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let layers = self.layer_sizes()?;
        let blobs: HashMap<String, u64> = self
            .content()
            .list()?
            .into_iter()
            .map(|(digest, size)| (digest.to_string(), size))
            .collect();
        let mut usage = DiskUsage {
            images_size: layers.values().sum::<u64>() + blobs.values().sum::<u64>(),
            ..DiskUsage::default()
        };
        let mut found = Vec::new();
        let mut users: HashMap<_, usize> = HashMap::new();
        for summary in self.images()? {
            let Some(image) = self.image(&summary.id)? else {
                continue;
            };
            for chain in image.layers.iter().collect::<HashSet<_>>() {
                *users.entry(chain.clone()).or_default() += 1;
            }
            found.push((summary, image));
        }
        let (mut needed_layers, mut needed_blobs) = (HashSet::new(), HashSet::new());
        for (summary, image) in found {
            let (made, of_image) = self.records().read("find containers", |tx| {
                let made = containers::of_image(tx, &image.id)?.len();
                Ok((made, images::blobs_of(tx, &image.id)?))
            })?;
            let size = |shared: bool| {
                let of_image = image
                    .layers
                    .iter()
                    .filter(|chain| !shared || users.get(*chain).is_some_and(|n| *n > 1));
                of_image.filter_map(|chain| layers.get(chain)).sum::<u64>()
            };
            usage.images.push(ImageUsage {
                size: size(false),
                shared: size(true),
                containers: made,
                summary,
            });
            if made > 0 {
                needed_layers.extend(image.layers);
                needed_blobs.extend(of_image);
            }
        }
        let needed = needed_layers
            .iter()
            .filter_map(|chain| layers.get(chain))
            .sum::<u64>()
            + needed_blobs
                .iter()
                .filter_map(|digest| blobs.get(digest))
                .sum::<u64>();
        usage.images_reclaimable = usage.images_size.saturating_sub(needed);
        for listed in self.containers()? {
            let bytes = match self.snapshots().usage(&listed.record.id) {
                Err(e) if e.kind() == Kind::NotFound => 0,
                usage => usage?.bytes,
            };
            usage.containers.push((listed, bytes));
        }
        for volume in self.volumes(&VolumeFilter::default())? {
            let bytes = volume.measure();
            usage.volumes.push((volume, bytes));
        }
        Ok(usage)
    }
}
