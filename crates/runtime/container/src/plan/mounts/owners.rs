//! Idmapped mounts: by which maps the owners of a bind mount's files are mapped.

mod written;

use crate::plan::{Draft, Maps};
use crate::step::Mapped;
use tare_error::{Error, Kind, Result};
use tare_mount::{Bind, Options};
use tare_spec_oci::{Mount, NamespaceKind};

/// Whether a mount is to be idmapped.
pub(super) fn asks(mount: &Mount, options: &Options) -> bool {
    let given = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    let named = |key: &str| key == "idmap" || key == "ridmap";
    given || options.idmap.is_some() || options.parameters.iter().any(|p| named(&p.key))
}

/// By what the owners of a bind mount are mapped: the mount's own maps, else those of the container's user namespace.
pub(super) fn mapped(draft: &mut Draft<'_>, mount: &Mount, options: &Options) -> Result<Option<Mapped>> {
    if !asks(mount, options) {
        return Ok(None);
    }
    let at = mount.destination.display();
    let invalid = |why: &str| Error::new(Kind::Invalid, "mount", &at).because(why);
    let (uids, gids) = (&mount.uid_mappings, &mount.gid_mappings);
    let mut recursive = options.idmap == Some(Bind::Recursive);
    let written = options
        .parameters
        .iter()
        .rfind(|p| p.key == "idmap" || p.key == "ridmap");
    let maps = match (uids.is_empty(), gids.is_empty()) {
        (true, true) if written.is_some() => {
            recursive = written.is_some_and(|p| p.key == "ridmap");
            let text = written.and_then(|p| p.value.as_deref()).unwrap_or_default();
            written::read(text, draft.linux)
                .map_err(|why| invalid(&why).hint("write idmap=uids=0-1000-10#10-2000-5;gids=0-1000-10"))?
        }
        (false, false) if written.is_some() => {
            return Err(invalid(
                "its maps are given twice: as a value of idmap, and as its own members",
            ));
        }
        (false, false) => Maps::Given {
            uids: uids.clone(),
            gids: gids.clone(),
        },
        (true, true) => of_the_container(draft).ok_or_else(|| {
            invalid("idmap needs uidMappings and gidMappings of the mount, or a user namespace")
        })?,
        _ => return Err(invalid("uidMappings and gidMappings must be given together")),
    };
    let by = draft.plan.maps.iter().position(|known| *known == maps);
    let by = by.unwrap_or_else(|| {
        draft.plan.maps.push(maps);
        draft.plan.maps.len() - 1
    });
    Ok(Some(Mapped { by, recursive }))
}

/// The maps of the container's user namespace, new or joined.
fn of_the_container(draft: &Draft<'_>) -> Option<Maps> {
    if draft.is_new(NamespaceKind::User) {
        return Some(Maps::Given {
            uids: draft.linux.uid_mappings.clone(),
            gids: draft.linux.gid_mappings.clone(),
        });
    }
    let mut joined = draft.plan.joined.iter();
    let namespace = joined.position(|n| n.kind == NamespaceKind::User)?;
    Some(Maps::Joined { namespace })
}
