//! Requests to rtnetlink (`rtnetlink(7)`).

use crate::message::{Message, Received, attributes, messages};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const REPLACE: u16 = 0x100;

/// `IFLA_IFNAME`, `IFLA_NET_NS_FD`.
const LINK_NAME: u16 = 3;
const LINK_NAMESPACE: u16 = 28;
/// `IFA_FLAGS`.
const ADDRESS_FLAGS: u16 = 8;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST`, `IFA_RT_PRIORITY`: what of an address is kept as it is.
const ADDRESS_KEPT: [u16; 4] = [1, 2, 4, 9];

/// `IFA_F_PERMANENT`: somebody gave it, it was not learnt.
const PERMANENT: u32 = 0x80;
/// `IFA_F_NODAD`, `IFA_F_HOMEADDRESS`, `IFA_F_NOPREFIXROUTE`: flags that are asked for and not found out.
const FLAGS_KEPT: u32 = 0x02 | 0x10 | 0x200;
/// `RT_SCOPE_UNIVERSE`.
const UNIVERSE: u8 = 0;
/// `IFF_UP`.
const UP: u32 = 1;

/// The kernel's datagrams are at most this long (`NLMSG_GOODSIZE`, and 32 KiB for dumps).
const LONGEST: usize = 64 << 10;

/// A socket to rtnetlink of one network namespace.
#[derive(Debug)]
pub struct Route {
    socket: OwnedFd,
    sequence: u32,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
}

/// An address of an interface, as it can be given to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET` or `AF_INET6`.
    family: u8,
    /// How long the network's part is, in bits.
    prefix: u8,
    flags: u32,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Route {
    /// Opens a socket in this thread's network namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Route> {
        // NETLINK_ROUTE is protocol 0.
        let protocol = None;
        let family = AddressFamily::NETLINK;
        let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        Ok(Route { socket, sequence: 0 })
    }

    /// All interfaces of the namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut found = Vec::new();
        self.dump(GET_LINK, &[0; 16], |body| {
            let index = body.get(4..).and_then(|b| b.first_chunk()).copied();
            let named = attributes(body.get(16..).unwrap_or(&[])).find(|(kind, _)| *kind == LINK_NAME);
            if let (Some(index), Some((_, name))) = (index, named) {
                let name = name.strip_suffix(&[0]).unwrap_or(name);
                found.push(Link {
                    index: u32::from_ne_bytes(index),
                    name: String::from_utf8_lossy(name).into_owned(),
                });
            }
        })?;
        Ok(found)
    }

    /// The addresses of an interface that were given to it and mean the same everywhere: permanent ones of global scope.
    ///
    /// # Errors
    /// The kernel's.
    pub fn given_addresses(&mut self, link: u32) -> Result<Vec<Address>> {
        let mut found = Vec::new();
        self.dump(GET_ADDRESS, &[0; 8], |body| {
            found.extend(given_address(body, link))
        })?;
        Ok(found)
    }

    /// Moves an interface into the network namespace open at `namespace`, under a name, which may hold one `%d` for a
    /// number that is free there.
    ///
    /// # Errors
    /// `EEXIST` where the name is taken there, `EPERM` without `CAP_NET_ADMIN` here and there, `EINVAL` for an interface
    /// that is bound to its namespace (`lo`).
    pub fn move_link(&mut self, link: u32, namespace: BorrowedFd<'_>, name: &str) -> Result<()> {
        let mut terminated = name.as_bytes().to_vec();
        terminated.push(0);
        let fd = namespace.as_raw_fd().to_ne_bytes();
        let fixed = link_header(link, 0, 0);
        self.change(NEW_LINK, 0, &fixed, |message| {
            message
                .attribute(LINK_NAMESPACE, &fd)
                .attribute(LINK_NAME, &terminated)
        })
    }

    /// Brings an interface up.
    ///
    /// # Errors
    /// The kernel's.
    pub fn bring_up(&mut self, link: u32) -> Result<()> {
        self.change(NEW_LINK, 0, &link_header(link, UP, UP), |message| message)
    }

    /// Gives an interface an address; one that it has is as good.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_address(&mut self, link: u32, address: &Address) -> Result<()> {
        let [a, b, c, d] = link.to_ne_bytes();
        let fixed = [address.family, address.prefix, 0, UNIVERSE, a, b, c, d];
        self.change(NEW_ADDRESS, CREATE | REPLACE, &fixed, |message| {
            let message = message.attribute(ADDRESS_FLAGS, &address.flags.to_ne_bytes());
            let all = address.attributes.iter();
            all.fold(message, |message, (kind, value)| message.attribute(*kind, value))
        })
    }

    /// Sends a request and waits for its acknowledgement.
    fn change(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        fill: impl FnOnce(Message) -> Message,
    ) -> Result<()> {
        self.sequence += 1;
        let message = Message::new(kind, REQUEST | ACKNOWLEDGE | flags, self.sequence, fixed);
        self.send(&fill(message).finish())?;
        self.receive(|_| ())
    }

    /// Sends a request for a list and takes each of it.
    fn dump(&mut self, kind: u16, fixed: &[u8], take: impl FnMut(&[u8])) -> Result<()> {
        self.sequence += 1;
        self.send(&Message::new(kind, REQUEST | DUMP, self.sequence, fixed).finish())?;
        self.receive(take)
    }

    fn send(&self, message: &[u8]) -> Result<()> {
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, message, SendFlags::empty(), &kernel).map(|_| ())
    }

    /// Takes answers until the last: an acknowledgement, an error or the end of a list.
    fn receive(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut datagram = vec![0; LONGEST];
        loop {
            let length = match rustix::net::recv(&self.socket, datagram.as_mut_slice(), RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                done => done?.0,
            };
            for message in messages(datagram.get(..length).unwrap_or(&[])) {
                if message.sequence == self.sequence
                    && let Some(end) = end(&message)
                {
                    return end;
                }
                if message.sequence == self.sequence {
                    take(message.body);
                }
            }
        }
    }
}

