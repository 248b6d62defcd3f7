//! Redaction of one exchange: what leaves, and what comes back.
//!
//! It works on the app's own format, on both ways, in the half that knows the provider: before a request is edited or
//! translated, and behind whatever turns the answer back. So it is the same for every provider, each retry is redacted
//! anew for where it goes, and an answer is redacted as the app would see it. `channel` redacts one text of an answer,
//! `stream` the events of a streamed one, `frame` what stands around their data, `typed` those that say what they are; `mould`
//! spares those that look alike the walk.

mod channel;
mod frame;
mod mould;
mod stream;
mod typed;

pub(super) use stream::Filter;

use std::rc::Rc;

use crate::client::sites::Sites;
use crate::codec::json::{self, Edits, unescape, validate, write_string};
use crate::codec::percent;
use crate::fault::{Fault, Invalid, Policy as Blocked, Upstream};
use crate::limits::{ADMIN_BYTES_MAX, REDACTIONS_MAX};
use crate::policy::{Policy, RedactionRule, Sides};
use crate::redact::document::{Media, Redactor, Refusal, hollow};
use crate::redact::places::{Found, Layout, Places, integer};
use crate::redact::select::Matcher;
use crate::redact::{Action, Counts, Folded, Tenant, Vault};
use channel::Channel;

/// What is redacted in one exchange.
pub(super) struct Redaction {
    rule: Rc<RedactionRule>,
    sites: &'static Sites,
    /// What the answer gets back.
    vault: Vault,
}

impl Redaction {
    /// The redaction of a request that goes to this provider; nothing where no rule holds.
    pub(super) fn find(
        policy: &Policy,
        consumer: Option<&str>,
        model: &str,
        provider: &str,
        sites: &'static Sites,
    ) -> Option<Box<Self>> {
        let rule = policy.redaction.find(consumer, model, provider)?;
        Some(Self::by(rule, consumer, sites))
    }

    /// The redaction by a rule.
    pub(super) fn by(
        rule: &Rc<RedactionRule>,
        consumer: Option<&str>,
        sites: &'static Sites,
    ) -> Box<Self> {
        Box::new(Self {
            rule: Rc::clone(rule),
            sites,
            vault: Vault::new(Tenant::new(consumer.unwrap_or_default())),
        })
    }

    /// Refuses what was written in a path's query, where nothing can stand in its place.
    pub(super) fn query(&self, query: &str, counts: &mut Counts) -> Result<(), Fault> {
        let plan = &self.rule.plan;
        if self.sides(&self.rule)?.request.is_none() {
            return Ok(());
        }
        let mut refused = None;
        plan.scan(&decoded(query), &mut Folded::new(), |finding| {
            counts.add(plan, &finding);
            if finding.action != Action::Report {
                refused.get_or_insert(finding.kind);
            }
        });
        refused.map_or(Ok(()), |kind| {
            let entity = plan.name(kind);
            let problem = format!(
                "holds {entity}, which this gateway's policy does not let pass; take it out"
            );
            Err(Invalid::blocked("query", problem).into())
        })
    }

    /// Refuses a file in an answer, which cannot be looked into, unless the policy lets files pass.
    pub(super) fn file(&self) -> Result<(), Fault> {
        if !self.rule.redacts_answers || self.rule.media == Media::Pass {
            return Ok(());
        }
        let problem = "is a file, which cannot be looked into, and this gateway's policy lets none through unread";
        Err(Invalid::blocked("path", problem).into())
    }

    /// Whether answers tell what was found.
    pub(super) fn tells_found(&self) -> bool {
        self.rule.tells
    }

    /// Redacts a request's body, which was validated; nothing where it stays as it is.
    pub(super) fn request(
        &mut self,
        body: &str,
        counts: &mut Counts,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let rule = Rc::clone(&self.rule);
        let Some(matcher) = self.sides(&rule)?.request.as_ref() else {
            return Ok(None);
        };
        let refused = |refusal| match refusal {
            Refusal::Blocked { kind, at } => {
                let entity = rule.plan.name(kind);
                let problem =
                    format!("holds {entity}, which this gateway's policy blocks; take it out");
                Fault::from(Invalid::blocked(param(at), problem))
            }
            Refusal::Media { at } => Fault::from(Invalid::blocked(
                param(at),
                "images, audio, files and tokens cannot be looked into, and this gateway's policy \
                 lets none through unread; send text",
            )),
            Refusal::Json(error) => too_many(&error).into(),
        };
        let mut redactor = Redactor::new(&rule.plan, body, &mut self.vault, counts);
        let places = Places::new(matcher, Layout::default());
        let mut out = Vec::new();
        let parts = self.sites.parts;
        redactor
            .redact(places, body, rule.media, parts)
            .and_then(|()| redactor.finish(&mut out))
            .map(|has_changed| has_changed.then_some(out))
            .map_err(refused)
    }

