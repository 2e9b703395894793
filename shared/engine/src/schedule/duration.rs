//! Durations as text, in the form Go's SDK and tools write them: `1h30m`, `90s`, `1.5h`, and `2d` where days are meant
//! as 24 hours.

use std::time::Duration;

use tidegate_model::limits::DURATION_SECONDS_MAX;

/// Reads a duration as Go's SDK and tools write it: `1h30m`, `90s`, `1.5h`, and `2d` for two times 24 hours.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut nanos: u128 = 0;
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err("there is no duration".to_owned());
    }
    while !rest.is_empty() {
        let end_of_number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end_of_number);
        let end_of_unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end_of_unit);
        let part = unit_nanos(unit).and_then(|unit| times(number, unit));
        let part = part.ok_or_else(|| format!("{text:?} is not a duration such as 90s, 1h30m or 2d"))?;
        nanos = nanos.saturating_add(part);
        rest = after;
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    if seconds > DURATION_SECONDS_MAX {
        return Err(format!("{text:?} is longer than DURATION_SECONDS_MAX, which is {DURATION_SECONDS_MAX}"));
    }
    let fraction = u32::try_from(nanos % 1_000_000_000).expect("a remainder of a second");
    Ok(Duration::new(seconds, fraction))
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    })
}

/// A decimal number of units.
fn times(number: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // What does not change a nanosecond of a day is not read.
    let fraction = &fraction[..fraction.len().min(15)];
    if whole.len() + fraction.len() == 0 || whole.len() > 18 || fraction.contains('.') {
        return None;
    }
    let read = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).expect("at most 15 digits"));
    Some(read(whole)? * u128::from(unit) + read(fraction)? * u128::from(unit) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let check =
            |text: &str, millis: u64| assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        check("0", 0);
        check("90s", 90_000);
        check("1h30m", 5_400_000);
        check("1.5h", 5_400_000);
        check(".5s", 500);
        check("5.s", 5_000);
        check("2d", 172_800_000);
        check("1h2m3s4ms", 3_723_004);
        assert_eq!(parse("100us"), Ok(Duration::from_micros(100)));
        assert_eq!(parse("1.5ns"), Ok(Duration::from_nanos(1)));
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_what_would_be() {
        for text in
            ["", "5", "h", "5x", "1h-5m", "-5s", "1..5s", "5 s", ".s", "99999999999999999999s", "1e3s"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("40000d").expect_err("more than a century").contains("DURATION_SECONDS_MAX"));
        assert!(parse("5 parsecs").expect_err("no unit").contains("1h30m"));
    }
}
