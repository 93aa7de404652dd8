//! ttrpc and the messages of shims against containerd's own code: the program `peer` (tests/ttrpc/peer, in Go), as a
//! client of ours, as a server for us, and as who says what the bytes of each message are.

mod bed;
mod client;
mod clock;
mod execs;
mod faults;
mod hung;
mod idle;
mod logs;
#[path = "../drivers/machine.rs"]
mod machine;
mod messages;
mod sandbox;
mod serve;
mod server;
mod shim;

mod storm;
mod stubborn;
mod successor;
mod systemd;
mod terminals;
mod upgrade;

use tare_kit::Need;

/// Every test here needs Go, or what it once made.
const NEEDS: &[Need] = &[Need::Fixture("ttrpc")];
