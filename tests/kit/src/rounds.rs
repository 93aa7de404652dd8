//! How often a storm repeats: shortly in CI, long in the soak.

use std::time::Duration;

/// What asks for long storms: the number of rounds of each (`make soak`).
const ROUNDS: &str = "TARE_KIT_ROUNDS";

/// How many rounds a storm has: `usual`, or what `TARE_KIT_ROUNDS` asks for where that is more.
///
/// # Panics
/// Where the variable holds no number.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    asked().map_or(usual, |asked| asked.max(usual))
}

/// How long one test may take before it is killed: four minutes, an hour where storms are long.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(if asked().is_some() { 3600 } else { 240 })
}

fn asked() -> Option<usize> {
    let text = std::env::var(ROUNDS).ok()?;
    Some(text.parse().expect("TARE_KIT_ROUNDS is a number"))
}
