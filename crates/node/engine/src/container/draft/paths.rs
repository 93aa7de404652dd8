//! Parts of /proc and /sys that tell about, or reach, the machine: hidden or made read-only, as docker's.

use super::{Draft, Input};
use tare_error::Result;

/// Hidden by default (moby `oci/defaults.go`, 28.5).
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Read-only by default.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.security;
    if asked.privileged || asked.open_system_paths {
        return Ok(());
    }
    draft.linux.masked_paths = MASKED.iter().map(Into::into).collect();
    let throttle = |n: u32| format!("/sys/devices/system/cpu/cpu{n}/thermal_throttle").into();
    draft
        .linux
        .masked_paths
        .extend((0..input.host.processors).map(throttle));
    draft.linux.readonly_paths = READ_ONLY.iter().map(Into::into).collect();
    Ok(())
}
