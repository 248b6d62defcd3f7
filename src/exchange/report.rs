//! What an exchange was, for one line of the log: names, codes, tokens and times; never text.

use std::fmt;

use crate::fault::Fault;
use crate::turn::{Now, Usage};

/// What is known of an exchange so far.
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
}

impl Report {
    pub(super) fn fail(&mut self, fault: &Fault) {
        self.status = fault.status();
        self.code = Some(fault.code().unwrap_or("unknown").to_owned());
    }

    /// The head has gone out with its own status, so only the code changes.
    pub(super) fn fail_in_stream(&mut self, fault: &Fault) {
        self.code = Some(fault.code().unwrap_or("unknown").to_owned());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<String>| match name {
            // A public name may be a glob's match, that is, the app's own text.
            Some(name) if is_plain(name) => name.clone(),
            Some(_) => "?".to_owned(),
            None => "-".to_owned(),
        };
        write!(
            f,
            "consumer={} model={} provider={} status={} code={} stream={}",
            name(&self.consumer),
            name(&self.model),
            name(&self.provider),
            self.status,
            name(&self.code),
            self.stream,
        )?;
        match self.usage {
            Some(usage) => write!(
                f,
                " input_tokens={} cached_tokens={} output_tokens={}",
                usage.input_tokens, usage.cached_tokens, usage.output_tokens
            ),
            None => f.write_str(" input_tokens=- cached_tokens=- output_tokens=-"),
        }
    }
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte);
    name.len() <= 128 && name.bytes().all(is_plain)
}
