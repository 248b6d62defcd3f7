//! What an app is told of its budgets: OpenAI's headers, and amounts and times as people write them.

use std::fmt::Write as _;

use crate::budget::{Level, Unit};
use crate::fault::{Exhausted, Fault};
use crate::turn::Headers;

use super::ledger::Ledger;

/// The answer's header that names thresholds which are passed.
pub const BUDGET_HEADER: &str = "x-tollgate-budget";
/// A client that waits longer than this for its next attempt has given up: no SDK of OpenAI's waits so long.
const RETRY_MS_MAX: u64 = 60_000;

/// The headers that tell how a request's budgets stand.
pub(super) fn levels(ledger: &Ledger, now_ms: u64, headers: &mut Headers) {
    let tightest = |counts: fn(Unit) -> bool| {
        let entries = ledger.entries().iter();
        let enforced = entries.filter(|entry| {
            let budget = &entry.due.account.budget;
            counts(budget.unit) && !budget.is_shadow
        });
        enforced
            .map(|entry| (entry.due.account.budget.unit, entry.level))
            .min_by_key(|(_, level)| level.remaining())
    };
    if let Some((unit, level)) = tightest(|unit| unit == Unit::Requests) {
        let names = [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ];
        level_headers(names, unit, &level, now_ms, headers);
    }
    if let Some((unit, level)) = tightest(|unit| matches!(unit, Unit::Tokens(_))) {
        let names = [
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
        ];
        level_headers(names, unit, &level, now_ms, headers);
    }
}

fn level_headers(
    [limit, remaining, reset]: [&'static str; 3],
    unit: Unit,
    level: &Level,
    now_ms: u64,
    headers: &mut Headers,
) {
    headers.set(limit, whole(unit, level.limit));
    headers.set(remaining, whole(unit, level.remaining()));
    let resets_ms = level.resets_ms.saturating_sub(now_ms);
    headers.set(reset, duration_text(resets_ms));
}

/// The headers that tell when to come again.
pub(super) fn retry(fault: &Fault, headers: &mut Headers) {
    let Fault::Budget(exhausted) = fault else {
        return;
    };
    let Exhausted { retry_ms, .. } = **exhausted;
    if let Some(retry_ms) = retry_ms {
        headers.set("retry-after-ms", retry_ms.to_string());
        headers.set("retry-after", retry_ms.div_ceil(1_000).to_string());
    }
    if retry_ms.is_none_or(|retry_ms| retry_ms > RETRY_MS_MAX) {
        headers.set("x-should-retry", "false");
    }
}

/// An amount as whole tokens or requests, rounded down.
fn whole(unit: Unit, amount: u64) -> String {
    amount.checked_div(unit.scale()).unwrap_or(0).to_string()
}

/// An amount as people write it.
pub(super) fn amount_text(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Requests | Unit::Concurrent => amount.to_string(),
        Unit::Tokens(_) => amount.div_ceil(unit.scale()).to_string(),
        Unit::Usd => {
            let scale = unit.scale();
            let dollars = amount.checked_div(scale).unwrap_or(0);
            let nanos = amount.checked_rem(scale).unwrap_or(0);
            let mut text = format!("${dollars}.{nanos:09}");
            // Cents at least.
            let shortest = dollars.to_string().len().saturating_add("$.00".len());
            while text.ends_with('0') && text.len() > shortest {
                text.pop();
            }
            text
        }
    }
}

/// A time as OpenAI writes it: `6m0s`, `1.5s`, `20ms`.
pub(super) fn duration_text(ms: u64) -> String {
    let mut text = String::new();
    let (seconds, rest_ms) = (ms / 1_000, ms % 1_000);
    if seconds == 0 {
        return format!("{rest_ms}ms");
    }
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    if hours > 0 {
        let _done = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _done = write!(text, "{minutes}m");
    }
    let _done = write!(text, "{}", seconds % 60);
    if rest_ms > 0 {
        let fraction = format!(".{rest_ms:03}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: u64, want: &str) {
        assert_eq!(duration_text(ms), want);
    }

    #[test]
    fn times_are_written_as_openai_does() {
        check(20, "20ms");
        check(1_000, "1s");
        check(1_500, "1.5s");
        check(360_000, "6m0s");
        check(86_399_000, "23h59m59s");
        check(0, "0ms");
    }

    #[test]
    fn money_has_cents_at_least() {
        assert_eq!(amount_text(Unit::Usd, 12_500_000_000), "$12.50");
        assert_eq!(amount_text(Unit::Usd, 1), "$0.000000001");
    }
}
