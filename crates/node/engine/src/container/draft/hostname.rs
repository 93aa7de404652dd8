//! The host name, and the three files under /etc that go with it.

use super::process::host_name_is_the_machines;
use super::{Draft, GeneratedFile, Input};
use crate::container::request::{NetworkMode, UtsMode};
use tare_error::{Error, Kind, Result};

/// The names a container can always resolve (moby's `etchosts`).
const HOSTS: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.namespaces;
    let pods = asked.of_pod(|shares| shares.uts);
    let of_pod = pods.map(|pod| pod.hostname.as_str());
    let name = match (&asked.hostname, asked.uts) {
        (Some(name), UtsMode::Host) => {
            return Err(Error::new(Kind::Invalid, "set host name", name.as_str())
                .because("--uts host shares the machine's own, which a container does not change"));
        }
        (Some(name), UtsMode::Private) => name.as_str(),
        (None, _) => match of_pod {
            Some(name) => name,
            None if host_name_is_the_machines(input) => &input.host.hostname,
            None => input.id.short(),
        },
    };
    // A pod's has been set with the namespace.
    if asked.uts == UtsMode::Private && pods.is_none() {
        draft.hostname = Some(name.to_owned());
    }
    // Without a network the container's own name is an address of its loopback, so that programs find themselves.
    let hosts = match asked.network {
        NetworkMode::Host => input.found.hosts.clone(),
        NetworkMode::None => format!("{HOSTS}127.0.1.1\t{name}\n").into_bytes(),
    };
    for (name, content) in [
        ("resolv.conf", input.found.resolv_conf.clone()),
        ("hostname", format!("{name}\n").into_bytes()),
        ("hosts", hosts),
    ] {
        draft.files.push(GeneratedFile { name, content });
    }
    Ok(())
}
