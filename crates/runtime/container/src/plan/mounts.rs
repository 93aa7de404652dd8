//! The root and the mounts in it.

mod owners;

use crate::plan::{Draft, Tree, c_path, target};
use crate::request::Cgroups;
use crate::step::{Action, Beginning, MountStep, Place, Prepared, Source};
use rustix::mount::MountAttrFlags;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_mount::{Attributes, Bind, FileSystem, Links, Options, Overlay, Parameter, Propagation};
use tare_spec_oci::{Mount, NamespaceKind};

/// Where a link in an image must not lead a mount elsewhere: programs trust these places.
const STRICT: &[&str] = &["/proc", "/sys", "/dev"];

/// Adds the root, the mounts, and leaving the host's tree.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    let propagation = propagation(draft)?;
    let host = propagation.unwrap_or(Propagation::Slave);
    let own = draft.is_new(NamespaceKind::Mount);
    if !own {
        sharing_mounts(draft)?;
    }
    draft.push(
        Place::Handles,
        "open",
        "/proc and /dev/null of the host",
        Action::OpenHandles,
    );
    let action = Action::HostPropagation(host);
    draft.push(Place::Propagation, "make propagation private of", "/", action);
    root(draft)?;
    let mounts = &draft.request.spec.mounts;
    for mount in mounts {
        match draft.inside(&mount.destination) {
            None => one(draft, mount)?,
            Some(destination) => one(
                draft,
                &Mount {
                    destination,
                    ..mount.clone()
                },
            )?,
        }
    }
    if draft.request.spec.root.as_ref().is_some_and(|r| r.readonly) {
        draft.push(Place::RootReadOnly, "make read-only", "/", Action::RootReadOnly);
    }
    let (name, action) = if !own {
        (
            "give back the mount namespace and enter",
            Action::ReturnMountNamespace,
        )
    } else if draft.request.options.without_pivot {
        (
            "move into",
            Action::MoveRoot {
                hidden: draft
                    .facts
                    .kernel_views
                    .iter()
                    .map(|path| c_path(path))
                    .collect::<Result<_>>()?,
            },
        )
    } else {
        ("pivot into", Action::Pivot)
    };
    draft.push(Place::Pivot, name, "the root", action);
    if let Some(propagation) = propagation {
        let recursive = draft
            .linux
            .rootfs_propagation
            .as_deref()
            .is_some_and(|p| p.starts_with('r'));
        let action = Action::RootPropagation(propagation, recursive);
        draft.push(Place::RootPropagation, "set propagation of", "/", action);
    } else if draft.request.rootfs.is_empty() {
        // A tree of the host would go on to receive what is mounted below it there. What is bound into it says for
        // itself what it receives.
        let action = Action::RootPropagation(Propagation::Private, false);
        draft.push(Place::RootPropagation, "make private", "/", action);
    }
    Ok(())
}

fn propagation(draft: &Draft<'_>) -> Result<Option<Propagation>> {
    let Some(word) = draft
        .linux
        .rootfs_propagation
        .as_deref()
        .filter(|w| !w.is_empty())
    else {
        return Ok(None);
    };
    match *Options::parse(&[word.to_owned()]).propagation {
        [(propagation, _)] => Ok(Some(propagation)),
        _ => Err(Error::new(Kind::Invalid, "use rootfsPropagation", word)
            .hint("shared, slave, private, unbindable, or one of them with an r in front")),
    }
}

/// The root: the last mount of the list that the caller gave, or the bundle's directory.
fn root(draft: &mut Draft<'_>) -> Result<()> {
    if let [mount] = draft.request.rootfs {
        let options = Options::parse(&mount.options);
        let kind = mount.kind.as_deref().unwrap_or("bind").to_owned();
        let mut source = source(draft, mount, &options)?;
        if draft.has_namespace(NamespaceKind::User)
            && !matches!(source, Source::Tree { .. } | Source::Place { .. })
        {
            // Layers are the host's: they are opened, and the overlay is made, with its rights.
            let from = Prepared::Made(Box::new(source));
            source = Source::Tree {
                slot: draft.prepare("make root of type", &kind, from),
            };
        }
        let action = Action::Root { source, at: None };
        draft.push(Place::Root, "mount root of type", kind, action);
        if options.attributes.set.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) && options.bind.is_some() {
            draft.push(Place::RootReadOnly, "make read-only", "/", Action::RootReadOnly);
        }
        return Ok(());
    }
    if !draft.request.rootfs.is_empty() {
        return Err(Error::new(Kind::Unsupported, "mount root of", draft.request.id)
            .because("a root made of several mounts is not supported yet"));
    }
    let root = draft.request.spec.root.as_ref().ok_or_else(|| {
        Error::new(Kind::Invalid, "read configuration of", draft.request.id)
            .because("no \"root\" and no root mounts")
    })?;
    let path = draft.on_host(&root.path);
    let source = draft.bound(&Tree::of(&path, true), path.display())?;
    let at = if hooks_look_for_it(draft) {
        Some(c_path(&path)?)
    } else {
        None
    };
    let action = Action::Root { source, at };
    draft.push(Place::Root, "mount root", path.display(), action);
    Ok(())
}

