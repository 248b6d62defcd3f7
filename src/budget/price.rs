//! What a request costs: tokens of each class, and what a budget counts for them.
//!
//! Prices are in millionths of a millionth of a dollar for a token, which is a millionth of a dollar for a
//! million tokens: every price that a provider has ever listed is a whole number of them. A request's cost
//! is summed in these and rounded up once, to nano-dollars.

use super::{Unit, Weights};

/// Tokens by class; no token is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Of the prompt, neither read from a cache nor written to one.
    pub input: u64,
    /// Of the prompt, read from a cache.
    pub cached: u64,
    /// Of the prompt, written to a cache.
    pub cache_write: u64,
    /// Of the answer, other than reasoning.
    pub output: u64,
    /// Of the answer, reasoning.
    pub reasoning: u64,
}

/// What a token of each class costs, in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// See [`Tokens::input`].
    pub input: u64,
    /// See [`Tokens::cached`].
    pub cached: u64,
    /// See [`Tokens::cache_write`].
    pub cache_write: u64,
    /// See [`Tokens::output`] and [`Tokens::reasoning`], which all providers price alike.
    pub output: u64,
}

impl Price {
    /// Reads dollars for a million tokens, such as `0.075`.
    ///
    /// # Errors
    /// It is no such number, or has more than six decimals.
    pub fn parse(text: &str) -> Result<u64, &'static str> {
        decimal(text, 6)
            .ok_or("write dollars for a million tokens, such as 2.5, with at most six decimals")
    }

    /// The dearer of two, class by class: for a request of which it is not known yet who serves it.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
        }
    }
}

/// Reads a decimal number as a whole number of its last decimal.
pub(super) fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > decimals || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut digits = whole.to_owned();
    digits.push_str(fraction);
    for _ in fraction.len()..decimals {
        digits.push('0');
    }
    digits.parse().ok()
}

impl Unit {
    /// What a budget of this unit counts for a request.
    #[must_use]
    pub fn amount(&self, tokens: &Tokens, price: &Price) -> u64 {
        let Tokens {
            input,
            cached,
            cache_write,
            output,
            reasoning,
        } = *tokens;
        let sum = |weights: [(u64, u64); 5]| {
            let products =
                weights.map(|(count, weight)| u128::from(count).saturating_mul(weight.into()));
            products.into_iter().fold(0, u128::saturating_add)
        };
        match self {
            Self::Requests | Self::Concurrent => 1,
            Self::Tokens(weights) => whole(sum([
                (input, weights.input),
                (cached, weights.cached),
                (cache_write, weights.cache_write),
                (output, weights.output),
                (reasoning, weights.reasoning),
            ])),
            Self::Usd => whole(
                sum([
                    (input, price.input),
                    (cached, price.cached),
                    (cache_write, price.cache_write),
                    (output, price.output),
                    (reasoning, price.output),
                ])
                .div_ceil(1_000),
            ),
        }
    }

    /// The most that a budget of this unit may count for so many tokens, whatever their classes turn out to be.
    #[must_use]
    pub fn bound(&self, input: u64, output: u64, price: &Price) -> u64 {
        let tokens = Tokens {
            input,
            output,
            ..Tokens::default()
        };
        match self {
            Self::Requests | Self::Concurrent => 1,
            Self::Tokens(weights) => {
                let dearest = Weights {
                    input: weights.input.max(weights.cached).max(weights.cache_write),
                    output: weights.output.max(weights.reasoning),
                    ..*weights
                };
                Self::Tokens(dearest).amount(&tokens, price)
            }
            Self::Usd => {
                let input = price.input.max(price.cached).max(price.cache_write);
                self.amount(&tokens, &Price { input, ..*price })
            }
        }
    }

    /// How many of its amounts are one as people write them: a token, a dollar.
    #[must_use]
    pub const fn scale(&self) -> u64 {
        match self {
            Self::Requests | Self::Concurrent => 1,
            Self::Tokens(_) => 1_000,
            Self::Usd => 1_000_000_000,
        }
    }

    /// Reads a limit.
    ///
    /// # Errors
    /// It is no number of this unit.
    pub fn parse(&self, text: &str) -> Result<u64, &'static str> {
        match self {
            Self::Requests | Self::Concurrent => decimal(text, 0).ok_or("write a whole number"),
            Self::Tokens(_) => decimal(text, 0)
                .and_then(|tokens| tokens.checked_mul(self.scale()))
                .ok_or("write a whole number of tokens"),
            Self::Usd => {
                decimal(text, 9).ok_or("write dollars, such as 12.5, with at most nine decimals")
            }
        }
    }
}

impl Weights {
    /// Every token counts once.
    pub const EVEN: Self = Self {
        input: 1_000,
        cached: 1_000,
        cache_write: 1_000,
        output: 1_000,
        reasoning: 1_000,
    };

    /// Reads a weight such as `0.25`, in thousandths.
    ///
    /// # Errors
    /// It is no such number.
    pub fn parse(text: &str) -> Result<u64, &'static str> {
        decimal(text, 3).ok_or("write a weight such as 0.25, with at most three decimals")
    }
}

fn whole(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Tokens = Tokens {
        input: 1_000_000,
        cached: 200_000,
        cache_write: 0,
        output: 3,
        reasoning: 4,
    };

    #[track_caller]
    fn check(unit: Unit, price: [&str; 4], want: u64) {
        let [input, cached, cache_write, output] = price.map(|text| Price::parse(text).unwrap());
        let price = Price {
            input,
            cached,
            cache_write,
            output,
        };
        assert_eq!(unit.amount(&TOKENS, &price), want);
    }

    #[test]
    fn money_is_exact_and_rounded_up_once() {
        check(Unit::Usd, ["2.5", "0", "0", "0"], 2_500_000_000);
        check(Unit::Usd, ["0.00875", "0", "0", "0"], 8_750_000);
        check(
            Unit::Usd,
            ["0.035", "0.00875", "0", "0.14"],
            35_000_000 + 1_750_000 + 980,
        );
    }

    #[test]
    fn tokens_weigh_what_their_class_weighs() {
        check(Unit::Tokens(Weights::EVEN), ["0"; 4], 1_200_007_000);
        let weights = Weights {
            cached: 100,
            output: 4_000,
            ..Weights::EVEN
        };
        check(
            Unit::Tokens(weights),
            ["0"; 4],
            1_000_000_000 + 20_000_000 + 12_000 + 4_000,
        );
    }

    #[test]
    fn a_request_is_a_request() {
        check(Unit::Requests, ["9"; 4], 1);
    }

    #[test]
    fn what_cannot_be_counted_is_the_most_there_is() {
        let tokens = Tokens {
            input: u64::MAX,
            output: u64::MAX,
            ..Tokens::default()
        };
        let price = Price {
            input: u64::MAX,
            output: u64::MAX,
            ..Price::default()
        };
        assert_eq!(Unit::Usd.amount(&tokens, &price), u64::MAX);
    }

    #[test]
    fn numbers_are_digits_with_a_bounded_fraction() {
        assert_eq!(decimal("1.25", 3), Some(1_250));
        assert_eq!(decimal("7", 0), Some(7));
        for text in [
            "",
            ".5",
            "-1",
            "1e3",
            "1.2345",
            "1.2.3",
            "x",
            "99999999999999999999",
        ] {
            assert_eq!(decimal(text, 3), None, "{text}");
        }
    }
}
