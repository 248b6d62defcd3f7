//! The date that a signature carries, from a count of seconds.

use core::fmt;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixSeconds(pub u64);

/// A day of the Gregorian calendar, printed as `20150830`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u64,
    month: u64,
    day: u64,
}

/// A second of a day, printed as `20150830T123600Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: Date,
    second_of_day: u64,
}

impl Stamp {
    /// `None` after the year 9999, which this format cannot write.
    pub(super) fn of(UnixSeconds(seconds): UnixSeconds) -> Option<Self> {
        let date = Date::of(seconds / 86_400)?;
        Some(Self {
            date,
            second_of_day: seconds % 86_400,
        })
    }
}

impl Date {
    /// Counts from 0000-03-01 in eras of 400 years, so that the leap day is the last of its year.
    /// Howard Hinnant's `civil_from_days`.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the first line bounds every term: nothing overflows and no difference is negative"
    )]
    fn of(days_since_1970: u64) -> Option<Self> {
        const DAYS_BEFORE_10000: u64 = 2_932_897;
        if days_since_1970 >= DAYS_BEFORE_10000 {
            return None;
        }
        let days = days_since_1970 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Some(Self {
            year: 400 * era + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(out, "{}T{hour:02}{minute:02}{second:02}Z", self.date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, want: &str) {
        let stamp = Stamp::of(UnixSeconds(seconds)).map(|stamp| stamp.to_string());
        assert_eq!(stamp.as_deref().unwrap_or("none"), want);
    }

    #[test]
    fn time_starts_in_1970() {
        check(0, "19700101T000000Z");
    }

    #[test]
    fn the_second_of_the_published_vectors() {
        check(1_440_938_160, "20150830T123600Z");
    }

    #[test]
    fn a_day_ends_with_its_last_second() {
        check(86_399, "19700101T235959Z");
        check(86_400, "19700102T000000Z");
    }

    #[test]
    fn every_fourth_year_has_a_leap_day() {
        check(1_709_164_800, "20240229T000000Z");
        check(1_709_251_200, "20240301T000000Z");
        check(1_735_603_200, "20241231T000000Z");
    }

    #[test]
    fn other_years_have_none() {
        check(1_677_542_400, "20230228T000000Z");
        check(1_677_628_800, "20230301T000000Z");
    }

    #[test]
    fn the_year_2000_has_a_leap_day() {
        check(951_782_400, "20000229T000000Z");
    }

    #[test]
    fn the_year_2100_has_none() {
        check(4_107_456_000, "21000228T000000Z");
        check(4_107_542_400, "21000301T000000Z");
    }

    #[test]
    fn time_ends_with_the_year_9999() {
        check(253_402_300_799, "99991231T235959Z");
        check(253_402_300_800, "none");
        check(u64::MAX, "none");
    }

    /// Every day up to 2400, against a calendar that only counts.
    #[test]
    fn days_follow_each_other() {
        let mut days = 0;
        for year in 1970..=2400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let lengths = [
                31,
                28 + u64::from(leap),
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(Date::of(days), Some(Date { year, month, day }));
                    days += 1;
                }
            }
        }
    }
}
