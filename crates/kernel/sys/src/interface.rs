//! Bringing a network interface up (`netdevice(7)`).

use crate::call::done;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::ffi::CStr;

/// Sets `IFF_UP` on the interface `name` of this thread's network namespace.
///
/// # Errors
/// `ENODEV` where there is no such interface, `EPERM` without `CAP_NET_ADMIN`, else the kernel's.
pub fn bring_up(name: &CStr) -> Result<()> {
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut name_field = [0; libc::IFNAMSIZ];
    let bytes = name.to_bytes();
    if bytes.len() >= name_field.len() {
        return Err(Errno::NAMETOOLONG);
    }
    for (to, from) in name_field.iter_mut().zip(bytes) {
        *to = from.cast_signed();
    }
    let mut request = libc::ifreq {
        ifr_name: name_field,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
    };
    ioctl(&socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS filled the flags member.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(|_| Errno::OVERFLOW)?;
    request.ifr_ifru = libc::__c_anonymous_ifr_ifru {
        ifru_flags: flags | up,
    };
    ioctl(&socket, libc::SIOCSIFFLAGS, &mut request)
}

/// One interface request; the request number's type differs between C libraries, so libc's inference is used.
fn ioctl(socket: &OwnedFd, request: u64, with: &mut libc::ifreq) -> Result<()> {
    // SAFETY: both requests read and write one ifreq, which `with` is, and the socket is open.
    done(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            socket.as_raw_fd(),
            request,
            std::ptr::from_mut(with),
        )
    })
}