/// A container with the mounts of others builds its root in a borrowed namespace; what it may ask for is runc's rule.
fn sharing_mounts(draft: &mut Draft<'_>) -> Result<()> {
    let refuse = |what: &str| {
        let why = "it needs a mount namespace of the container's own";
        Err(Error::new(Kind::Invalid, "use", what).because(why))
    };
    if draft.has_namespace(NamespaceKind::User) {
        return refuse("the user namespace");
    }
    if !draft.has_namespace(NamespaceKind::Mount) {
        for (member, paths) in [
            ("linux.maskedPaths", &draft.linux.masked_paths),
            ("linux.readonlyPaths", &draft.linux.readonly_paths),
        ] {
            if !paths.is_empty() {
                return refuse(member);
            }
        }
    }
    let action = Action::BorrowMountNamespace;
    draft.push(Place::MountNamespace, "borrow", "a mount namespace", action);
    Ok(())
}

/// Whether hooks run that may mount into the root by its path.
fn hooks_look_for_it(draft: &Draft<'_>) -> bool {
    let hooks = draft.request.spec.hooks.as_ref();
    let any = hooks.is_some_and(|h| {
        !(h.prestart.is_empty() && h.create_runtime.is_empty() && h.create_container.is_empty())
    });
    any && !draft.request.options.without_pivot
}

/// Whether the group of terminals exists inside: without it the kernel refuses the mount, and terminals then belong
/// to their user's own group.
fn group_exists(draft: &Draft<'_>, group: Option<&str>) -> bool {
    let Some(group) = group.and_then(|g| g.parse::<u32>().ok()) else {
        return true;
    };
    let maps = &draft.linux.gid_mappings;
    // The maps of a namespace that is joined may be unknown.
    let inside = maps.is_empty()
        || maps
            .iter()
            .any(|m| group >= m.container_id && group - m.container_id < m.size);
    inside && u64::from(group) < draft.facts.mapped_groups
}

