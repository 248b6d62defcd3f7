//! Time zones: when a day, a week or a month begins on a clock on the wall.
//!
//! A zone is a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`, or one of the names in `zones.txt`, each
//! line of which is a rule and the IANA zones that follow it. Budgets count from now on, so the rules
//! of the past have no place here, and the table has 10 KB where the history of all zones would have a
//! megabyte. It is made from the last lines of the IANA database's files, version 2025b. No rule tells
//! Morocco's Ramadan, in which its clocks are an hour behind what is said here.

use std::fmt;

use super::Period;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// As it was written.
    name: String,
    /// How far its clocks are ahead of UTC, in seconds.
    standard_s: i64,
    summer: Option<Summer>,
}

/// When clocks are at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summer {
    /// How far they are ahead of UTC then, in seconds.
    offset_s: i64,
    begins: Turn,
    ends: Turn,
}

/// A moment of each year, by the clock before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    day: Day,
    /// Seconds after midnight; it may be on another day.
    time_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// `M3.5.0`: of this month (from 0) the nth day of the week, counted from Sunday; the fifth is the last.
    Weekday { month: i64, nth: i64, weekday: i64 },
    /// `J60`: of 365, counted from 1; the leap day is none of them.
    Julian(i64),
    /// `59`: counted from 0, the leap day too.
    Ordinal(i64),
}

const NAMES: &str = include_str!("zones.txt");
const DAY_S: i64 = 86_400;
/// The end of the year 9999.
const MS_MAX: u64 = 253_402_300_799_999;

impl Zone {
    /// Universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            standard_s: 0,
            summer: None,
        }
    }

    /// Reads a name or a rule.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let named = NAMES.lines().find_map(|line| {
            let (rule, names) = line.split_once(' ')?;
            names.split(' ').any(|name| name == text).then_some(rule)
        });
        let rule = named.unwrap_or(text);
        let (standard_s, summer) = Rule(rule).read().ok_or(
            "use an IANA name such as Europe/Berlin, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3",
        )?;
        Ok(Self {
            name: text.to_owned(),
            standard_s,
            summer,
        })
    }

    /// When the period begins that this moment is in, and when it ends.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the first line bounds the moment, and offsets are of hours"
    )]
    pub fn bounds(&self, period: Period, now_ms: u64) -> (u64, u64) {
        let now_s = i64::try_from(now_ms.min(MS_MAX) / 1_000).unwrap_or(0);
        let local_s = now_s + self.offset(now_s);
        let day = local_s.div_euclid(DAY_S);
        let (start_s, end_s) = match period {
            Period::Second => part(now_s, local_s, 1),
            Period::Minute => part(now_s, local_s, 60),
            Period::Hour => part(now_s, local_s, 3_600),
            Period::Day => (self.midnight(day), self.midnight(day + 1)),
            Period::Week => {
                // The epoch was a Thursday.
                let monday = day - (day + 3).rem_euclid(7);
                (self.midnight(monday), self.midnight(monday + 7))
            }
            Period::Month => {
                let (first, next) = month(day);
                (self.midnight(first), self.midnight(next))
            }
        };
        (milliseconds(start_s), milliseconds(end_s))
    }

    /// How far clocks are ahead of UTC at this moment.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "moments up to the year 9999 and offsets of hours"
    )]
    fn offset(&self, now_s: i64) -> i64 {
        let Some(summer) = &self.summer else {
            return self.standard_s;
        };
        let year = year((now_s + self.standard_s).div_euclid(DAY_S));
        let begins_s = summer.begins.at(year) - self.standard_s;
        let ends_s = summer.ends.at(year) - summer.offset_s;
        let is_summer = if begins_s < ends_s {
            (begins_s..ends_s).contains(&now_s)
        } else {
            !(ends_s..begins_s).contains(&now_s)
        };
        if is_summer {
            summer.offset_s
        } else {
            self.standard_s
        }
    }

    /// When a day begins. Where clocks pass midnight twice, the first time; where they leap over it, when
    /// they do.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "moments up to the year 9999 and offsets of hours"
    )]
    fn midnight(&self, day: i64) -> i64 {
        let local_s = day * DAY_S;
        let standard_s = local_s - self.standard_s;
        let Some(summer) = &self.summer else {
            return standard_s;
        };
        let summer_s = local_s - summer.offset_s;
        let mut moments = [(summer_s, summer.offset_s), (standard_s, self.standard_s)];
        moments.sort_unstable();
        let found = moments
            .iter()
            .find(|(moment_s, offset_s)| self.offset(*moment_s) == *offset_s);
        // Neither is right in the hour that is leapt over, by clocks that showed the smaller offset.
        found
            .or_else(|| moments.last())
            .map_or(standard_s, |found| found.0)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The part of the day, of this length on the wall, that a moment is in.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "moments up to the year 9999, lengths up to an hour"
)]
const fn part(now_s: i64, local_s: i64, length_s: i64) -> (i64, i64) {
    let start_s = now_s - local_s.rem_euclid(length_s);
    (start_s, start_s + length_s)
}

