//! `tare run`: docker's defaults as seen from inside, ends and streams, limits, mounts, bad input, death at any point.

mod shell;

mod attach;
mod cp;
mod create;
mod defaults;
mod detached;
mod ends;
mod events;
mod files;
mod groups;
mod guide;
mod health;
mod hostile;
mod images;
mod init;
mod input;
mod killed;
mod limits;
mod messages;
mod namespaces;
mod options;
mod person;
mod prune;
mod pulled;
mod records;
mod restart;
mod shown;
mod storm;
mod streams;
mod unshare;
mod update;
mod used;
mod volumes;
mod why;