/// Whether a message is the last answer, and which.
fn end(message: &Received<'_>) -> Option<Result<()>> {
    match message.kind {
        DONE => Some(Ok(())),
        ERROR => Some(
            match message.body.first_chunk().copied().map(i32::from_ne_bytes) {
                Some(0) => Ok(()),
                Some(error) => Err(Errno::from_raw_os_error(-error)),
                None => Err(Errno::PROTO),
            },
        ),
        _ => None,
    }
}

/// `struct ifinfomsg`.
fn link_header(link: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    header.extend(link.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(change.to_ne_bytes());
    header
}

/// Reads `struct ifaddrmsg` with its attributes.
fn given_address(body: &[u8], link: u32) -> Option<Address> {
    let &[family, prefix, flags, scope, ref index @ ..] = body.first_chunk::<8>()?;
    let rest = body.get(8..)?;
    let all = || attributes(rest);
    // Newer flags do not fit into the byte.
    let flags = all()
        .find(|(kind, _)| *kind == ADDRESS_FLAGS)
        .and_then(|(_, value)| value.first_chunk().copied().map(u32::from_ne_bytes))
        .unwrap_or(u32::from(flags));
    if u32::from_ne_bytes(*index) != link || scope != UNIVERSE || flags & PERMANENT == 0 {
        return None;
    }
    let kept = all().filter(|(kind, _)| ADDRESS_KEPT.contains(kind));
    Some(Address {
        family,
        prefix,
        flags: flags & FLAGS_KEPT,
        attributes: kept.map(|(kind, value)| (kind, value.to_vec())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_is_not_moved() {
        let mut route = Route::open().unwrap();
        let lo = route
            .links()
            .unwrap()
            .into_iter()
            .find(|l| l.name == "lo")
            .unwrap();
        // Its addresses are of the host alone.
        assert_eq!(route.given_addresses(lo.index).unwrap(), []);
        let here = std::fs::File::open("/proc/self/ns/net").unwrap();
        let moved = route.move_link(u32::MAX >> 1, std::os::fd::AsFd::as_fd(&here), "x");
        assert!(
            moved == Err(Errno::NODEV) || moved == Err(Errno::PERM),
            "{moved:?}"
        );
    }

    #[test]
    fn addresses_that_were_learnt_are_left() {
        let address = |flags: u8, scope: u8, index: u8| {
            let mut body = vec![2, 24, flags, scope, index, 0, 0, 0];
            body.extend([8, 0, 2, 0, 10, 0, 0, 1]);
            body.extend([8, 0, 3, 0, b'e', b't', b'h', 0]);
            body
        };
        let found = given_address(&address(0x80, 0, 3), 3).unwrap();
        assert_eq!((found.family, found.prefix, found.flags), (2, 24, 0));
        // The label has the name of the interface in it, which may be another one there.
        assert_eq!(found.attributes, [(2, vec![10, 0, 0, 1])]);
        for (flags, scope, index) in [(0, 0, 3), (0x80, 253, 3), (0x80, 0, 4)] {
            assert_eq!(given_address(&address(flags, scope, index), 3), None);
        }
        let mut newer = address(0, 0, 3);
        newer.extend([8, 0, 8, 0, 0x80, 0x02, 0, 0]);
        assert_eq!(given_address(&newer, 3).unwrap().flags, 0x200);
        assert_eq!(given_address(&[2, 24], 3), None);
    }
}
