//! Processor time, and which processors and memory nodes.

use super::{Draft, Setting, given, or_max};
use crate::host::{Controller, Version};
use tare_error::Kind;
use tare_spec_oci::Cpu;

const SHARES: &str = "CPU shares";
const QUOTA: &str = "CPU quota";
const BURST: &str = "CPU burst";
const IDLE: &str = "CPU idle policy";
const REALTIME: &str = "real-time CPU limit";
const OLD_KERNEL: &str = "this kernel is too old for it; leave it out";
const NO_RT: &str = "this kernel has no real-time group scheduling; leave it out";

/// The period the kernel starts with, in microseconds.
const PERIOD: u64 = 100_000;

pub(super) fn plan(cpu: &Cpu, draft: &mut Draft<'_>) {
    let asks_time = given(cpu.shares).is_some()
        || given(cpu.quota).is_some()
        || given(cpu.period).is_some()
        || cpu.burst.is_some()
        || cpu.idle.is_some();
    let asks_realtime = given(cpu.realtime_runtime).is_some() || given(cpu.realtime_period).is_some();
    if asks_time || asks_realtime {
        match draft.home(Controller::Cpu, if asks_time { QUOTA } else { REALTIME }) {
            Some(Version::V1) => time_v1(cpu, draft),
            Some(Version::V2) => {
                time_v2(cpu, draft);
                if asks_realtime {
                    draft.refuse_on_v2(REALTIME);
                }
            }
            None => {}
        }
    }
    sets(cpu, draft);
}

fn set(what: &'static str, file: &'static str, value: &(impl ToString + ?Sized)) -> Setting {
    Setting::new(Controller::Cpu, what, file, value)
}

fn time_v1(cpu: &Cpu, draft: &mut Draft<'_>) {
    let shares = given(cpu.shares).map(|value| set(SHARES, "cpu.shares", &value));
    let idle = cpu
        .idle
        .map(|value| set(IDLE, "cpu.idle", &value).or_refuse(OLD_KERNEL));
    // A group that is idle takes no shares, so the order depends on what it was.
    draft.step(shares.into_iter().chain(idle));
    let period = given(cpu.period).map(|value| set(QUOTA, "cpu.cfs_period_us", &value));
    let quota = given(cpu.quota).map(|value| set(QUOTA, "cpu.cfs_quota_us", &value.max(-1)));
    let burst = cpu
        .burst
        .map(|value| set(BURST, "cpu.cfs_burst_us", &value).or_refuse(OLD_KERNEL));
    draft.step(period.into_iter().chain(quota).chain(burst));
    let period =
        given(cpu.realtime_period).map(|value| set(REALTIME, "cpu.rt_period_us", &value).or_refuse(NO_RT));
    let runtime =
        given(cpu.realtime_runtime).map(|value| set(REALTIME, "cpu.rt_runtime_us", &value).or_refuse(NO_RT));
    draft.step(period.into_iter().chain(runtime));
}

fn time_v2(cpu: &Cpu, draft: &mut Draft<'_>) {
    let weight = given(cpu.shares).map(|value| set(SHARES, "cpu.weight", &weight_of_shares(value)));
    let idle = cpu
        .idle
        .map(|value| set(IDLE, "cpu.idle", &value).or_refuse(OLD_KERNEL));
    draft.step(weight.into_iter().chain(idle));
    let (quota, period) = (given(cpu.quota), given(cpu.period));
    let max = (quota.is_some() || period.is_some()).then(|| {
        let value = format!("{} {}", or_max(quota.unwrap_or(-1)), period.unwrap_or(PERIOD));
        set(QUOTA, "cpu.max", &value)
    });
    let burst = cpu
        .burst
        .map(|value| set(BURST, "cpu.max.burst", &value).or_refuse(OLD_KERNEL));
    draft.step(max.into_iter().chain(burst));
}

/// Shares of version 1 (2 to 262144, default 1024) as a weight of version 2 (1 to 10000, default 100).
///
/// The curve of runc 1.3.2 and crun 1.23: quadratic in the logarithm, through both ends and both defaults. The
/// straight line of older runtimes gave 39 for the default.
pub fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            // Below 2^18, so exact as f64; the result is between 1 and 10000.
            let shares = f64::from(u32::try_from(shares).unwrap_or(u32::MAX));
            let log = shares.log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            let weight = 10_f64.powf(exponent).ceil().clamp(1.0, 10_000.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number between 1 and 10000"
            )]
            let weight = weight as u64;
            weight
        }
    }
}

fn sets(cpu: &Cpu, draft: &mut Draft<'_>) {
    let asked = [
        ("set of CPUs", "cpuset.cpus", &cpu.cpus),
        ("set of memory nodes", "cpuset.mems", &cpu.mems),
    ];
    for (what, file, list) in asked {
        let Some(list) = list.as_deref().map(str::trim).filter(|list| !list.is_empty()) else {
            continue;
        };
        if !is_list(list) {
            let hint = "give numbers and ranges, as in 0-3,7";
            draft.refuse(Kind::Invalid, what, format!("{list:?} is no list"), hint);
        } else if draft.home(Controller::Cpuset, what).is_some() {
            draft.step([Setting::new(Controller::Cpuset, what, file, &list)]);
        }
    }
}

/// The kernel's list form (`cpuset(7)`): `0-3,7`.
fn is_list(list: &str) -> bool {
    let is_number =
        |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    list.len() <= 4096
        && list.split(',').all(|item| match item.split_once('-') {
            Some((low, high)) => is_number(low) && is_number(high),
            None => is_number(item),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the formula with another language's mathematics library, and both ends.
    #[test]
    fn weights_are_those_of_runc() {
        for (shares, weight) in [
            (2, 1),
            (3, 2),
            (10, 4),
            (100, 17),
            (512, 59),
            (1023, 100),
            (1024, 100),
            (1025, 101),
            (2048, 174),
            (8192, 532),
            (100_000, 4340),
            (262_144, 10_000),
            (1_000_000, 10_000),
        ] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
    }

    #[test]
    fn weights_never_fall_and_stay_in_range() {
        let mut last = 1;
        for shares in 1..=262_144 {
            let weight = weight_of_shares(shares);
            assert!(
                (last..=10_000).contains(&weight),
                "{shares}: {weight} after {last}"
            );
            last = weight;
        }
    }

    #[test]
    fn lists() {
        for list in ["0", "0-3", "0-3,7", "1,2,3"] {
            assert!(is_list(list), "{list}");
        }
        for list in ["", "a", "0-", "-1", "0,,1", "0;1", "0\n1", "0-3-5", "99999999"] {
            assert!(!is_list(list), "{list:?}");
        }
    }
}
