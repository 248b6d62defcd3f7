//! What an exchange was, for one line of the log: names, codes, tokens and times; never text.

use std::fmt;

use crate::fault::Fault;
use crate::redact::Counts;
use crate::turn::{Now, Usage};

use super::ledger::Tally;
use super::meter::Meter;

/// What is known of an exchange so far.
///
/// In a split each half knows a part: the upstream half tells its part by a note in filter state.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// When the request's head came.
    pub began: Now,
    /// Who called, by its name in the policy.
    pub consumer: Option<String>,
    /// The model's public name.
    pub model: Option<String>,
    /// The provider that answered, by its name in the policy.
    pub provider: Option<String>,
    /// The status that the app saw.
    pub status: u16,
    /// The code of the fault that ended it.
    pub code: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What it cost, as far as the upstream said.
    pub usage: Option<Usage>,
    /// What was redacted.
    pub redacted: Redacted,
    /// What it was to its budgets, once it is settled.
    pub tallies: Vec<Tally>,
    /// How far the estimate of its prompt was from what the provider counted.
    pub prompt: Option<Prompt>,
    /// The provider has answered.
    pub(super) is_served: bool,
    /// The provider has answered, and its answer failed here: the provider has its money all the same.
    pub(super) is_billed: bool,
    /// The place of the target that served among its model's, where this half of the filter chose it.
    pub(super) target: Option<usize>,
    /// What the answer has said so far, about, as the upstream half noted it.
    pub(super) streamed_tokens: u64,
    /// What counts the answer on its way.
    pub(super) meter: Meter,
    /// The model that a router chose, for the answer's head.
    pub(super) invoked_model: Option<String>,
    /// What a guardrail found, for the answer's head.
    pub(super) guardrail: Option<String>,
}

/// A prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// As they were estimated.
    pub estimated_tokens: u64,
    /// As the provider counted them.
    pub counted_tokens: u64,
}

/// What was found in a request and in its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redacted {
    /// On the way in.
    pub request: Counts,
    /// On the way back.
    pub answer: Counts,
}

impl Redacted {
    /// Each way by its name in policies.
    pub fn ways(&self) -> [(&'static str, &Counts); 2] {
        [("request", &self.request), ("answer", &self.answer)]
    }

    /// The request's part.
    pub(super) fn of_request(&self) -> Self {
        Self {
            request: self.request.clone(),
            answer: Counts::default(),
        }
    }

    /// Reads what `Display` writes. What is none of it is left out.
    fn parse(text: &str) -> Self {
        let mut redacted = Self::default();
        for count in text.split(',') {
            let Some((place, times)) = count.split_once('=') else {
                continue;
            };
            let mut words = place.splitn(3, '.');
            let counts = match words.next() {
                Some("request") => &mut redacted.request,
                Some("answer") => &mut redacted.answer,
                _ => continue,
            };
            if let (Some(action), Some(entity), Ok(times)) =
                (words.next(), words.next(), times.parse())
            {
                counts.add_times(entity, action, times);
            }
        }
        redacted
    }
}

impl fmt::Display for Redacted {
    /// `request.mask.email=2,answer.block.us_ssn=1`, or `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (way, counts) in self.ways() {
            for count in counts.iter() {
                let (action, entity) = (&count.action, Name(Some(&count.entity)));
                write!(f, "{comma}{way}.{action}.{entity}={}", count.times)?;
                comma = ",";
            }
        }
        f.write_str(if comma.is_empty() { "-" } else { "" })
    }
}

impl Report {
    pub(super) fn fail(&mut self, fault: &Fault) {
        self.status = fault.status();
        self.fail_in_stream(fault);
    }

    /// The head has gone out with its own status, so only the code changes.
    pub(super) fn fail_in_stream(&mut self, fault: &Fault) {
        let code = fault.code().unwrap_or("unknown");
        // A stream that breaks off before it said anything is no answer; whole ones were made whole.
        let has_failed_here = match fault {
            Fault::Upstream(_) => {
                BROKEN_HERE.contains(&code) || (code == TRUNCATED && !self.stream)
            }
            Fault::Host(_) | Fault::Internal(_) => true,
            Fault::Client(_) | Fault::Policy(_) | Fault::Budget(_) => false,
        };
        self.is_billed = self.is_served && has_failed_here;
        self.code = Some(code.to_owned());
    }
}

/// Codes of answers that the provider gave, and that cannot be used here.
const BROKEN_HERE: &[&str] = &[
    "upstream_corrupt",
    "upstream_encoding",
    "upstream_not_a_stream",
    "upstream_too_large",
];
const TRUNCATED: &str = "upstream_truncated";

