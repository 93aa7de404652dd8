//! Moving interfaces of the host into the container's network namespace, with their addresses.

use crate::plan::Interface;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tare_error::{Context, Error, Kind, Result};
use tare_netlink::{Link, Route};

/// Moves interfaces into the network namespace open at `namespace`, gives them the addresses they had, and brings them
/// up (runtime-spec, `config-linux.md`, "Network Devices").
pub(super) fn hand_over(interfaces: &[Interface], namespace: &OwnedFd) -> Result<()> {
    if interfaces.is_empty() {
        return Ok(());
    }
    let operation = "move network device";
    let mut here = Route::open().op("open", "rtnetlink")?;
    let mut there = open_in(namespace.as_fd())?;
    for Interface { name, inside } in interfaces {
        let failed = |e: Errno| {
            let error = Error::os(operation, name, e);
            match e {
                Errno::EXIST => error.hint(format!("the container has a device {inside:?} already")),
                Errno::INVAL => error.hint("this device belongs to its network namespace"),
                _ => error,
            }
        };
        let links = here.links().map_err(failed)?;
        let link = links.iter().find(|l| l.name == *name).ok_or_else(|| {
            Error::new(Kind::NotFound, operation, name).because("the host has no device of this name")
        })?;
        let addresses = here.given_addresses(link.index).map_err(failed)?;
        let before = there.links().map_err(failed)?;
        here.move_link(link.index, namespace.as_fd(), inside)
            .map_err(failed)?;
        let now = there.links().map_err(failed)?;
        // Its number there may be another, and so may its name.
        let new = |l: &&Link| before.iter().all(|b| b.index != l.index);
        let moved = now.iter().find(new).ok_or_else(|| failed(Errno::NODEV))?;
        for address in &addresses {
            there.add_address(moved.index, address).map_err(failed)?;
        }
        there.bring_up(moved.index).map_err(failed)?;
    }
    Ok(())
}

/// Opens a socket in another network namespace; this thread is back in its own afterwards.
fn open_in(namespace: BorrowedFd<'_>) -> Result<Route> {
    let own = super::open_namespace("/proc/self/ns/net")?;
    let enter = |to: BorrowedFd<'_>| {
        move_into_link_name_space(to, Some(LinkNameSpaceType::Network)).op("join namespace", "network")
    };
    enter(namespace)?;
    let opened = Route::open().op("open", "rtnetlink");
    enter(own.as_fd())?;
    opened
}
