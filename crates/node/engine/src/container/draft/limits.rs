//! Resource limits and oom score of the process. Our defaults bend to what this machine allows; a person's do not.

use super::{Draft, Input, Warning};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Rlimit;

/// Open files when nobody says: what systemd gives a service, soft and hard.
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// `oom_score_adj` when nobody says.
const OOM_SCORE: i32 = 0;

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let free = input.host.may_exceed_limits();
    for asked in &input.request.process.ulimits {
        let ceiling = input
            .host
            .hard_limits
            .get(asked.kind)
            .copied()
            .unwrap_or(u64::MAX);
        if asked.hard > ceiling && !free {
            let show = |n: u64| {
                if n == u64::MAX {
                    "no limit".to_owned()
                } else {
                    n.to_string()
                }
            };
            return Err(Error::new(Kind::Denied, "set limit", asked.kind)
                .because(format!(
                    "{} is above {}, the most tare may give here",
                    show(asked.hard),
                    show(ceiling)
                ))
                .hint("raising it needs CAP_SYS_RESOURCE"));
        }
        draft.process.rlimits.retain(|r| r.kind != asked.kind);
        draft
            .process
            .rlimits
            .push(rlimit(asked.kind, asked.soft, asked.hard));
    }
    if !draft.process.rlimits.iter().any(|r| r.kind == "RLIMIT_NOFILE") {
        open_files(input, draft, free);
    }
    let own = input.host.oom_score_adj;
    draft.process.oom_score_adj = if own > OOM_SCORE && !free {
        draft.warnings.push(Warning {
            text: format!(
                "containers keep the oom score {own} of tare itself: lowering it needs CAP_SYS_RESOURCE"
            ),
            once: Some("oom-score"),
        });
        None
    } else {
        Some(OOM_SCORE)
    };
    Ok(())
}

fn open_files(input: &Input<'_>, draft: &mut Draft, free: bool) {
    let (soft, hard) = OPEN_FILES;
    let ceiling = input
        .host
        .hard_limits
        .get("RLIMIT_NOFILE")
        .copied()
        .unwrap_or(u64::MAX);
    let clamped = if free { hard } else { hard.min(ceiling) };
    if clamped < hard {
        draft.warnings.push(Warning {
            text: format!(
                "containers get at most {clamped} open files, not {hard}: more needs CAP_SYS_RESOURCE"
            ),
            once: Some("open-files"),
        });
    }
    draft
        .process
        .rlimits
        .push(rlimit("RLIMIT_NOFILE", soft.min(clamped), clamped));
}

fn rlimit(kind: &str, soft: u64, hard: u64) -> Rlimit {
    Rlimit {
        kind: kind.to_owned(),
        soft,
        hard,
    }
}