fn milliseconds(s: i64) -> u64 {
    u64::try_from(s).unwrap_or(0).saturating_mul(1_000)
}

impl Turn {
    /// When it is, in seconds of the clock before it.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "years up to 9999, and numbers that were bounded when they were read"
    )]
    fn at(&self, year: i64) -> i64 {
        let first = year_start(year);
        let day = match self.day {
            Day::Weekday {
                month,
                nth,
                weekday,
            } => {
                let first = first + days_before(month, is_leap(year));
                let length =
                    days_before(month + 1, is_leap(year)) - days_before(month, is_leap(year));
                // The epoch was a Thursday, the fourth day from Sunday.
                let ahead = (weekday - (first + 4)).rem_euclid(7);
                let mut day = ahead + 7 * (nth - 1);
                if day >= length {
                    day -= 7;
                }
                first + day
            }
            Day::Julian(day) => first + day - 1 + i64::from(is_leap(year) && day > 59),
            Day::Ordinal(day) => first + day,
        };
        day * DAY_S + self.time_s
    }
}

/// The first day of the month that a day is in, and of the next.
#[expect(clippy::arithmetic_side_effects, reason = "days up to the year 9999")]
fn month(day: i64) -> (i64, i64) {
    let year = year(day);
    let first = year_start(year);
    let months = (0..12).map(|month| {
        let starts = |month| first + days_before(month, is_leap(year));
        (starts(month), starts(month + 1))
    });
    let mut found = months.filter(|(first, _)| *first <= day);
    found.next_back().unwrap_or((day, day + 31))
}

/// The year that a day since 1970 is in.
#[expect(clippy::arithmetic_side_effects, reason = "days up to the year 9999")]
fn year(day: i64) -> i64 {
    // Never too late, and early by one at most.
    let year = 1970 + day.div_euclid(366);
    let mut years = year..=year + 1 + day.div_euclid(365 * 366);
    let found = years.rfind(|year| year_start(*year) <= day);
    found.unwrap_or(year)
}

/// The days from 1970 to the first of this year.
#[expect(clippy::arithmetic_side_effects, reason = "years up to 9999")]
const fn year_start(year: i64) -> i64 {
    let before = year - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    365 * (year - 1970) + leaps - 477
}

const fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days of a year before this month; 0 is January, 12 the next one.
fn days_before(month: i64, is_leap: bool) -> i64 {
    const DAYS: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let days = usize::try_from(month).ok().and_then(|at| DAYS.get(at));
    let leap = i64::from(is_leap && month > 1);
    days.copied().unwrap_or(365).saturating_add(leap)
}

/// What is left of a POSIX rule.
struct Rule<'r>(&'r str);

