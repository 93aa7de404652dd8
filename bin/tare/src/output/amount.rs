//! Sizes and times in docker's words.

/// `4270000` as `4.27MB`: powers of 1000, three digits, as docker lists images.
pub(crate) fn decimal_size(bytes: u64) -> String {
    size(bytes, 1000, 3, ["B", "kB", "MB", "GB", "TB", "PB"])
}

/// `67108864` as `64MiB`: powers of 1024, four digits, as docker shows memory.
pub(crate) fn binary_size(bytes: u64) -> String {
    size(bytes, 1024, 4, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// In units that are `step` times each other, with so many digits at most; what is behind the point is cut.
fn size(bytes: u64, step: u128, digits: u32, units: [&str; 6]) -> String {
    let mut unit = 0;
    // In parts of the unit, so that nothing is cut twice.
    let parts = 10_u128.pow(digits);
    let mut whole = u128::from(bytes) * parts;
    while whole >= step * parts && unit + 1 < units.len() {
        whole /= step;
        unit += 1;
    }
    let (number, rest) = ((whole / parts).to_string(), whole % parts);
    let behind = (digits as usize).saturating_sub(number.len());
    let rest = format!("{rest:0width$}", width = digits as usize);
    let text = format!("{number}.{}", rest.get(..behind).unwrap_or_default());
    let plain = text.trim_end_matches('0').trim_end_matches('.');
    format!("{plain}{}", units[unit])
}

/// How long ago, in docker's words: `2 weeks ago`.
pub(crate) fn ago(now: i64, then: i64) -> String {
    format!("{} ago", lasted(now, then))
}

/// How long from then to now, in docker's words: `2 weeks`.
pub(crate) fn lasted(now: i64, then: i64) -> String {
    let seconds = now.saturating_sub(then).max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// Seconds since 1970 of an RFC 3339 time.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let rest = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match rest.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let offset = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if sign == "-" { -offset } else { offset }
        }
        _ => return None,
    };
    Some(days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset)
}

/// Days since 1970 of a date in the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (4_270_000, "4.27MB"),
            (4_200_000, "4.2MB"),
            (74_800_000, "74.8MB"),
            (192_400_000, "192MB"),
            (1_500_000_000, "1.5GB"),
        ] {
            assert_eq!(decimal_size(bytes), text);
        }
    }

    #[test]
    fn memory_as_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (67_108_864, "64MiB"),
            (5_452_595, "5.199MiB"),
            (8_270_000_000, "7.702GiB"),
        ] {
            assert_eq!(binary_size(bytes), text);
        }
    }

    #[test]
    fn times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T12:00:00.123456789Z", 1_709_208_000),
            ("2024-02-29T12:00:00+02:00", 1_709_200_800),
        ] {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
        }
        for bad in ["", "2024", "2024-02-29T12:00:00", "yesterday at noon or so"] {
            assert_eq!(parse_time(bad), None);
        }
        for (seconds, text) in [
            (0, "Less than a second ago"),
            (1, "1 second ago"),
            (59, "59 seconds ago"),
            (90, "About a minute ago"),
            (3599, "59 minutes ago"),
            (3600, "About an hour ago"),
            (86_400, "24 hours ago"),
            (86_400 * 3, "3 days ago"),
            (86_400 * 21, "3 weeks ago"),
            (86_400 * 90, "3 months ago"),
            (86_400 * 1000, "2 years ago"),
        ] {
            assert_eq!(ago(seconds, 0), text);
        }
    }
}
