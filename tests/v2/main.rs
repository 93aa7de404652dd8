//! `tare-runtime` under cgroup version 2 with every controller, in a virtual machine run by systemd: limits and their change,
//! out of memory, devices, scopes, delegation, ordinary users; beside runc and crun.
//!
//! What is not ignored is the smoke test that CI runs; `make soak` runs all (`cargo test --test v2 -- --include-ignored`).

mod case;

mod devices;
mod life;
mod memory;
mod peers;
mod rootless;
mod scopes;
mod update;
mod values;
