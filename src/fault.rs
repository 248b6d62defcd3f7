//! Why an exchange stopped, and whose doing it was.
//!
//! A fault knows the HTTP status, OpenAI's error `type`, a stable `code` for error bodies and metrics,
//! and the `param` where one field is to blame. Messages carry no text of the request; only what an
//! upstream itself said about its error is passed to the app, and never to a log.

use std::borrow::Cow;
use std::fmt;

/// Why an exchange stopped: blame first, detail inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The app sent what cannot be served.
    Client(Client),
    /// The policy or the gateway's configuration does not allow or cannot serve it.
    Policy(Policy),
    /// The upstream answered with an error, or with what is no answer. Boxed, being far larger than
    /// the rest: a fault is in the result of every read.
    Upstream(Box<Upstream>),
    /// A budget has no room for the request. Boxed like an upstream's.
    Budget(Box<Exhausted>),
    /// The proxy that hosts the filter did not do its part.
    Host(&'static str),
    /// What cannot happen happened. Counted; the text names the place.
    Internal(&'static str),
}

/// What an app can do wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// No API key, or none that the policy knows.
    Unauthenticated,
    /// The path is none that the gateway serves.
    UnknownPath,
    /// The path is served, with another method.
    Method {
        /// The method that it takes.
        allow: &'static str,
    },
    /// The policy lets this caller use no agents.
    AgentsNotAllowed,
    /// The body is larger than the policy allows.
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The body is compressed, which is not undone here.
    Compressed,
    /// There is no body.
    EmptyBody,
    /// The body is no JSON.
    Json {
        /// Bytes before the place where it breaks.
        offset: usize,
    },
    /// The model does not exist, or this consumer may not use it.
    UnknownModel,
    /// One field is at fault.
    Invalid(Invalid),
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field as OpenAI names it: `messages[2].content[0].image_url.url`.
    pub param: String,
    /// OpenAI's code, such as `invalid_value`.
    pub code: &'static str,
    /// What is wrong and what to do instead.
    pub problem: Cow<'static, str>,
}

impl Invalid {
    /// The value is not one that the field takes.
    pub fn value(param: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_value", param, problem)
    }

    /// The value has the wrong JSON type.
    pub fn kind(param: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_type", param, problem)
    }

    /// The field is missing.
    pub fn missing(param: impl Into<String>) -> Self {
        Self::new(
            "missing_required_parameter",
            param,
            "this field is required",
        )
    }

    /// The field or its value is legal, but cannot be carried to this model.
    pub fn unsupported(param: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::new("unsupported_parameter", param, problem)
    }

    /// The field holds what the policy lets nobody send.
    pub fn blocked(param: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::new("content_blocked", param, problem)
    }

    /// The field holds more that the policy has replaced than the gateway can.
    pub fn findings(param: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::new("too_many_findings", param, problem)
    }

    fn new(
        code: &'static str,
        param: impl Into<String>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            param: param.into(),
            code,
            problem: problem.into(),
        }
    }
}

/// A budget that has no room, in OpenAI's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// The app is not too fast: its quota is used up.
    pub is_quota: bool,
    /// OpenAI's `type` for a rate: what is counted, `tokens` or `requests`.
    pub kind: &'static str,
    /// Which budget, and by how much.
    pub message: String,
    /// After how many milliseconds it will fit; nothing where it never will.
    pub retry_ms: Option<u64>,
}

/// What the policy or the configuration lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// There is no valid policy at all.
    Missing,
    /// The target's provider has no credential.
    Credential {
        /// The provider's name in the policy.
        provider: String,
        /// The environment variables that would hold it.
        variables: String,
    },
    /// The model's provider cannot serve this API.
    Format,
    /// The policy serves no agents, or not this part of their API.
    Agents,
    /// The attempt went to a host or cluster whose provider is no target of the model.
    Target,
    /// The answer holds what the policy blocks.
    Blocked {
        /// What it is, by its name in the policy.
        entity: String,
    },
    /// Money is limited, and nobody has said what the model costs.
    Price,
    /// A budget's store cannot say whether there is room.
    Store,
    /// This budget holds by bytes, which do not bound the tokens of this prompt.
    Unbounded {
        /// Its name.
        budget: String,
    },
    /// This budget counts what no answer of this API tells.
    Uncounted {
        /// Its name.
        budget: String,
    },
}