impl Rule<'_> {
    fn read(&mut self) -> Option<(i64, Option<Summer>)> {
        self.name()?;
        let standard_s = self.hours()?.checked_neg()?;
        if self.0.is_empty() {
            return Some((standard_s, None));
        }
        self.name()?;
        let offset_s = if self.0.starts_with(',') {
            standard_s.checked_add(3_600)?
        } else {
            self.hours()?.checked_neg()?
        };
        // With a day or more between them, one midnight could come before another.
        if offset_s.abs_diff(standard_s) >= DAY_S.unsigned_abs() {
            return None;
        }
        let begins = self.turn()?;
        let ends = self.turn()?;
        let summer = Summer {
            offset_s,
            begins,
            ends,
        };
        self.0.is_empty().then_some((standard_s, Some(summer)))
    }

    /// `CET`, or `<+0330>`.
    fn name(&mut self) -> Option<()> {
        let is_letter = |letter: char| letter.is_ascii_alphabetic();
        let rest = if let Some(quoted) = self.0.strip_prefix('<') {
            let (name, rest) = quoted.split_once('>')?;
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "+-".contains(letter);
            name.chars().all(is_plain).then_some(rest)?
        } else {
            self.0.trim_start_matches(is_letter)
        };
        if self.0.len().saturating_sub(rest.len()) < 3 {
            return None;
        }
        self.0 = rest;
        Some(())
    }

    /// `-5`, `+5:45`, in seconds.
    fn hours(&mut self) -> Option<i64> {
        let (sign, rest) = match self.0.strip_prefix('-') {
            Some(rest) => (-1_i64, rest),
            None => (1, self.0.strip_prefix('+').unwrap_or(self.0)),
        };
        self.0 = rest;
        let mut seconds = self.number(167)?.checked_mul(3_600)?;
        for unit in [60, 1] {
            if let Some(rest) = self.0.strip_prefix(':') {
                self.0 = rest;
                seconds = seconds.checked_add(self.number(59)?.checked_mul(unit)?)?;
            }
        }
        seconds.checked_mul(sign)
    }

    /// `,M3.5.0/3`
    fn turn(&mut self) -> Option<Turn> {
        self.0 = self.0.strip_prefix(',')?;
        let day = if let Some(rest) = self.0.strip_prefix('M') {
            self.0 = rest;
            let month = self
                .number(12)?
                .checked_sub(1)
                .filter(|month| *month >= 0)?;
            self.0 = self.0.strip_prefix('.')?;
            let nth = self.number(5).filter(|nth| *nth > 0)?;
            self.0 = self.0.strip_prefix('.')?;
            let weekday = self.number(6)?;
            Day::Weekday {
                month,
                nth,
                weekday,
            }
        } else if let Some(rest) = self.0.strip_prefix('J') {
            self.0 = rest;
            Day::Julian(self.number(365).filter(|day| *day > 0)?)
        } else {
            Day::Ordinal(self.number(365)?)
        };
        let time_s = match self.0.strip_prefix('/') {
            Some(rest) => {
                self.0 = rest;
                self.hours()?
            }
            None => 7_200,
        };
        Some(Turn { day, time_s })
    }

    fn number(&mut self, max: i64) -> Option<i64> {
        let rest = self
            .0
            .trim_start_matches(|letter: char| letter.is_ascii_digit());
        let digits = self.0.strip_suffix(rest)?;
        self.0 = rest;
        digits.parse().ok().filter(|number| *number <= max)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "clippy knows test functions, not the helpers of tests"
)]
mod tests {
    use super::*;

    /// The period that the moment is in, in seconds; Python's `zoneinfo` says the same.
    #[track_caller]
    fn check(zone: &str, period: Period, now_s: u64, want: (u64, u64)) {
        let zone = Zone::parse(zone).unwrap();
        let (start_ms, end_ms) = zone.bounds(period, now_s * 1_000 + 999);
        assert_eq!((start_ms / 1_000, end_ms / 1_000), want);
    }

    #[test]
    fn every_line_of_the_table_is_a_rule_and_its_zones() {
        let mut zones = 0;
        for line in NAMES.lines() {
            let (rule, names) = line.split_once(' ').unwrap();
            assert!(Rule(rule).read().is_some(), "{rule}");
            for name in names.split(' ') {
                assert_eq!(Zone::parse(name).unwrap().name, name);
                zones += 1;
            }
        }
        assert!(zones > 400, "{zones}");
    }

    #[test]
    fn a_day_of_universal_time_has_24_hours() {
        check("UTC", Period::Day, 0, (0, 86_400));
        check("UTC", Period::Day, 86_400, (86_400, 172_800));
    }

