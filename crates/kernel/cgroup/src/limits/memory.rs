//! Memory and swap.

use super::{Draft, Setting, given, or_max};
use crate::host::{Controller, Version};
use tare_error::Kind;
use tare_spec_oci::Memory;

const LIMIT: &str = "memory limit";
const SWAP: &str = "memory and swap limit";
const RESERVATION: &str = "memory reservation";
const NO_SWAP: &str =
    "this kernel does not account swap: start it with swapaccount=1, or leave the swap limit out";

/// Kernel memory limits and `useHierarchy` are not written: kernels since 5.11 ignore or fix them.
pub(super) fn plan(memory: &Memory, draft: &mut Draft<'_>) {
    let limit = given(memory.limit);
    let swap = given(memory.swap);
    let reservation = given(memory.reservation);
    let keep_stopped = memory.disable_oom_killer == Some(true);
    if limit.is_none()
        && swap.is_none()
        && reservation.is_none()
        && memory.swappiness.is_none()
        && !keep_stopped
    {
        return;
    }
    for (what, amount) in [(LIMIT, limit), (SWAP, swap), (RESERVATION, reservation)] {
        if amount.is_some_and(|amount| amount < -1) {
            draft.refuse(
                Kind::Invalid,
                what,
                "it is negative",
                "give bytes, or -1 for no limit",
            );
            return;
        }
    }
    let Some(version) = draft.home(Controller::Memory, LIMIT) else {
        return;
    };
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap >= 0
        && (limit < 0 || swap < limit)
    {
        let hint = "the swap limit counts memory and swap together; -1 is no limit";
        draft.refuse(Kind::Invalid, SWAP, "it is below the memory limit", hint);
        return;
    }
    match version {
        Version::V1 => plan_v1(memory, (limit, swap, reservation), draft),
        Version::V2 => plan_v2(memory, (limit, swap, reservation), draft),
    }
}

type Amounts = (Option<i64>, Option<i64>, Option<i64>);

fn plan_v1(memory: &Memory, (limit, swap, reservation): Amounts, draft: &mut Draft<'_>) {
    let set = |what, file, value: i64| Setting::new(Controller::Memory, what, file, &value.max(-1));
    let with_swap = match (limit, swap) {
        (_, Some(swap)) => Some(set(SWAP, "memory.memsw.limit_in_bytes", swap).or_refuse(NO_SWAP)),
        // No memory limit with an old swap limit below it would be no freedom at all (runc does the same).
        (Some(..0), None) => Some(set(SWAP, "memory.memsw.limit_in_bytes", -1).or_skip()),
        _ => None,
    };
    let limit = limit.map(|limit| {
        let mut setting = set(LIMIT, "memory.limit_in_bytes", limit);
        if memory.check_before_update == Some(true) && limit > 0 {
            setting.not_below = Some("memory.usage_in_bytes");
        }
        setting
    });
    draft.step(limit.into_iter().chain(with_swap));
    draft.step(reservation.map(|value| set(RESERVATION, "memory.soft_limit_in_bytes", value)));
    if memory.disable_oom_killer == Some(true) {
        draft.step([set("OOM behaviour", "memory.oom_control", 1)]);
    }
    match memory.swappiness {
        Some(value @ 0..=100) => {
            draft.step([Setting::new(
                Controller::Memory,
                "swappiness",
                "memory.swappiness",
                &value,
            )]);
        }
        Some(_) => draft.refuse(
            Kind::Invalid,
            "swappiness",
            "it is not in 0 to 100",
            "give 0 to 100",
        ),
        None => {}
    }
}

fn plan_v2(memory: &Memory, (limit, swap, reservation): Amounts, draft: &mut Draft<'_>) {
    let set = |what, file, value: String| Setting::new(Controller::Memory, what, file, &value);
    match swap_alone(limit, swap) {
        Ok(Some(swap)) => {
            let setting = set(SWAP, "memory.swap.max", or_max(swap)).or_refuse(NO_SWAP);
            // Without swap accounting, "no swap at all" and "as much as you like" are what the kernel does anyway.
            draft.step([if swap <= 0 { setting.or_skip() } else { setting }]);
        }
        Ok(None) => {}
        Err(why) => {
            draft.refuse(Kind::Invalid, SWAP, why, "give a memory limit as well");
            return;
        }
    }
    if let Some(limit) = limit {
        let mut setting = set(LIMIT, "memory.max", or_max(limit));
        if memory.check_before_update == Some(true) && limit > 0 {
            setting.not_below = Some("memory.current");
        }
        draft.step([setting]);
    }
    draft.step(reservation.map(|value| set(RESERVATION, "memory.low", or_max(value))));
    if memory.disable_oom_killer == Some(true) {
        draft.refuse_on_v2("OOM behaviour");
    }
    if memory.swappiness.is_some() {
        draft.refuse_on_v2("swappiness");
    }
}

/// Version 2 limits swap by itself, the document limits memory and swap together: from `memory.limit` and
/// `memory.swap`, absent where not given, to bytes of swap; negative is no limit.
///
/// # Errors
/// Why it cannot be known.
pub fn swap_alone(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>, &'static str> {
    match (limit, swap) {
        (Some(..0), None) | (_, Some(..0)) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (Some(limit @ 0..), Some(swap)) => Ok(Some(swap - limit)),
        (Some(..0) | None, Some(_)) => {
            Err("version 2 limits swap alone, which is known only with a memory limit")
        }
    }
}
