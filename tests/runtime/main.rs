//! `tare-runtime`: the life of a container by one command after the other, exec, hooks, bad input, death at any point.

mod annotations;
mod attacks;
mod bundle;
mod exec;
mod handed;
mod hooks;
mod input;
mod killed;
mod landlock;
mod life;
mod mounts;
mod person;
mod places;
mod sources;
mod systemd;
mod told;
mod verbs;