impl Report {
    /// The upstream half's part: provider, code, and tokens, each `-` where unknown.
    pub(super) fn note(&self) -> String {
        let usage = self.usage.unwrap_or_default();
        format!(
            "{} cache_write_tokens={} reasoning_tokens={} streamed_tokens={} billed={}",
            Part(self),
            usage.cache_write_tokens,
            usage.reasoning_tokens.unwrap_or(0),
            self.streamed_tokens.max(self.meter.tokens()),
            self.is_billed,
        )
    }

    /// Keeps how much the answer has said; tells whether that is due to be noted.
    pub(super) const fn note_progress(&mut self) -> bool {
        match self.meter.note() {
            Some(tokens) => {
                self.streamed_tokens = tokens;
                true
            }
            None => false,
        }
    }

    /// Takes in the upstream half's note. Words that are none of it are left out.
    pub fn hear(&mut self, note: &str) {
        let mut words = note.split(' ').map(|word| word.split_once('='));
        let mut next = |name: &str| match words.next().flatten() {
            Some((known, value)) if known == name && value != "-" => Some(value),
            _ => None,
        };
        self.provider = next("provider").map(str::to_owned);
        let code = next("code").map(str::to_owned);
        self.code = code.or_else(|| self.code.take());
        let tokens = ["input_tokens", "cached_tokens", "output_tokens"]
            .map(|name| next(name).and_then(|count| count.parse().ok()));
        if let Some(redacted) = next("redacted") {
            self.redacted = Redacted::parse(redacted);
        }
        let [cache_write_tokens, reasoning_tokens, streamed_tokens] =
            ["cache_write_tokens", "reasoning_tokens", "streamed_tokens"]
                .map(|name| next(name).and_then(|count| count.parse().ok()));
        if let [Some(input_tokens), Some(cached_tokens), Some(output_tokens)] = tokens {
            self.usage = Some(Usage {
                input_tokens,
                cached_tokens,
                cache_write_tokens: cache_write_tokens.unwrap_or(0),
                output_tokens,
                reasoning_tokens,
            });
        }
        self.streamed_tokens = streamed_tokens.unwrap_or(0);
        self.is_billed = next("billed") == Some("true");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "consumer={} model={} status={} stream={} {}",
            Name(self.consumer.as_deref()),
            Name(self.model.as_deref()),
            self.status,
            self.stream,
            Part(self),
        )
    }
}

/// What the half that speaks to the provider knows.
struct Part<'r>(&'r Report);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            provider,
            code,
            usage,
            ..
        } = self.0;
        let provider = Name(provider.as_deref());
        let code = Name(code.as_deref());
        write!(f, "provider={provider} code={code} ")?;
        let redacted = &self.0.redacted;
        match usage {
            Some(usage) => write!(
                f,
                "input_tokens={} cached_tokens={} output_tokens={}",
                usage.input_tokens, usage.cached_tokens, usage.output_tokens
            )?,
            None => f.write_str("input_tokens=- cached_tokens=- output_tokens=-")?,
        }
        write!(f, " redacted={redacted}")
    }
}

/// A name as a log may hold it. A public name may be a glob's match, that is, the app's own text, and a
/// code may be the upstream's.
struct Name<'n>(Option<&'n str>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/@".contains(&byte);
        f.write_str(match self.0 {
            Some(name) if name.len() <= 128 && name.bytes().all(is_plain) => name,
            Some(_) => "?",
            None => "-",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_half_hears_what_the_upstream_half_notes() {
        let told = Report {
            provider: Some("bedrock".to_owned()),
            code: Some("upstream_truncated".to_owned()),
            is_billed: true,
            usage: Some(Usage {
                input_tokens: 7,
                output_tokens: 3,
                ..Usage::default()
            }),
            redacted: Redacted::parse("request.mask.email=2,answer.block.us_ssn=1,odd,x.y.z=1"),
            ..Report::default()
        };
        let mut heard = Report {
            model: Some("claude".to_owned()),
            ..Report::default()
        };
        heard.hear(&told.note());
        assert!(heard.is_billed);
        assert_eq!(
            heard.to_string(),
            "consumer=- model=claude status=0 stream=false provider=bedrock code=upstream_truncated \
             input_tokens=7 cached_tokens=0 output_tokens=3 redacted=request.mask.email=2,answer.block.us_ssn=1"
        );
    }

    #[test]
    fn a_name_with_a_space_could_be_anything_and_is_not_told() {
        let report = Report {
            model: Some("gpt-4 my secret".to_owned()),
            ..Report::default()
        };
        assert!(report.to_string().contains("model=? "));
    }

    #[test]
    fn a_strange_note_is_not_heard() {
        let mut report = Report::default();
        report.hear("provider=x code=- input_tokens=many");
        assert_eq!(report.usage, None);
        report.hear("");
        assert_eq!(report.provider, None);
    }
}
