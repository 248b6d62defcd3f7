//! Windows: over which time a limit counts, and which spans of a cell that is at a moment.
//!
//! A calendar window begins where a clock on the wall says so, in a time zone; a day may have 23 or 25
//! hours, and a month ends when it ends. A rolling window is cut into pieces, and one piece more than the
//! window has counts: so in no interval of the window's length is more admitted than the limit.

use std::fmt;

use super::Zone;
use super::cell::Frame;

/// Over which time a limit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// For ever: what is held counts, and what is used never leaves. For concurrency, where nothing is used.
    Always,
    /// From one tick of the calendar to the next.
    Calendar {
        /// How long.
        period: Period,
        /// Whose clock on the wall.
        zone: Zone,
    },
    /// The time up to now, of this length.
    Rolling {
        /// The length.
        length_ms: u64,
    },
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From one second to the next.
    Second,
    /// From one minute to the next.
    Minute,
    /// From one hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

/// Every period by its name.
pub const PERIODS: &[(&str, Period)] = &[
    ("second", Period::Second),
    ("minute", Period::Minute),
    ("hour", Period::Hour),
    ("day", Period::Day),
    ("week", Period::Week),
    ("month", Period::Month),
];

/// Pieces of a rolling window.
const PIECES: u64 = 10;

impl Window {
    /// What counts at this moment.
    #[must_use]
    pub fn frame(&self, now_ms: u64) -> Frame {
        match self {
            Self::Always => Frame {
                span_ms: 0,
                since_ms: 0,
                until_ms: 0,
                lives_ms: u64::MAX,
            },
            Self::Calendar { period, zone } => {
                let (start_ms, end_ms) = zone.bounds(*period, now_ms);
                Frame {
                    span_ms: start_ms,
                    since_ms: start_ms,
                    until_ms: start_ms,
                    lives_ms: end_ms.saturating_sub(start_ms),
                }
            }
            Self::Rolling { length_ms } => {
                let piece_ms = length_ms.div_ceil(PIECES).max(1);
                let past = now_ms.checked_rem(piece_ms).unwrap_or(0);
                let span_ms = now_ms.saturating_sub(past);
                Frame {
                    span_ms,
                    since_ms: span_ms.saturating_sub(piece_ms.saturating_mul(PIECES)),
                    until_ms: u64::MAX,
                    lives_ms: piece_ms.saturating_mul(PIECES.saturating_add(1)),
                }
            }
        }
    }
}

impl fmt::Display for Window {
    /// One word for a key: two windows that are written differently share no bucket.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Calendar { period, zone } => write!(f, "{period}@{zone}"),
            Self::Rolling { length_ms } => write!(f, "rolling-{length_ms}"),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PERIODS.iter().find(|(_, period)| period == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}