    /// Redacts a whole answer; nothing where it stays as it is.
    pub(super) fn answer(
        &mut self,
        body: &[u8],
        counts: &mut Counts,
    ) -> Result<Option<Vec<u8>>, Fault> {
        if !self.is_answer_changed() {
            return Ok(None);
        }
        let rule = Rc::clone(&self.rule);
        let matcher = &self.sides(&rule)?.answer;
        let text = validate(body).map_err(unreadable)?;
        let mut out = Vec::new();
        if !self.vault.is_empty() {
            let edits = self.restored(matcher, text, counts)?;
            if edits.is_empty() {
                return Ok(None);
            }
            edits.apply(body, &mut out).map_err(too_much)?;
            return Ok(Some(out));
        }
        let mut redactor = Redactor::new(&rule.plan, text, &mut self.vault, counts);
        redactor
            .redact(
                Places::new(matcher, Layout::default()),
                text,
                Media::Pass,
                &[],
            )
            .and_then(|()| redactor.finish(&mut out))
            .map(|has_changed| has_changed.then_some(out))
            .map_err(|refusal| match refusal {
                Refusal::Blocked { kind, .. } => self.blocked(kind),
                Refusal::Media { .. } => Fault::Internal("an answer was refused for its media"),
                Refusal::Json(error) => too_much(error),
            })
    }

    /// The edits of an answer that gets values back: its texts are made anew.
    fn restored(&self, matcher: &Matcher, text: &str, counts: &mut Counts) -> Result<Edits, Fault> {
        let mut edits = Edits::new(REDACTIONS_MAX, ADMIN_BYTES_MAX);
        let mut walk = Places::new(matcher, Layout::default());
        walk.walk(text, &mut |found, _| {
            self.put_whole(text, found, &mut edits, counts)
        })
        .map_err(Stop::into_fault)?;
        Ok(edits)
    }

    /// Redacts a text that is whole, as a part of `source`.
    fn put_whole(
        &self,
        source: &str,
        found: Found<'_>,
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        match found {
            Found::Text {
                content, is_json, ..
            } => {
                let mut text = String::new();
                unescape(content, &mut text)?;
                let redacted = self.whole(&text, is_json, counts)?;
                if text != redacted {
                    edits.put_text(source, content, &redacted)?;
                }
            }
            Found::Number { value } => {
                let digits = integer(value);
                let redacted = self.whole(digits, false, counts)?;
                if digits != redacted {
                    let mut string = Vec::new();
                    write_string(&mut string, &redacted);
                    let string = str::from_utf8(&string).unwrap_or("null");
                    edits.put(source, value, string)?;
                }
            }
            Found::Shadow { value } if self.rule.redacts_answers => {
                edits.put(source, value, hollow(value))?;
            }
            Found::Media { .. } | Found::Shadow { .. } => {}
        }
        Ok(())
    }

    /// Redacts a text of an answer that is whole.
    pub(super) fn whole(
        &self,
        text: &str,
        is_json: bool,
        counts: &mut Counts,
    ) -> Result<String, Fault> {
        let mut channel = Channel::new(self, is_json);
        let mut redacted = String::new();
        channel.push(self, text, &mut redacted, counts)?;
        channel.finish(self, &mut redacted, counts)?;
        Ok(redacted)
    }

    /// What a text holds in which nothing can be replaced.
    fn find_in(&self, text: &str, counts: &mut Counts) -> Within {
        let plan = &self.rule.plan;
        let mut within = Within::Nothing;
        plan.scan(text, &mut Folded::new(), |finding| {
            counts.add(plan, &finding);
            let found = match finding.action {
                Action::Report => Within::Reported,
                Action::Mask
                | Action::Partial { .. }
                | Action::Hash
                | Action::Placeholder
                | Action::Block => Within::Hidden,
            };
            within = within.max(found);
        });
        within
    }

