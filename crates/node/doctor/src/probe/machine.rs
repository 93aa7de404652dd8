//! Devices, tools and services of the machine.

use super::{read, words};
use crate::check::Finding;
use crate::place::Place;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with};
use std::path::Path;

pub(crate) fn fuse(_: &Place) -> Finding {
    device("/dev/fuse")
}

pub(crate) fn tun(_: &Place) -> Finding {
    device("/dev/net/tun")
}

/// Whether a guest runs fast under it is another question: some machines interpret a guest's kernel.
pub(crate) fn kvm(_: &Place) -> Finding {
    device("/dev/kvm")
}

fn device(path: &str) -> Finding {
    match rustix::fs::open(
        path,
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    ) {
        Ok(_) => Finding::yes(format!("{path} opens")),
        Err(Errno::ACCESS | Errno::PERM) => {
            Finding::no(format!("{path} is not open to this user")).mended_by(format!("chmod 0666 {path}"))
        }
        Err(e) => Finding::no(format!("{path}: {}", words(e))),
    }
}

pub(crate) fn nft(place: &Place) -> Finding {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::NETFILTER),
    );
    let tables = kernel.is_ok();
    match (place.program("nft"), tables) {
        (Some(path), true) => Finding::yes(path.display().to_string()),
        (Some(_), false) => Finding::no("the kernel has no netfilter").mended_by("modprobe nf_tables"),
        (None, true) => Finding::partly("the kernel's part is there; no nft program"),
        (None, false) => Finding::no("neither the program nor the kernel's part"),
    }
}

pub(crate) fn criu(place: &Place) -> Finding {
    program(place, "criu")
}

fn program(place: &Place, name: &str) -> Finding {
    match place.program(name) {
        Some(path) => Finding::yes(path.display().to_string()),
        None => Finding::no(format!("no {name} in the search path")),
    }
}

pub(crate) fn systemd(_: &Place) -> Finding {
    // What sd_booted(3) looks at.
    if Path::new("/run/systemd/system").is_dir() {
        Finding::yes("it is pid 1")
    } else {
        Finding::no("it is not pid 1 of this machine")
    }
}

pub(crate) fn forwarding(_: &Place) -> Finding {
    let is_on = |path: &str| read(path).is_some_and(|value| value != "0");
    let four = is_on("/proc/sys/net/ipv4/ip_forward");
    let six = is_on("/proc/sys/net/ipv6/conf/all/forwarding");
    match (four, six) {
        (true, true) => Finding::yes("IPv4 and IPv6"),
        (true, false) => Finding::partly("IPv4 alone").mended_by("sysctl -w net.ipv6.conf.all.forwarding=1"),
        (false, _) => Finding::no("off"),
    }
}
