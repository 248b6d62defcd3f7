//! What the script is asked, and what it answers.
//!
//! An order is words: the act, how many buckets, and for each of them limit, amount, hold and the bounds of
//! its window. Numbers in Redis's scripts are doubles, so every amount and every sum ends at 2^53 - 1:
//! 9,007,199 dollars, or 9 * 10^12 tokens, for one key in one window. A limit beyond that is that.
//!
//! Which window a moment is in, the script sees from bounds: those of the present one and of the next. A
//! gateway whose clock is so far off that neither fits is told the time, and asks again.

use std::fmt::{Display, Write as _};

use super::super::{Account, Act, Hold, Level, Line, Order, Shortfall, Step, Verdict, Window};
use super::purse::Question;
use super::wire::Call;

/// The greatest number that a double counts up to.
pub(super) const NUMBER_MAX: u64 = (1 << 53) - 1;
/// Pieces of a rolling window that count together.
const ROLLING_SPANS: u64 = 11;

impl Call {
    /// A call with a word of the caller's own, which an answer repeats.
    pub(super) fn new(mark: impl Display) -> Self {
        let mut call = Self::default();
        call.word(mark);
        call
    }

    /// Adds a word.
    pub(super) fn word(&mut self, word: impl Display) {
        if !self.words.is_empty() {
            self.words.push(',');
        }
        if write!(self.words, "{word}").is_err() {
            // A string takes whatever is written.
        }
    }

    /// Adds a number, within the script's bounds.
    pub(super) fn number(&mut self, number: u64) {
        self.word(number.min(NUMBER_MAX));
    }

    /// Adds a limit. A budget that only watches has none.
    pub(super) fn limit(&mut self, account: &Account) {
        if account.budget.is_shadow {
            self.word("-1");
        } else {
            self.number(account.limit);
        }
    }

    /// Adds the bounds of the windows around a moment of Redis's clock.
    pub(super) fn window(&mut self, window: &Window, redis_ms: u64) {
        let frame = window.frame(redis_ms);
        match window {
            Window::Always => self.word('a'),
            Window::Rolling { .. } => {
                self.word('r');
                self.number(frame.lives_ms / ROLLING_SPANS);
            }
            Window::Calendar { .. } => {
                let ends_ms = frame.span_ms.saturating_add(frame.lives_ms);
                let next = window.frame(ends_ms);
                self.word('c');
                self.number(frame.span_ms);
                self.number(ends_ms);
                self.number(next.span_ms.saturating_add(next.lives_ms));
            }
        }
    }

    /// Adds a question about a gateway's slice of a bucket.
    pub(super) fn slice(
        &mut self,
        tag: &str,
        gateway: u128,
        account: &Account,
        question: &Question,
        redis_ms: u64,
    ) {
        let bucket = bucket(tag, account);
        let place = bucket.strip_prefix(tag).unwrap_or_default();
        let Question {
            span_ms, born_ms, ..
        } = *question;
        self.keys
            .push(format!("{tag}s/{gateway:032x}/{place}/{span_ms}/{born_ms}"));
        self.keys.push(bucket);
        self.word('G');
        self.limit(account);
        for number in [
            question.number,
            span_ms,
            born_ms,
            question.charged,
            question.kept,
            question.least,
            question.most,
        ] {
            self.number(number);
        }
        self.word(if question.shrinks { 's' } else { 'r' });
        self.window(&account.budget.window, redis_ms);
    }

    /// Adds an order.
    pub(super) fn order(&mut self, tag: &str, order: &Order<'_>, redis_ms: u64) {
        self.keys.push(format!("{tag}r/{:032x}", order.id));
        self.word(match order.act {
            Act::Reserve => 'R',
            Act::Extend => 'E',
            Act::Renew => 'N',
            Act::Settle => 'S',
            Act::Look => 'L',
        });
        self.word(order.lines.len());
        for line in order.lines {
            let Line {
                account,
                hold,
                amount,
            } = line;
            self.keys.push(bucket(tag, account));
            self.limit(account);
            for number in [*amount, hold.span_ms, hold.slot, hold.amount] {
                self.number(number);
            }
            self.window(&account.budget.window, redis_ms);
        }
    }
}

/// What Redis says of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) span_ms: u64,
    pub(super) born_ms: u64,
    /// The last call that it knows of.
    pub(super) number: u64,
    /// Whether the least that was asked for is granted.
    pub(super) is_enough: bool,
    /// What it has charged.
    pub(super) charged: u64,
    /// Up to where it has granted.
    pub(super) ceiling: u64,
    /// How the bucket stands; its limit is not known here, and its moments are Redis's.
    pub(super) level: Level,
    /// When what was asked for will fit.
    pub(super) fits_ms: Option<u64>,
}

