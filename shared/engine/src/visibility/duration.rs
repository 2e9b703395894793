//! Durations as a query writes them: `1h30m`, `01:30:00`, or a number of nanoseconds.

/// Nanoseconds; `None` where the text is none of the three, or goes beyond 64 bits.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| units(text)).or_else(|| clock(text))
}

/// Units of Go's durations, and days.
const UNITS: [(&str, i128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Any number of numbers, each with its unit: `1.5h`, `-2m30s`.
fn units(text: &str) -> Option<i64> {
    let (sign, mut rest) = signed(text);
    let mut total: i128 = 0;
    loop {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_ends);
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *scale)?)?;
        if after.is_empty() {
            return i64::try_from(sign * total).ok();
        }
        rest = after;
    }
}

/// `1.5` times a scale, what is smaller than one cut off.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
    let mut nanos = whole * scale;
    let mut place = scale;
    for digit in fraction.chars() {
        place /= 10;
        nanos += place * i128::from(digit.to_digit(10)?);
    }
    Some(nanos)
}

/// `hh:mm:ss`; the hours may have more digits, the seconds a fraction.
fn clock(text: &str) -> Option<i64> {
    let (sign, rest) = signed(text);
    let mut parts = rest.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let is_two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole_seconds = seconds.split_once('.').map_or(seconds, |(whole, _)| whole);
    let is_clock = parts.next().is_none()
        && hours.bytes().all(|byte| byte.is_ascii_digit())
        && [minutes, whole_seconds].into_iter().all(|part| is_two_digits(part) && part < "60");
    if !is_clock {
        return None;
    }
    let total = scaled(hours, 3_600_000_000_000)?
        + scaled(minutes, 60_000_000_000)?
        + scaled(seconds, 1_000_000_000)?;
    i64::try_from(sign * total).ok()
}

fn signed(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn a_duration_is_read_in_each_of_its_forms() {
        let check = |text: &str, nanos: i64| assert_eq!(nanoseconds(text), Some(nanos), "{text}");
        check("0", 0);
        check("-1500", -1_500);
        check("300ms", 300_000_000);
        check("1h2m", 3_720_000_000_000);
        check("-1.5h", -5_400_000_000_000);
        check("2h45m30.5s", 9_930_500_000_000);
        check("1d", 86_400_000_000_000);
        check(".5s", 500_000_000);
        check("1us2µs3ns", 3_003);
        check("01:30:00", 5_400_000_000_000);
        check("100:00:01.25", 360_001_250_000_000);
        check("-00:00:10", -10_000_000_000);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for wrong in [
            "",
            "h",
            "1x",
            "1h2",
            "1..2s",
            ".s",
            "1:2:3",
            "01:60:00",
            "01:00:60",
            "01:00",
            "1:00:00:00",
            "99999999999999999999",
            "300000h1ns1",
            "9223372036854775807s",
            "--1s",
            "٣s",
            "::",
            "00:٣٣:00",
        ] {
            assert_eq!(nanoseconds(wrong), None, "{wrong}");
        }
    }
}