    #[test]
    fn the_day_on_which_clocks_go_forward_has_23_hours() {
        let day = (1_774_738_800, 1_774_821_600);
        check("Europe/Berlin", Period::Day, day.0, day);
        check("Europe/Berlin", Period::Day, day.1 - 1, day);
        assert_eq!(day.1 - day.0, 23 * 3_600);
    }

    #[test]
    fn the_day_on_which_clocks_go_back_has_25_hours() {
        let day = (1_792_879_200, 1_792_969_200);
        check("Europe/Berlin", Period::Day, day.0, day);
        check("Europe/Berlin", Period::Day, day.1 - 1, day);
        assert_eq!(day.1 - day.0, 25 * 3_600);
    }

    #[test]
    fn where_clocks_leap_over_midnight_the_day_begins_when_they_do() {
        check(
            "America/Havana",
            Period::Day,
            1_772_946_000,
            (1_772_946_000, 1_773_028_800),
        );
    }

    #[test]
    fn where_clocks_show_midnight_twice_the_day_begins_the_first_time() {
        check(
            "America/Havana",
            Period::Day,
            1_793_505_600 + 5_400,
            (1_793_505_600, 1_793_595_600),
        );
    }

    #[test]
    fn a_week_begins_on_monday_and_may_hold_a_change() {
        let week = (1_774_789_200, 1_775_397_600);
        check("Australia/Sydney", Period::Week, week.0, week);
        check("Australia/Sydney", Period::Week, week.1 - 1, week);
    }

    #[test]
    fn a_month_ends_when_it_ends() {
        check(
            "Europe/Berlin",
            Period::Month,
            1_795_435_200,
            (1_793_487_600, 1_796_079_600),
        );
        let leap = (1_832_994_000, 1_835_499_600);
        check("America/New_York", Period::Month, leap.0, leap);
        check("America/New_York", Period::Month, leap.1 - 1, leap);
        assert_eq!(leap.1 - leap.0, 29 * 86_400);
    }

    #[test]
    fn an_hour_begins_where_the_wall_says_so() {
        check(
            "Asia/Kolkata",
            Period::Hour,
            1_795_404_600 + 7,
            (1_795_404_600, 1_795_408_200),
        );
    }

    #[test]
    fn the_last_moments_of_time_are_some_period() {
        for period in super::super::PERIODS {
            let (start_ms, end_ms) = Zone::utc().bounds(period.1, u64::MAX);
            assert!(start_ms < end_ms, "{period:?}");
        }
    }

    #[test]
    fn periods_follow_one_another_without_gap_and_without_overlap() {
        for zone in [
            "Europe/Berlin",
            "America/Havana",
            "Australia/Lord_Howe",
            "America/Nuuk",
            "Africa/Casablanca",
        ] {
            let zone = Zone::parse(zone).unwrap();
            for period in [Period::Day, Period::Week, Period::Month] {
                let mut now_ms = 1_767_225_600_000;
                for _ in 0..400 {
                    let (start_ms, end_ms) = zone.bounds(period, now_ms);
                    assert!(
                        (start_ms..end_ms).contains(&now_ms),
                        "{zone} {period} {now_ms}"
                    );
                    assert_eq!(
                        zone.bounds(period, end_ms - 1),
                        (start_ms, end_ms),
                        "{zone} {period}"
                    );
                    assert_eq!(zone.bounds(period, end_ms).0, end_ms, "{zone} {period}");
                    now_ms = end_ms;
                }
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for text in [
            "",
            "Berlin",
            "Europe/Berlim",
            "CET",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "C-1",
            "CET-1CEST,M13.5.0,M10.5.0",
            "UTC0x",
        ] {
            assert!(Zone::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rules_may_count_days_of_the_year() {
        let zone = Zone::parse("AAA3BBB,J60/0,J300/0").unwrap();
        // The first of March, in a leap year too.
        assert_eq!(zone.offset(1_835_492_399), -10_800);
        assert_eq!(zone.offset(1_835_492_400), -7_200);
    }
}
