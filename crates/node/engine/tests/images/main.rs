//! Images of a real engine: from registries that lie and registries of the field, from archives, through crashes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod made;
#[path = "../../../../image/registry/tests/hostile/server.rs"]
mod server;

mod bad;
mod crash;
mod foreign;
mod life;