/// An upstream's error, already in OpenAI's terms.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The status for the app.
    pub status: u16,
    /// OpenAI's `type`.
    pub kind: Cow<'static, str>,
    /// OpenAI's `code`.
    pub code: Option<Cow<'static, str>>,
    /// What the upstream said.
    pub message: String,
    /// OpenAI's `param`.
    pub param: Option<String>,
    /// Azure's `innererror`, a JSON object as it came.
    pub inner: Option<String>,
}

impl Upstream {
    /// The answer broke: cut short, corrupt, or not in the form that was due.
    pub fn broken(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 502,
            kind: Cow::Borrowed("server_error"),
            code: Some(Cow::Borrowed(code)),
            message: message.into(),
            param: None,
            inner: None,
        }
    }

    /// The answer ended before the upstream said why it stopped.
    #[must_use]
    pub fn truncated() -> Self {
        Self::broken(
            "upstream_truncated",
            "the provider's answer ended before it was complete",
        )
    }
}

impl Upstream {
    /// The answer came in an encoding that nobody asked for.
    #[must_use]
    pub fn compressed() -> Self {
        Self::broken(
            "upstream_encoding",
            "the provider compressed its answer although it was not asked to",
        )
    }
}

impl fmt::Debug for Upstream {
    /// Tells sizes: what an upstream says may repeat what the app sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("status", &self.status)
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("message_bytes", &self.message.len())
            .finish_non_exhaustive()
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Client(Client::Invalid(invalid))
    }
}

impl From<Client> for Fault {
    fn from(client: Client) -> Self {
        Self::Client(client)
    }
}

impl From<Policy> for Fault {
    fn from(policy: Policy) -> Self {
        Self::Policy(policy)
    }
}

impl From<Upstream> for Fault {
    fn from(upstream: Upstream) -> Self {
        Self::Upstream(Box::new(upstream))
    }
}

