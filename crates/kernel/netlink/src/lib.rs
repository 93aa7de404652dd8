//! **What.** Network interfaces and their addresses by rtnetlink: found, moved into another network namespace, renamed,
//! given addresses, brought up.
//!
//! **Not.** No bridges, routes, firewalls or policy: which interface a container gets is `tare-container`'s.
//!
//! **Words.** *Link*: an interface, by its index (`rtnetlink(7)`). *Message*, *attribute*: as of `netlink(7)`.
//!
//! **Life.** [`Route::open`] in a network namespace → requests, each answered before the next → dropped.
//!
//! **Rules.** A socket belongs to the namespace it was opened in, wherever its holder goes. Every answer is checked for
//! its length before it is read; what is not understood is passed over.

mod message;
mod route;

pub use route::{Address, Link, Route};