/// A bucket's key. Everything a gateway keeps has one tag, so a cluster keeps it in one place: an order is
/// over buckets of any budgets together, and each bucket is in orders with any others.
pub(super) fn bucket(tag: &str, account: &Account) -> String {
    // Commas stand between words.
    let place = account.budget.place().replace(',', ";");
    format!("{tag}b/{place}/{:032x}", account.key)
}

/// The words of an answer.
#[derive(Debug)]
pub(super) struct Words<'a>(std::str::Split<'a, char>);

/// How a call went.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// It is done, at this moment; the caller's own word and the answers to its orders.
    Done {
        /// Redis's clock.
        redis_ms: u64,
        /// What the caller gave.
        mark: &'a str,
        /// The rest.
        answers: Words<'a>,
    },
    /// Nothing is done: it is another time than was thought.
    Clock {
        /// Redis's clock.
        redis_ms: u64,
        /// What the caller gave.
        mark: &'a str,
    },
}

impl<'a> Words<'a> {
    /// Reads the beginning of an answer.
    pub(super) fn outcome(text: &'a str) -> Option<Outcome<'a>> {
        let mut words = Self(text.split(','));
        let head = words.0.next()?;
        let redis_ms = words.number()?;
        let mark = words.0.next()?;
        match head {
            "ok" => Some(Outcome::Done {
                redis_ms,
                mark,
                answers: words,
            }),
            "clock" => Some(Outcome::Clock { redis_ms, mark }),
            _ => None,
        }
    }

    /// The next word.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// The next word as a number; what has no end in Redis has none here.
    pub(super) fn number(&mut self) -> Option<u64> {
        let number = self.0.next()?.parse().ok()?;
        Some(if number >= NUMBER_MAX {
            u64::MAX
        } else {
            number
        })
    }

    /// The answer to an order. Moments are `ahead_ms` ahead of ours.
    pub(super) fn verdict(&mut self, order: &Order<'_>, ahead_ms: i64) -> Option<Verdict> {
        let ours = |redis_ms: u64| redis_ms.saturating_sub_signed(ahead_ms);
        match self.word()? {
            "g" => {
                let mut done = Vec::with_capacity(order.lines.len());
                for line in order.lines {
                    let hold = Hold {
                        span_ms: self.number()?,
                        slot: self.number()?,
                        amount: self.number()?,
                        is_shared: false,
                        is_aside: false,
                    };
                    let level = Level {
                        used: self.number()?,
                        held: self.number()?,
                        limit: line.account.limit,
                        resets_ms: ours(self.number()?),
                    };
                    done.push((hold, level));
                }
                Some(Verdict::Granted(done))
            }
            "r" => {
                let place = usize::try_from(self.number()?.checked_sub(1)?).ok()?;
                let account = order.lines.get(place)?.account;
                let level = Level {
                    used: self.number()?,
                    held: self.number()?,
                    limit: account.limit,
                    resets_ms: ours(self.number()?),
                };
                Some(Verdict::Refused {
                    line: place,
                    shortfall: Shortfall {
                        level,
                        fits_ms: self.moment()?.map(ours),
                    },
                })
            }
            _ => None,
        }
    }

    /// The answer about a slice.
    pub(super) fn slice(&mut self) -> Option<Slice> {
        if self.word()? != "s" {
            return None;
        }
        Some(Slice {
            span_ms: self.number()?,
            born_ms: self.number()?,
            number: self.number()?,
            is_enough: self.number()? == 1,
            charged: self.number()?,
            ceiling: self.number()?,
            level: Level {
                used: self.number()?,
                held: self.number()?,
                limit: 0,
                resets_ms: self.number()?,
            },
            fits_ms: self.moment()?,
        })
    }

    /// A moment, or none: outer `None` is no number at all.
    #[expect(clippy::option_option, reason = "malformed and never are two things")]
    pub(super) fn moment(&mut self) -> Option<Option<u64>> {
        match self.word()? {
            "-1" => Some(None),
            word => Some(Some(word.parse().ok()?)),
        }
    }
}

/// An order's last word: done, or something else first.
pub(super) fn done(verdict: Option<Verdict>) -> Step {
    Step::Done(verdict.unwrap_or(Verdict::Down))
}