impl Fault {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Client(client) => match client {
                Client::Unauthenticated => 401,
                Client::AgentsNotAllowed => 403,
                Client::UnknownPath | Client::UnknownModel => 404,
                Client::Method { .. } => 405,
                Client::TooLarge { .. } => 413,
                Client::Compressed => 415,
                Client::EmptyBody | Client::Json { .. } | Client::Invalid(_) => 400,
            },
            Self::Policy(
                Policy::Format
                | Policy::Blocked { .. }
                | Policy::Uncounted { .. }
                | Policy::Unbounded { .. },
            ) => 400,
            Self::Policy(Policy::Agents) => 404,
            Self::Policy(Policy::Missing | Policy::Store) => 503,
            Self::Budget(_) => 429,
            Self::Policy(Policy::Credential { .. } | Policy::Target | Policy::Price)
            | Self::Host(_)
            | Self::Internal(_) => 500,
            Self::Upstream(upstream) => upstream.status,
        }
    }

    /// OpenAI's error `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Client(Client::Unauthenticated) => "authentication_error",
            Self::Client(Client::AgentsNotAllowed) => "permission_error",
            Self::Client(_)
            | Self::Policy(
                Policy::Format
                | Policy::Agents
                | Policy::Blocked { .. }
                | Policy::Uncounted { .. }
                | Policy::Unbounded { .. },
            ) => "invalid_request_error",
            Self::Upstream(upstream) => &upstream.kind,
            Self::Budget(exhausted) if exhausted.is_quota => "insufficient_quota",
            Self::Budget(exhausted) => exhausted.kind,
            Self::Policy(_) | Self::Host(_) | Self::Internal(_) => "server_error",
        }
    }

    /// A stable code for error bodies and metrics.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        Some(match self {
            Self::Client(client) => match client {
                Client::Unauthenticated => "invalid_api_key",
                Client::UnknownPath => "unknown_url",
                Client::AgentsNotAllowed => "agents_not_allowed",
                Client::Method { .. } => "method_not_allowed",
                Client::TooLarge { .. } => "request_too_large",
                Client::Compressed => "unsupported_content_encoding",
                Client::EmptyBody => "empty_body",
                Client::Json { .. } => "invalid_json",
                Client::UnknownModel => "model_not_found",
                Client::Invalid(invalid) => invalid.code,
            },
            Self::Policy(policy) => match policy {
                Policy::Missing => "policy_missing",
                Policy::Credential { .. } => "credential_missing",
                Policy::Format | Policy::Agents => "unsupported_api",
                Policy::Target => "target_missing",
                Policy::Blocked { .. } => "content_blocked",
                Policy::Price => "price_missing",
                Policy::Store => "budget_store_down",
                Policy::Uncounted { .. } | Policy::Unbounded { .. } => "budget_unsupported",
            },
            Self::Budget(exhausted) if exhausted.is_quota => "insufficient_quota",
            Self::Budget(_) => "rate_limit_exceeded",
            Self::Upstream(upstream) => return upstream.code.as_deref(),
            Self::Host(_) => "gateway_configuration",
            Self::Internal(_) => "internal_error",
        })
    }

    /// What OpenAI's error events say of it, with this message.
    #[must_use]
    pub fn members<'f>(&'f self, message: &'f str) -> [(&'static str, Option<&'f str>); 3] {
        [
            ("code", self.code()),
            ("message", Some(message)),
            ("param", self.param()),
        ]
    }

    /// The field to blame.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Client(Client::Invalid(invalid)) => Some(&invalid.param),
            Self::Client(Client::UnknownModel) | Self::Policy(Policy::Format) => Some("model"),
            Self::Upstream(upstream) => upstream.param.as_deref(),
            Self::Client(_)
            | Self::Policy(_)
            | Self::Budget(_)
            | Self::Host(_)
            | Self::Internal(_) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => client.fmt(f),
            Self::Policy(policy) => policy.fmt(f),
            Self::Upstream(upstream) => f.write_str(&upstream.message),
            Self::Budget(exhausted) => f.write_str(&exhausted.message),
            Self::Host(problem) => f.write_str(problem),
            Self::Internal(place) => write!(f, "internal error in the gateway: {place}"),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str(
                "incorrect or missing API key; send a key that this gateway's policy knows as \
                 Authorization: Bearer",
            ),
            Self::UnknownPath => f.write_str(
                "unknown path; this gateway serves POST /v1/chat/completions, POST /v1/responses, POST /v1/completions, \
                 POST /v1/embeddings and GET /v1/models, and /v1/agents where its policy has agents",
            ),
            Self::AgentsNotAllowed => f.write_str(
                "this key may not use agents; the gateway's admin has to name its consumer in the policy's agents",
            ),
            Self::Method { allow } => write!(f, "wrong method; this path takes {allow}"),
            Self::TooLarge { limit } => {
                write!(f, "the request body exceeds this gateway's limit of {limit} bytes")
            }
            Self::Compressed => {
                f.write_str("the request body is compressed; send it without content-encoding")
            }
            Self::EmptyBody => f.write_str("the request has no body; send a JSON object"),
            Self::Json { offset } => {
                write!(f, "the request body is no valid JSON: it breaks after byte {offset}")
            }
            Self::UnknownModel => f.write_str(
                "the model does not exist or this key may not use it; GET /v1/models lists those it may",
            ),
            Self::Invalid(invalid) => write!(f, "{}: {}", invalid.param, invalid.problem),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the gateway has no valid policy; its log says why"),
            Self::Credential {
                provider,
                variables,
            } => write!(
                f,
                "the gateway has no credential for provider '{provider}'; its admin has to set \
                 {variables} and list it in vm_config.environment_variables"
            ),
            Self::Blocked { entity } => write!(
                f,
                "the model's answer holds {entity}, which this gateway's policy blocks"
            ),
            Self::Format => {
                f.write_str("the provider of this model cannot serve this API; choose another model")
            }
            Self::Agents => f.write_str(
                "this gateway's policy does not let this part of the agents API pass; its admin has to name a \
                 provider and the resource in the policy's agents",
            ),
            Self::Target => f.write_str(
                "the upstream that was chosen is no target of this model; the gateway's admin has to \
                 make the policy's targets and Envoy's tollgate.provider metadata agree",
            ),
            Self::Price => f.write_str(
                "a budget limits money, and nobody has said what this model costs; the gateway's admin \
                 has to add it to the policy's prices",
            ),
            Self::Store => f.write_str(
                "the gateway cannot tell at the moment whether a budget has room; try again",
            ),
            Self::Unbounded { budget } => write!(
                f,
                "budget '{budget}' holds a token for each byte of a prompt, and this one has parts that are no text or \
                 stand elsewhere (files, pictures, earlier answers, hosted tools); send text only"
            ),
            Self::Uncounted { budget } => write!(
                f,
                "budget '{budget}' counts tokens or money, which the agents API does not tell; the gateway's admin has \
                 to limit requests or concurrent requests of this API instead"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_what_an_upstream_said() {
        let mut upstream = Upstream::broken("code", "private");
        upstream.inner = Some("private".to_owned());
        let shown = format!("{:?}", Fault::from(upstream));
        assert!(
            shown.contains("502") && !shown.contains("private"),
            "{shown}"
        );
    }
}
