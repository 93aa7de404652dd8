//! Block devices: weights and rates.

use super::{Draft, Setting, given};
use crate::host::{Controller, Version};
use tare_error::Kind;
use tare_spec_oci::{BlockIo, ThrottleDevice};

const WEIGHT: &str = "block IO weight";
const LEAF: &str = "block IO leaf weight";
const RATE: &str = "block IO rate";
const NO_WEIGHT: &str = "weights need the bfq I/O scheduler on the disk (echo bfq > /sys/block/<disk>/queue/scheduler); \
                         leave the weight out";

pub(super) fn plan(block: &BlockIo, draft: &mut Draft<'_>) {
    if *block == BlockIo::default() {
        return;
    }
    let Some(version) = draft.home(Controller::Io, WEIGHT) else {
        return;
    };
    weights(block, version, draft);
    let rates = [
        (
            &block.throttle_read_bps_device,
            "blkio.throttle.read_bps_device",
            "rbps",
        ),
        (
            &block.throttle_write_bps_device,
            "blkio.throttle.write_bps_device",
            "wbps",
        ),
        (
            &block.throttle_read_iops_device,
            "blkio.throttle.read_iops_device",
            "riops",
        ),
        (
            &block.throttle_write_iops_device,
            "blkio.throttle.write_iops_device",
            "wiops",
        ),
    ];
    for (devices, v1_file, v2_key) in rates {
        for device in devices {
            rate(device, version, (v1_file, v2_key), draft);
        }
    }
}

fn set(what: &'static str, file: &'static str, value: &(impl ToString + ?Sized)) -> Setting {
    Setting::new(Controller::Io, what, file, value)
}

fn weights(block: &BlockIo, version: Version, draft: &mut Draft<'_>) {
    if let Some(weight) = checked(given(block.weight), WEIGHT, draft) {
        draft.step([match version {
            Version::V1 => set(WEIGHT, "blkio.weight", &weight)
                .or(set(WEIGHT, "blkio.bfq.weight", &weight).or_refuse(NO_WEIGHT)),
            Version::V2 => {
                set(WEIGHT, "io.bfq.weight", &weight)
                    .or(set(WEIGHT, "io.weight", &io_weight(weight)).or_refuse(NO_WEIGHT))
            }
        }]);
    }
    if let Some(weight) = checked(given(block.leaf_weight), LEAF, draft) {
        match version {
            Version::V1 => draft.step([set(LEAF, "blkio.leaf_weight", &weight).or_refuse(NO_WEIGHT)]),
            Version::V2 => draft.refuse_on_v2(LEAF),
        }
    }
    for device in &block.weight_device {
        let Some(number) = number(device.major, device.minor, WEIGHT, draft) else {
            continue;
        };
        if let Some(weight) = checked(given(device.weight), WEIGHT, draft) {
            let line = format!("{number} {weight}");
            draft.step([match version {
                Version::V1 => set(WEIGHT, "blkio.weight_device", &line).or(set(
                    WEIGHT,
                    "blkio.bfq.weight_device",
                    &line,
                )
                .or_refuse(NO_WEIGHT)),
                Version::V2 => {
                    let converted = format!("{number} {}", io_weight(weight));
                    set(WEIGHT, "io.bfq.weight", &line)
                        .or(set(WEIGHT, "io.weight", &converted).or_refuse(NO_WEIGHT))
                }
            }]);
        }
        if let Some(weight) = checked(given(device.leaf_weight), LEAF, draft) {
            let line = format!("{number} {weight}");
            match version {
                Version::V1 => {
                    draft.step([set(LEAF, "blkio.leaf_weight_device", &line).or_refuse(NO_WEIGHT)])
                }
                Version::V2 => draft.refuse_on_v2(LEAF),
            }
        }
    }
}

fn rate(
    device: &ThrottleDevice,
    version: Version,
    (v1_file, v2_key): (&'static str, &str),
    draft: &mut Draft<'_>,
) {
    let Some(number) = number(device.major, device.minor, RATE, draft) else {
        return;
    };
    draft.step([match version {
        Version::V1 => set(RATE, v1_file, &format!("{number} {}", device.rate)),
        // Version 1 takes 0 for "no limit", version 2 wants the word.
        Version::V2 if device.rate == 0 => set(RATE, "io.max", &format!("{number} {v2_key}=max")),
        Version::V2 => set(RATE, "io.max", &format!("{number} {v2_key}={}", device.rate)),
    }]);
}

fn checked(weight: Option<u16>, what: &'static str, draft: &mut Draft<'_>) -> Option<u16> {
    let weight = weight?;
    if (10..=1000).contains(&weight) {
        return Some(weight);
    }
    draft.refuse(
        Kind::Invalid,
        what,
        format!("{weight} is not in 10 to 1000"),
        "give 10 to 1000",
    );
    None
}

fn number(major: i64, minor: i64, what: &'static str, draft: &mut Draft<'_>) -> Option<String> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Some(format!("{major}:{minor}")),
        _ => {
            let why = format!("{major}:{minor} is no device number");
            draft.refuse(
                Kind::Invalid,
                what,
                why,
                "ls -l /dev/<disk> shows major and minor number",
            );
            None
        }
    }
}

/// A block IO weight of 10 to 1000 on the scale of version 2's `io.weight`, 1 to 10000 (runc's straight line).
pub fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::io_weight;

    #[test]
    fn the_scale_keeps_its_ends() {
        assert_eq!([10, 100, 500, 1000].map(io_weight), [1, 910, 4950, 10_000]);
    }
}
