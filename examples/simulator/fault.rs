//! What can go wrong, by rules that tests write through the control port.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::exchange::{Received, Upstream};
use crate::wire::{Exception, Garbage};

/// Each rule serves `times` requests; the first that fits a request serves it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    upstream: Upstream,
    /// A part of the path and query.
    #[serde(rename = "match")]
    target_part: Option<String>,
    /// A part of the body.
    #[serde(rename = "body")]
    body_part: Option<String>,
    #[serde(default = "once")]
    times: u32,
    #[serde(rename = "fault", deserialize_with = "one_or_more")]
    faults: Vec<Fault>,
}

fn once() -> u32 {
    1
}

/// One fault or a list; an untagged enum would not say what is wrong with either.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Fault>, D::Error> {
    let json = Value::deserialize(from)?;
    let faults = if json.is_array() {
        json
    } else {
        Value::Array(vec![json])
    };
    serde_json::from_value(faults).map_err(D::Error::custom)
}

/// `after` counts events of the stream that still go out.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// An answer with this status instead of the model's.
    Status {
        status: u16,
        errortype: Option<String>,
        message: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// A string goes out as it is, anything else as JSON.
        body: Option<Value>,
    },
    Exception {
        #[serde(default)]
        after: usize,
        exception: Exception,
    },
    /// The connection closes.
    Cut {
        after: Option<usize>,
        after_bytes: Option<usize>,
    },
    /// The body ends as if it were complete.
    End {
        after: usize,
    },
    /// The stream goes on behind the garbage.
    Garbage {
        #[serde(default)]
        after: usize,
        #[serde(default)]
        form: Garbage,
    },
    /// Half an event at the very end.
    Leftover {},
    Slow {
        delay_ms: u64,
        /// Before the head of the answer.
        #[serde(default)]
        first_ms: u64,
    },
    Gzip {},
    /// Without `after` there is not even a head.
    Hang {
        after: Option<usize>,
    },
    /// The model's output, word for word. `events` are for streams; without them they are made from `body`.
    Answer {
        body: Option<Value>,
        events: Option<Vec<Value>>,
    },
    /// A text of `count` words, one in each delta.
    Chunks {
        count: usize,
        #[serde(default = "default_word")]
        word: String,
    },
}

pub(crate) fn default_word() -> String {
    "word".to_owned()
}

#[derive(Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn add(&mut self, rules: Vec<Rule>) {
        self.0
            .extend(rules.into_iter().filter(|rule| rule.times > 0));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many requests the rules still wait for.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.iter().map(|rule| u64::from(rule.times)).sum()
    }

    pub(crate) fn take(&mut self, request: &Received) -> Vec<Fault> {
        let fits = |rule: &Rule| {
            let part = rule.target_part.as_deref().unwrap_or_default();
            let body = rule.body_part.as_deref().unwrap_or_default();
            let mut bodies = request.body.windows(body.len().max(1));
            rule.upstream == request.upstream
                && request.target.contains(part)
                && (body.is_empty() || bodies.any(|window| window == body.as_bytes()))
        };
        let Some(at) = self.0.iter().position(fits) else {
            return Vec::new();
        };
        let rule = &mut self.0[at];
        rule.times -= 1;
        let is_used_up = rule.times == 0;
        let faults = rule.faults.clone();
        if is_used_up {
            self.0.remove(at);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(json: Value) -> Rules {
        let mut rules = Rules::default();
        rules.add(serde_json::from_value(json).unwrap());
        rules
    }

    #[test]
    fn rules_are_used_up_in_order() {
        let mut rules = rules(json!([
            {"upstream": "bedrock", "match": "stream", "times": 2, "fault": {"kind": "gzip"}},
            {"upstream": "bedrock", "fault": [{"kind": "end", "after": 2}, {"kind": "slow", "delay_ms": 5}]},
        ]));
        let request = |target| Received::for_test(target, &[], "");
        let counts = [
            "/converse",
            "/converse-stream",
            "/converse-stream",
            "/converse-stream",
        ]
        .map(|target| rules.take(&request(target)).len());
        assert_eq!((counts, rules.waiting()), ([2, 1, 1, 0], 0));
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        let rule = json!({"upstream": "bedrock", "fault": {"kind": "end", "afer": 2}});
        assert!(serde_json::from_value::<Rule>(rule).is_err());
    }
}
