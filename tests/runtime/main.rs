//! `tare-runtime`: the life of a container by one command after the other, exec, hooks, bad input, death at any point.

mod attacks;
mod bundle;

mod annotations;
mod exec;
mod handed;
mod hooks;
mod input;
mod killed;
mod life;
mod mounts;
mod places;
mod systemd;
mod verbs;