    /// What is told of a fault: a provider's words may repeat what it was sent. Where the policy blocks them there are none.
    pub(super) fn fault(&self, fault: Fault, counts: &mut Counts) -> Fault {
        let Fault::Upstream(mut upstream) = fault else {
            return fault;
        };
        self.names(&mut upstream, counts);
        if self.is_answer_changed() && self.words(&mut upstream, counts).is_err() {
            let words =
                "the provider failed, and this gateway's policy blocks what it said of that";
            words.clone_into(&mut upstream.message);
            (upstream.param, upstream.inner) = (None, None);
        }
        Fault::Upstream(upstream)
    }

    /// Takes out a code and a type that hold something: they are names, so nothing can stand for a part of them. The log has
    /// the code too, whichever way is redacted, and also where findings are but reported.
    fn names(&self, upstream: &mut Upstream, counts: &mut Counts) {
        if let Some(code) = &upstream.code
            && self.find_in(code, counts) != Within::Nothing
        {
            upstream.code = None;
        }
        if self.find_in(&upstream.kind, counts) != Within::Nothing {
            upstream.kind = "server_error".into();
        }
    }

    fn words(&self, upstream: &mut Upstream, counts: &mut Counts) -> Result<(), Fault> {
        upstream.message = self.whole(&upstream.message, false, counts)?;
        for (text, is_json) in [(&mut upstream.param, false), (&mut upstream.inner, true)] {
            if let Some(text) = text {
                *text = self.whole(text, is_json, counts)?;
            }
        }
        Ok(())
    }

    /// Whether the answer may differ from what the provider wrote.
    pub(super) fn is_answer_changed(&self) -> bool {
        self.rule.redacts_answers || !self.vault.is_empty()
    }

    /// Makes the filter of a streamed answer; nothing where it stays as it is.
    pub(super) fn into_filter(self: Box<Self>, event_bytes_max: usize) -> Option<Box<Filter>> {
        self.is_answer_changed()
            .then(|| Box::new(Filter::new(*self, event_bytes_max)))
    }

    fn sides<'r>(&self, rule: &'r RedactionRule) -> Result<&'r Sides, Fault> {
        let sides = rule.sides(self.sites);
        sides.ok_or(Fault::Internal("a format without places"))
    }

    /// The fault of an answer in which the plan blocks something.
    fn blocked(&self, kind: crate::redact::Kind) -> Fault {
        let entity = self.rule.plan.name(kind).to_owned();
        Fault::Policy(Blocked::Blocked { entity })
    }
}

/// What was found in a text as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Within {
    Nothing,
    /// It may go on.
    Reported,
    /// It must not be told.
    Hidden,
}

/// Why a walk over an answer stopped.
enum Stop {
    Fault(Fault),
    Json(json::Error),
}

impl Stop {
    fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Json(error) => too_much(error),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<json::Error> for Stop {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// A query as it is read: pluses and percent-encoded bytes decoded.
fn decoded(query: &str) -> String {
    let mut bytes = Vec::with_capacity(query.len());
    percent::decode(query.replace('+', " ").as_bytes(), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn param(at: String) -> String {
    if at.is_empty() { "body".to_owned() } else { at }
}

fn unreadable(_error: json::Error) -> Fault {
    let message = "the provider's answer cannot be read, so it cannot be redacted";
    Upstream::broken("upstream_corrupt", message).into()
}

/// A request with more findings than can be replaced, or in which a member comes twice.
fn too_many(error: &json::Error) -> Invalid {
    let problem = if let json::Error::TooManyEdits { limit } = error {
        format!(
            "holds more than {limit} values that this gateway's policy redacts, the most in one request; send fewer at once"
        )
    } else {
        format!("cannot be redacted, as this gateway's policy asks: {error}")
    };
    Invalid::findings("body", problem)
}

/// An answer with more findings than can be replaced, or in which a member comes twice.
fn too_much(error: json::Error) -> Fault {
    Upstream::broken(
        "redaction_failed",
        format!("the gateway could not redact the body: {error}"),
    )
    .into()
}
