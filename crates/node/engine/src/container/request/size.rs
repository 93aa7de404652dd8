//! Sizes as docker reads them: a number and one of `b k m g t p`, in powers of 1024.

use super::invalid;
use tare_error::Result;

/// The units a person may write, smallest first.
const UNITS: [(char, u32); 6] = [('b', 0), ('k', 10), ('m', 20), ('g', 30), ('t', 40), ('p', 50)];

/// What a complaint says about them.
const ALLOWED: &str = "a size is a number and a unit: b, k, m, g, t or p, as in 64m or 1.5g";

/// Reads `64m`, `1.5g`, `512k`, `1024` (bytes), also `64mb` and `64MiB`.
///
/// # Errors
/// `Invalid`, saying what is allowed.
pub fn parse_size(text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let unit = unit.trim_start();
    let shift = match unit {
        "" => Some(0),
        _ => UNITS.iter().find_map(|(letter, shift)| {
            let tail = unit.strip_prefix(*letter)?;
            let long = *letter != 'b' && (tail == "b" || tail == "ib");
            (tail.is_empty() || long).then_some(*shift)
        }),
    };
    let Some(shift) = shift else {
        return Err(invalid("size", text, format!("{unit:?} is not a unit")).hint(ALLOWED));
    };
    let bytes = scaled(number, shift);
    bytes
        .ok_or_else(|| invalid("size", text, "that is not a number of bytes below 8 exbibytes").hint(ALLOWED))
}

/// `number` (decimal, perhaps with a fraction) times two to the power of `shift`, rounded down; exact, no floats.
fn scaled(number: &str, shift: u32) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let parts: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let ten = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let bytes = whole
        .checked_mul(1 << shift)?
        .checked_add((parts << shift) / ten)?;
    u64::try_from(bytes).ok().filter(|b| i64::try_from(*b).is_ok())
}

/// `67108864` as `64 MiB`: the largest unit that fits without a rest, else with one decimal.
pub fn show_size(bytes: u64) -> String {
    const NAMES: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    match NAMES.iter().find(|(_, unit)| bytes >= *unit) {
        None => format!("{bytes} bytes"),
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    }
}
