//! The status answer: who has used what of which budget, and when it resets. Read-only.

use crate::budget::{Level, Local, Shared};
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
    // What is kept elsewhere is not in this memory: to look for it takes a read for every few keys.
    if !rule.store.is_near() {
        out.extend_from_slice(b"]}");
        return;
    }
    Local::list(budget, now_ms, shared, &mut |_, label, level| {
        out.extend_from_slice(comma);
        comma = b",";
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
            let text = amount_text(budget.unit, amount);
            let member = format!(",\"{name}\":{}", text.trim_start_matches('$'));
            out.extend_from_slice(member.as_bytes());
        }
        out.extend_from_slice(b",\"resets_at_ms\":");
        write_u64(out, level.resets_ms);
        out.push(b'}');
    });
    out.extend_from_slice(b"]}");
}
