//! Points in time as events carry them: `2026-11-22T16:09:29.123+00:00`.

use alloc::format;
use alloc::string::String;

use clock::Timestamp;

const DAY_MILLIS: u64 = 86_400_000;
/// 31 December 9999, 23:59:59.999: the last that four digits of a year can say.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// The text of a point in time, in UTC with milliseconds; a year above 9999 is said as the end of 9999.
pub(crate) fn print(at: Timestamp) -> String {
    let millis = at.as_unix_millis().min(LAST_MILLIS);
    let (days, rest) = (millis / DAY_MILLIS, millis % DAY_MILLIS);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+00:00")
}

/// Reads such a text; any offset from UTC, `Z` too, and with or without milliseconds. `None` for times
/// before 1970 and for what is no such text.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let stands = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    if !(stands(4, b'-') && stands(7, b'-') && stands(10, b'T') && stands(13, b':') && stands(16, b':')) {
        return None;
    }
    let (year, month, day) = (number(bytes, 0, 4)?, number(bytes, 5, 2)?, number(bytes, 8, 2)?);
    let (hour, minute, second) = (number(bytes, 11, 2)?, number(bytes, 14, 2)?, number(bytes, 17, 2)?);
    let (milli, zone) = if stands(19, b'.') {
        (number(bytes, 20, 3)?, &text.as_bytes()[23..])
    } else {
        (0, bytes.get(19..)?)
    };
    let days = days_of(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local = days * DAY_MILLIS + hour * 3_600_000 + minute * 60_000 + second * 1000 + milli;
    let utc = match zone {
        b"Z" => Some(local),
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let (hours, minutes) = (number(rest, 0, 2)?, number(rest, 3, 2)?);
            let ahead = (hours <= 23 && minutes <= 59).then_some(hours * 3_600_000 + minutes * 60_000)?;
            if *sign == b'+' { local.checked_sub(ahead) } else { local.checked_add(ahead) }
        }
        _ => None,
    };
    utc.map(Timestamp::from_unix_millis)
}

fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let digits = bytes.get(at..at + count)?;
    digits
        .iter()
        .try_fold(0, |sum: u64, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// Year, month and day of a day counted from 1 January 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut rest) = (1, days - days_before_year(year));
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_a_day = year >= 1970 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    is_a_day
        .then(|| days_before_year(year) + (1..month).map(|month| days_in(year, month)).sum::<u64>() + day - 1)
}

/// Days from 1970 to the first day of a year from 1970 on.
const fn days_before_year(year: u64) -> u64 {
    (year - 1970) * 365 + leap_years_until(year - 1) - leap_years_until(1969)
}

const fn leap_years_until(year: u64) -> u64 {
    year / 4 - year / 100 + year / 400
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_and_read_back() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000+00:00"),
            (951_782_400_000, "2000-02-29T00:00:00.000+00:00"),
            (1_795_307_861_042, "2026-11-22T00:37:41.042+00:00"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999+00:00"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000+00:00"),
            (LAST_MILLIS, "9999-12-31T23:59:59.999+00:00"),
        ] {
            assert_eq!(print(Timestamp::from_unix_millis(millis)), text);
            assert_eq!(parse(text), Some(Timestamp::from_unix_millis(millis)), "{text}");
        }
        assert_eq!(print(Timestamp::from_unix_millis(u64::MAX)), "9999-12-31T23:59:59.999+00:00");
    }

    #[test]
    fn offsets_from_utc_are_taken_off() {
        let noon = parse("2026-11-22T12:00:00.000+00:00");
        for same in ["2026-11-22T12:00:00Z", "2026-11-22T20:00:00.000+08:00", "2026-11-22T06:30:00-05:30"] {
            assert_eq!(parse(same), noon, "{same}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22 12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-11-00T12:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T12:60:00Z",
            "2026-11-22T12:00:60Z",
            "2026-11-22T12:00:00",
            "2026-11-22T12:00:00.1Z",
            "2026-11-22T12:00:00+0000",
            "2026-11-22T12:00:00+00:60",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "+026-11-22T12:00:00Z",
            "2026-11-22T12:00:00.000\u{e9}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
