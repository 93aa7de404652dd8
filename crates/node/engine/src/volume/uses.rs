//! Which volumes a new container mounts: those asked for, those of other containers, and those its image names.

use super::record;
use crate::Engine;
use crate::container::look::ImageView;
use crate::container::request::{
    BindSource, MountKind, MountRequest, Propagation, RunRequest, VolumeSource, VolumesFrom,
};
use crate::records::volumes::{self, UseRecord, VolumeRecord};
use std::path::Path;
use tare_database::sql::Transaction;
use tare_error::{Error, Kind, Result, While};
use tare_spec_oci::Mount;
use tare_store::Id;

/// How many volumes an image may name.
const MOST: usize = 256;

/// A volume that a new container mounts.
#[derive(Clone, Debug)]
pub(crate) struct VolumeUse {
    /// What it is, where it is not there yet.
    pub(crate) record: VolumeRecord,
    used: UseRecord,
    no_copy: bool,
}

impl Engine {
    /// Says of every volume where it is, and adds those that come with the image or with other containers.
    pub(crate) fn with_volumes(
        &self,
        request: &RunRequest,
        of_image: &[String],
    ) -> Result<(RunRequest, Vec<VolumeUse>)> {
        let mut request = request.clone();
        for from in request.files.volumes_from.clone() {
            let found = self
                .mounts_of(&from)
                .during("mount volumes of", &from.container)?;
            add_missing(&mut request.files.mounts, found);
        }
        if of_image.len() > MOST {
            return Err(
                Error::new(Kind::Exhausted, "mount volumes of", &request.image).because(format!(
                    "its image names {} of them, and {MOST} are the most",
                    of_image.len()
                )),
            );
        }
        let mut named = Vec::new();
        for path in of_image {
            // Docker's images name them with or without the slash.
            let target =
                crate::container::request::target_path(path, &format!("/{}", path.trim_start_matches('/')))
                    .during("mount volume of image", &request.image)?;
            named.push(MountRequest::volume(VolumeSource::default(), target));
        }
        add_missing(&mut request.files.mounts, named);
        let mut uses = Vec::new();
        for mount in &mut request.files.mounts {
            let (target, read_only) = (mount.target.display().to_string(), mount.read_only);
            if let MountKind::Volume(source) = &mut mount.kind {
                uses.push(self.used(source, target, read_only)?);
            }
        }
        Ok((request, uses))
    }

    /// Gives a volume its name and its place.
    fn used(&self, source: &mut VolumeSource, target: String, read_only: bool) -> Result<VolumeUse> {
        let record = match &source.name {
            Some(name) => record(name.as_str(), false, &source.wish),
            None => record(Id::random()?.as_str(), true, &source.wish),
        };
        source.path = self.volume_data(&record.name);
        Ok(VolumeUse {
            used: UseRecord {
                volume: record.name.clone(),
                target,
                read_only,
            },
            record,
            no_copy: source.no_copy,
        })
    }

    /// The volumes and directories of this machine that another container mounts.
    fn mounts_of(&self, from: &VolumesFrom) -> Result<Vec<MountRequest>> {
        let record = self.find_container(&from.container)?;
        let uses = self
            .records()
            .read("read uses of volumes", |tx| volumes::of_container(tx, &record.id))?;
        let spec = self.spec_of(&record.id)?;
        let own = self.container_folder(&record.id);
        let mut mounts = Vec::new();
        for mount in &spec.mounts {
            let destination = mount.destination.display().to_string();
            let mut request = match uses.iter().find(|used| used.target == destination) {
                Some(used) => MountRequest::volume(
                    VolumeSource {
                        name: Some(crate::container::request::parse_volume_name(&used.volume)?),
                        ..VolumeSource::default()
                    },
                    mount.destination.clone(),
                ),
                None => match of_machine(mount, &own) {
                    Some(request) => request,
                    None => continue,
                },
            };
            let has = |option: &str| mount.options.iter().any(|o| o == option);
            request.read_only = from.read_only.unwrap_or(has("ro") || has("rro"));
            mounts.push(request);
        }
        Ok(mounts)
    }

    /// Makes the volumes ready that a container which is being made mounts.
    pub(crate) fn fill_volumes(&self, uses: &[VolumeUse], image: &ImageView) -> Result<()> {
        uses.iter().try_for_each(|one| {
            let target = Path::new(&one.used.target);
            self.fill_volume(&one.used.volume, image, target, one.no_copy)
        })
    }
}

impl VolumeUse {
    /// Records the volume, where it is not, and that the container mounts it.
    pub(crate) fn add(&self, tx: &Transaction<'_>, container: &str) -> Result<()> {
        volumes::add(tx, &self.record)?;
        volumes::add_use(tx, container, &self.used)
    }
}

/// Adds the mounts whose place nothing else has.
fn add_missing(mounts: &mut Vec<MountRequest>, more: Vec<MountRequest>) {
    for new in more {
        if !mounts.iter().any(|mount| mount.target == new.target) {
            mounts.push(new);
        }
    }
}

/// A directory of this machine that a container mounts because somebody asked for it; what every container mounts is none.
fn of_machine(mount: &Mount, own: &Path) -> Option<MountRequest> {
    let of_every = ["/proc", "/sys", "/dev/shm"].map(Path::new);
    let source = mount.source.as_deref()?;
    let asked = mount.kind.as_deref() == Some("bind")
        && !source.starts_with(own)
        && !of_every.contains(&mount.destination.as_path());
    let has = |option: &str| mount.options.iter().any(|o| o == option);
    asked.then(|| MountRequest {
        target: mount.destination.clone(),
        read_only: false,
        kind: MountKind::Bind(BindSource {
            path: source.to_owned(),
            recursive: has("rbind"),
            read_only_top: has("ro"),
            propagation: match () {
                () if has("rshared") => Propagation::Shared,
                () if has("rslave") => Propagation::Slave,
                () => Propagation::Private,
            },
        }),
        flags: Vec::new(),
        owners: mount
            .options
            .iter()
            .find(|o| o.starts_with("idmap=") || o.starts_with("ridmap="))
            .cloned(),
    })
}
