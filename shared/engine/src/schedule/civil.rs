//! Days and dates of the proleptic Gregorian calendar.
//!
//! Algorithms: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`, `civil_from_days`.

/// A day has so many seconds: leap seconds do not exist here.
pub(super) const DAY_SECONDS: i64 = 86_400;

/// A day by its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
}

/// Days since 1970-01-01.
pub(super) fn days(date: Date) -> i64 {
    let year = date.year - i64::from(date.month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = i64::from((153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day that is counted from 1970-01-01.
pub(super) fn date(days: i64) -> Date {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let narrow = |n: i64| u32::try_from(n).expect("days and months are small");
    let month = narrow(if shifted < 10 { shifted + 3 } else { shifted - 9 });
    Date {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: narrow(day_of_year - (153 * shifted + 2) / 5 + 1),
    }
}

/// 0 is Sunday, 6 Saturday.
pub(super) fn weekday(days: i64) -> u32 {
    // 1970-01-01 was a Thursday.
    u32::try_from((days + 4).rem_euclid(7)).expect("a remainder of 7")
}

/// Days of a month.
pub(super) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_has_one_date_and_the_next_has_the_next() {
        let mut expected = Date { year: 1800, month: 1, day: 1 };
        let first = days(expected);
        for day in first..first + 500 * 366 {
            assert_eq!(date(day), expected);
            assert_eq!(days(expected), day);
            expected.day += 1;
            if expected.day > days_in_month(expected.year, expected.month) {
                expected = Date { month: expected.month + 1, day: 1, ..expected };
            }
            if expected.month > 12 {
                expected = Date { year: expected.year + 1, month: 1, day: 1 };
            }
        }
    }

    #[test]
    fn weekdays_are_those_of_known_days() {
        let check = |year, month, day, name: u32| assert_eq!(weekday(days(Date { year, month, day })), name);
        check(1970, 1, 1, 4);
        check(2024, 2, 29, 4);
        check(2026, 11, 22, 0);
        check(1969, 12, 31, 3);
    }
}
