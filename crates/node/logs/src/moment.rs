//! Points in time as logs have them: RFC 3339 with nanoseconds.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days of 400 years.
const ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const TO_EPOCH: i64 = 719_468;
const DAY: i64 = 86_400;

/// A point in time, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Since 1970.
    pub seconds: i64,
    /// Below a thousand million.
    pub nanoseconds: u32,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment::from(SystemTime::now())
    }

    /// Reads `2016-10-06T00:17:09.669794202Z`, with any number of digits after the point up to nine, and any offset.
    pub fn parse(text: &str) -> Option<Moment> {
        let (date, rest) = text.split_once('T')?;
        let [year, month, day] = numbers(date, '-')?;
        let zone_at = rest.find(['Z', '+', '-'])?;
        let (clock, zone) = rest.split_at_checked(zone_at)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let [hour, minute, second] = numbers(clock, ':')?;
        let valid =
            (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
        let offset = offset(zone)?;
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        let nanoseconds = nanoseconds(fraction)?;
        valid.then_some(Moment { seconds, nanoseconds })
    }
}

impl From<SystemTime> for Moment {
    /// One before 1970 becomes that.
    fn from(time: SystemTime) -> Moment {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

/// Three numbers of at most nine digits.
fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(number);
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

fn number(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() {
        return Some(0);
    }
    let missing = 9_usize.checked_sub(fraction.len())?;
    let value = u32::try_from(number(fraction)?).ok()?;
    Some(value * 10_u32.pow(u32::try_from(missing).ok()?))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let east = hours * 3600 + minutes * 60;
    let valid = hours < 24 && minutes < 60;
    valid.then_some(if zone.starts_with('-') { -east } else { east })
}

/// The day of a date, counted from 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the day that is
/// sometimes missing is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_EPOCH
}

/// The date of a day.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + TO_EPOCH;
    let (era, of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = (march + 2) % 12 + 1;
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Moment {
    /// As Go's `RFC3339Nano` has it: without zeros at the end of the fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        let of_day = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanoseconds != 0 {
            let digits = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_go_has_them() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_475_713_029, 669_794_202, "2016-10-06T00:17:09.669794202Z"),
            (951_782_399, 120_000_000, "2000-02-28T23:59:59.12Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
        ] {
            let moment = Moment { seconds, nanoseconds };
            assert_eq!(moment.to_string(), text);
            assert_eq!(Moment::parse(text), Some(moment), "{text}");
        }
        let offset = Moment::parse("2016-10-06T02:17:09.5+02:00").unwrap();
        assert_eq!(offset.to_string(), "2016-10-06T00:17:09.5Z");
        for wrong in [
            "",
            "2016",
            "2016-10-06",
            "2016-13-06T00:00:00Z",
            "2016-10-06T00:00:00",
            "2016-10-06T00:00:00.1234567890Z",
        ] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