/// One mount of the configuration.
pub(super) fn one(draft: &mut Draft<'_>, mount: &Mount) -> Result<()> {
    let mut options = Options::parse(&mount.options);
    let kind = mount.kind.as_deref().unwrap_or("none");
    if options.bind.is_none() && kind != "bind" && owners::asks(mount, &options) {
        return Err(invalid(mount, "only a bind mount can be idmapped"));
    }
    check_links(mount, &options, kind)?;
    if options.copy_up && kind != "tmpfs" {
        return Err(invalid(mount, "only a tmpfs starts with a copy (tmpcopyup)"));
    }
    if let (None, "cgroup", Cgroups::V1(hierarchies)) = (options.bind, kind, &draft.facts.cgroups) {
        return cgroup_v1(draft, mount, &options, hierarchies);
    }
    if of_the_host(draft, kind).is_some() {
        // A view of the host is never writable, at no depth (CVE-2023-25809).
        options.recursive.set |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    if kind == "devpts" {
        options
            .parameters
            .retain(|p| p.key != "gid" || group_exists(draft, p.value.as_deref()));
    }
    if mount.destination == Path::new("/dev")
        && options.attributes.set.contains(MountAttrFlags::MOUNT_ATTR_RDONLY)
    {
        read_only_at_the_end(draft, mount, &mut options)?;
    }
    let label = label(draft, kind, &mut options);
    let begin = beginning(kind, &options);
    let source = if begin != Beginning::Copy {
        source(draft, mount, &options)?
    } else {
        // Read-only it becomes once it has what it starts with.
        let mut writable = options.clone();
        for attributes in [&mut writable.attributes, &mut writable.recursive] {
            attributes.set -= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        source(draft, mount, &writable)?
    };
    let name = if matches!(
        source,
        Source::Tree { .. } | Source::Place { .. } | Source::Inside { .. }
    ) {
        "bind mount"
    } else {
        "mount"
    };
    let step = step(&mount.destination, source, &options)?;
    let step = MountStep { begin, label, ..step };
    push(draft, name, &mount.destination, step);
    Ok(())
}

/// What is said of links must mean something.
fn check_links(mount: &Mount, options: &Options, kind: &str) -> Result<()> {
    let links = options.links;
    if links != Links::default() && options.bind.is_none() && kind != "bind" {
        let why = "copy-symlink, src-nofollow and dest-nofollow are options of bind mounts";
        return Err(invalid(mount, why));
    }
    if links.copied && (links.bound || links.covered) {
        let why = "copy-symlink excludes src-nofollow and dest-nofollow";
        return Err(invalid(mount, why));
    }
    Ok(())
}

/// A read-only `/dev` is read-only once everything is in it.
fn read_only_at_the_end(draft: &mut Draft<'_>, mount: &Mount, options: &mut Options) -> Result<()> {
    options.attributes.set -= MountAttrFlags::MOUNT_ATTR_RDONLY;
    let action = Action::Remount {
        target: target(&mount.destination)?,
        attributes: Attributes {
            set: MountAttrFlags::MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        },
    };
    draft.push(
        Place::ReadOnlyPaths,
        "make read-only",
        mount.destination.display(),
        action,
    );
    Ok(())
}

/// What a new file system starts with: a tmpfs has the mode of the directory it covers, where none is asked for, and
/// with `tmpcopyup` all that is in it (runc's rule).
fn beginning(kind: &str, options: &Options) -> Beginning {
    let has_mode = || options.parameters.iter().any(|p| p.key == "mode");
    match (kind, options.bind) {
        ("tmpfs", None) if options.copy_up => Beginning::Copy,
        ("tmpfs", None) if !has_mode() => Beginning::Mode,
        _ => Beginning::Empty,
    }
}

/// Gives a file system the label of the container's mounts, where the host has SELinux: as its context, or where it
/// takes none, afterwards. The kernel labels procfs, sysfs and cgroups itself.
fn label(draft: &Draft<'_>, kind: &str, options: &mut Options) -> Option<Vec<u8>> {
    let label = draft.linux.mount_label.as_ref().filter(|l| !l.is_empty())?;
    let bound = options.bind.is_some() || ["bind", "proc", "sysfs", "cgroup", "cgroup2"].contains(&kind);
    if !draft.facts.selinux || bound {
        return None;
    }
    if kind == "mqueue" {
        return Some(label.as_bytes().to_vec());
    }
    let key = draft.request.options.label_option.as_str();
    if options.parameters.iter().all(|p| p.key != key) {
        options.parameters.push(Parameter {
            key: key.to_owned(),
            value: Some(label.clone()),
        });
    }
    None
}

/// Adds a mount step.
fn push(draft: &mut Draft<'_>, name: &'static str, at: &Path, step: MountStep) {
    draft.push(Place::Mounts, name, at.display(), Action::Mount(Box::new(step)));
}

/// A mount step as options say.
fn step(at: &Path, source: Source, options: &Options) -> Result<MountStep> {
    let target = target(at)?;
    let strict = STRICT.iter().any(|s| target.path().to_bytes() == s.as_bytes());
    Ok(MountStep {
        source,
        target,
        strict,
        links: options.links,
        begin: Beginning::Empty,
        label: None,
        attributes: options.attributes,
        recursive: options.recursive,
        propagation: options.propagation.clone(),
    })
}

/// Where a mount comes from, by its type.
fn source(draft: &mut Draft<'_>, mount: &Mount, options: &Options) -> Result<Source> {
    let at = mount.destination.display();
    let kind = mount.kind.as_deref().unwrap_or("none");
    if let Some(bind) = options.bind.or((kind == "bind").then_some(Bind::Single)) {
        let source = mount
            .source
            .as_deref()
            .ok_or_else(|| invalid(mount, "a bind mount needs a source"))?;
        let path = draft.on_host(source);
        let subject = format!("{} for {at}", path.display());
        let mapped = owners::mapped(draft, mount, options)?;
        let (recursive, link) = (
            bind == Bind::Recursive,
            options.links.bound || options.links.copied,
        );
        // Owners are mapped with the host's rights: a user namespace has lost them when its root is there.
        let can_wait = mapped.is_none() || !draft.has_namespace(NamespaceKind::User);
        if let Some(inside) = draft.inside(&path).filter(|_| can_wait) {
            return Ok(Source::Inside {
                place: target(&inside)?,
                recursive,
                mapped,
                link,
            });
        }
        let tree = Tree {
            mapped,
            link,
            ..Tree::of(&path, recursive)
        };
        return draft.bound(&tree, subject);
    }
    if let Some((path, subject)) = of_the_host(draft, kind) {
        return draft.bound(&Tree::of(Path::new(path), true), subject);
    }
    if kind == "overlay" {
        let overlay = Overlay::prepare(options).map_err(|_| {
            invalid(
                mount,
                "an overlay needs 1 to 500 lower directories, and a work directory beside an upper one",
            )
        })?;
        let append = draft.facts.overlay_append;
        return Ok(Source::Overlay { overlay, append });
    }
    let kind = match (kind, &draft.facts.cgroups) {
        ("cgroup", Cgroups::V2) => "cgroup2",
        ("none" | "", _) => return Err(invalid(mount, "it has neither a type nor the option bind")),
        (kind, _) => kind,
    };
    let name = mount.source.as_ref().and_then(|s| s.to_str()).unwrap_or(kind);
    let file_system =
        FileSystem::prepare(kind, Some(name), options).map_err(|_| invalid(mount, "a NUL byte"))?;
    Ok(Source::New(file_system))
}

/// What a user namespace cannot mount anew, and gets from the host: sysfs shows the network namespace it is made in,
/// which must be ours; cgroup2 the cgroup namespace.
fn of_the_host(draft: &Draft<'_>, kind: &str) -> Option<(&'static str, &'static str)> {
    if !draft.without_mknod() {
        return None;
    }
    match (kind, &draft.facts.cgroups) {
        ("sysfs", _) if !draft.is_new(NamespaceKind::Network) => Some(("/sys", "/sys of the host")),
        ("cgroup" | "cgroup2", Cgroups::V2) if !draft.is_new(NamespaceKind::Cgroup) => {
            Some(("/sys/fs/cgroup", "/sys/fs/cgroup of the host"))
        }
        _ => None,
    }
}

fn invalid(mount: &Mount, reason: &str) -> Error {
    Error::new(Kind::Invalid, "mount", mount.destination.display()).because(reason)
}

/// The view of cgroup v1 as docker makes it: a tmpfs, in it each hierarchy, and a link per joined controller.
fn cgroup_v1(draft: &mut Draft<'_>, mount: &Mount, options: &Options, hierarchies: &[String]) -> Result<()> {
    let base = &mount.destination;
    let tmpfs = Options::parse(&["nosuid", "nodev", "noexec", "mode=755"].map(str::to_owned));
    let prepared =
        FileSystem::prepare("tmpfs", Some("tmpfs"), &tmpfs).map_err(|_| invalid(mount, "a NUL byte"))?;
    let tmpfs = step(base, Source::New(prepared), &tmpfs)?;
    push(draft, "mount", base, tmpfs);
    // Without limits of its own, a rootless container would see the whole host's groups; the empty tmpfs says that
    // there is nothing.
    let shown = if draft.facts.user_namespace {
        &[]
    } else {
        hierarchies
    };
    for hierarchy in shown {
        let directory = base.join(hierarchy.strip_prefix("name=").unwrap_or(hierarchy));
        let mut of_this = Options {
            attributes: options.attributes,
            ..Options::default()
        };
        let flags = if hierarchy.starts_with("name=") {
            vec!["none", hierarchy]
        } else {
            hierarchy.split(',').collect()
        };
        of_this.parameters =
            Options::parse(&flags.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()).parameters;
        let prepared = FileSystem::prepare("cgroup", Some("cgroup"), &of_this)
            .map_err(|_| invalid(mount, "a NUL byte"))?;
        let of_this = step(&directory, Source::New(prepared), &of_this)?;
        push(draft, "mount", &directory, of_this);
        if let (Some(_), Some(joined)) = (hierarchy.find(','), directory.file_name()) {
            for controller in hierarchy.split(',') {
                let action = Action::Link {
                    text: c_path(Path::new(joined))?,
                    at: target(&base.join(controller))?,
                };
                draft.push(Place::Mounts, "link", base.join(controller).display(), action);
            }
        }
    }
    if options.attributes.set.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) || shown.is_empty() {
        let attributes = Attributes {
            set: MountAttrFlags::MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        };
        let action = Action::Remount {
            target: target(base)?,
            attributes,
        };
        draft.push(Place::Mounts, "make read-only", base.display(), action);
    }
    Ok(())
}
