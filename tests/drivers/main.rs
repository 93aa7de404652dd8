//! `tare-runtime` driven by other people's engines: containerd, docker and podman of Debian sid, each beside the runtime it
//! ships with. One table of commands per engine and subject; each is run with both runtimes, and must print the same and
//! end alike, and print what the table says where it says so.

#[macro_use]
mod look;

mod machine;
mod table;

mod alike;
mod containerd;
mod cri;
mod docker;
mod handlers;
mod podman;
mod restart;
mod shims;
