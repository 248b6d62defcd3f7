//! The status answer: who has used what of which budget, and when it resets. Read-only.

use crate::budget::{Level, Local, Seen, Shared};
use crate::codec::json::{write_string, write_u64};
use crate::policy::BudgetRule;

use super::tell::amount_text;

/// Appends the state of every bucket that counts now.
pub(super) fn write_status(
    rules: &[std::rc::Rc<BudgetRule>],
    now_ms: u64,
    shared: &dyn Shared,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    let mut comma: &[u8] = b"";
    for rule in rules {
        out.extend_from_slice(comma);
        comma = b",";
        write_rule(rule, now_ms, shared, out);
    }
    out.extend_from_slice(b"]}");
}

fn write_rule(rule: &BudgetRule, now_ms: u64, shared: &dyn Shared, out: &mut Vec<u8>) {
    let budget = &rule.budget;
    let mode = if budget.is_shadow {
        "shadow"
    } else {
        "enforce"
    };
    let window = budget.window.to_string();
    let mut lead: &[u8] = b"{\"budget\":";
    for text in [&budget.name, budget.unit.name(), &window, mode] {
        out.extend_from_slice(lead);
        write_string(out, text);
        lead = match lead {
            b"{\"budget\":" => b",\"unit\":",
            b",\"unit\":" => b",\"window\":",
            _ => b",\"mode\":",
        };
    }
    out.extend_from_slice(b",\"buckets\":[");
    let mut comma: &[u8] = b"";
    let mut write = |label: &str, level: Level, seen_ms: Option<u64>| {
        out.extend_from_slice(comma);
        comma = b",";
        write_bucket(rule, label, level, seen_ms, out);
    };
    if rule.store.is_near() {
        Local::list(budget, now_ms, shared, &mut |_, label, level| {
            write(label, level, None);
        });
    } else {
        // What is kept elsewhere is told as it was last seen.
        for sight in Seen::read(budget, shared) {
            if now_ms < sight.level.resets_ms {
                write(&sight.label, sight.level, Some(sight.seen_ms));
            }
        }
    }
    out.extend_from_slice(b"]}");
}

fn write_bucket(
    rule: &BudgetRule,
    label: &str,
    level: Level,
    seen_ms: Option<u64>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"key\":");
    write_string(out, label);
    let limit = rule.limit(label);
    let level = Level { limit, ..level };
    for (name, amount) in [
        ("limit", level.limit),
        ("used", level.used),
        ("held", level.held),
        ("remaining", level.remaining()),
    ] {
        let text = amount_text(rule.budget.unit, amount);
        let member = format!(",\"{name}\":{}", text.trim_start_matches('$'));
        out.extend_from_slice(member.as_bytes());
    }
    out.extend_from_slice(b",\"resets_at_ms\":");
    write_u64(out, level.resets_ms);
    if let Some(seen_ms) = seen_ms {
        out.extend_from_slice(b",\"seen_at_ms\":");
        write_u64(out, seen_ms);
    }
    out.push(b'}');
}
