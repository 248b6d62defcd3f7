//! Budgets as the admin wrote them, and those that a request meets.
//!
//! A rule's conditions say which requests it counts, its dimensions how they are told apart: each
//! combination of their values has a bucket of its own. Where a value is missing, such as the team of a
//! consumer that has none, the requests without it share a bucket: nothing goes uncounted because a header
//! was left out.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::names;
use super::stores::Stores;
use super::{Caller, Model, Policy};
use crate::budget::{Account, Budget, PERIODS, Period, Store, Unit, Weights, Window, Zone};
use crate::document::Fields;
use crate::glob::Glob;
use crate::turn::Headers;

/// One of the policy's budgets.
#[derive(Debug)]
pub struct Rule {
    /// What is counted, and over which time.
    pub budget: Rc<Budget>,
    /// What happens on the way to the limit, the highest first.
    pub thresholds: Vec<Threshold>,
    /// Whether the app is told that its quota is used up, and not that it is too fast.
    pub is_quota: bool,
    /// Whether requests pass, uncounted, when the store cannot say.
    pub passes_when_down: bool,
    /// Where it is kept.
    pub store: Rc<dyn Store>,
    limit: u64,
    limits: BTreeMap<String, u64>,
    conditions: Vec<(Dimension, Glob)>,
    dimensions: Vec<Dimension>,
}

/// What happens when so much of a limit is used or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// In hundredths of the limit.
    pub percent: u64,
    /// What happens.
    pub action: Action,
}

/// What happens at a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The answer's head says so.
    Warn,
    /// Answers have so many tokens at most.
    Clamp(u64),
    /// Another model answers.
    Model(String),
}

/// How much of an answer is held, and how it is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// For a whole answer of which neither the app nor the model's row says how long it may be.
    pub assumed_tokens: u64,
    /// The most that any answer may have.
    pub tokens_max: Option<u64>,
    /// By how much a stream's hold grows where the app gave no limit.
    pub stream_step_tokens: u64,
    /// Whether an answer is made shorter where the budget cannot pay for all of it, down to so many tokens.
    pub shorten_to_tokens: Option<u64>,
}

impl Default for Completion {
    fn default() -> Self {
        Self {
            assumed_tokens: 4_096,
            tokens_max: None,
            stream_step_tokens: 256,
            shorten_to_tokens: None,
        }
    }
}

/// By what requests are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Dimension {
    Consumer,
    Team,
    Model,
    Provider,
    Route,
    Header(String),
    Claim { payload: String, claim: String },
}

/// What is known of a request before it leaves.
pub struct Facts<'f> {
    /// Who sent it.
    pub caller: &'f Caller,
    /// Its headers.
    pub headers: &'f Headers,
    /// Reads one of the host's properties.
    pub property: &'f dyn Fn(&[&str]) -> Option<Vec<u8>>,
    /// The model's public name, as it was asked for.
    pub model: &'f str,
    /// The providers that may serve it.
    pub providers: &'f [&'f str],
}

/// A bucket that a request meets.
#[derive(Debug, Clone)]
pub struct Due {
    /// The budget's rule.
    pub rule: Rc<Rule>,
    /// The bucket.
    pub account: Account,
    /// It is charged if this provider serves; nothing where it is charged whoever does.
    pub provider: Option<String>,
}

impl Policy {
    /// Every bucket that a request meets, in the order in which all requests take them.
    pub fn due(&self, facts: &Facts<'_>) -> Vec<Due> {
        let mut due = Vec::new();
        for rule in &self.budgets {
            if !rule.names_provider() {
                due.extend(rule.due(facts, None));
                continue;
            }
            for provider in facts.providers {
                due.extend(rule.due(facts, Some(provider)));
            }
        }
        due.sort_by(|a, b| place(a).cmp(&place(b)));
        due
    }
}

fn place(due: &Due) -> (&str, u128) {
    (due.account.budget.place(), due.account.key)
}

impl Rule {
    fn names_provider(&self) -> bool {
        let conditions = self.conditions.iter().map(|(dimension, _)| dimension);
        let mut all = conditions.chain(&self.dimensions);
        all.any(|dimension| *dimension == Dimension::Provider)
    }

    fn due(self: &Rc<Self>, facts: &Facts<'_>, provider: Option<&str>) -> Option<Due> {
        for (dimension, pattern) in &self.conditions {
            let value = dimension.value(facts, provider)?;
            if !pattern.matches(&value) {
                return None;
            }
        }
        let values: Vec<String> = self
            .dimensions
            .iter()
            .map(|dimension| dimension.value(facts, provider).unwrap_or_default())
            .collect();
        let limit = if self.limits.is_empty() {
            None
        } else {
            self.limits.get(&values.join("/")).copied()
        };
        let named = self.dimensions.iter().zip(&values);
        let named: Vec<String> = named
            .map(|(dimension, value)| format!("{}={value}", dimension.name()))
            .collect();
        let account = Account {
            budget: Rc::clone(&self.budget),
            key: Budget::fingerprint(values.iter().map(String::as_str)),
            label: named.join(" "),
            limit: limit.unwrap_or(self.limit),
        };
        Some(Due {
            rule: Rc::clone(self),
            account,
            provider: provider.map(str::to_owned),
        })
    }
}

impl Dimension {
    /// What a request has here; nothing if it has none.
    fn value(&self, facts: &Facts<'_>, provider: Option<&str>) -> Option<String> {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).ok()?;
            // A list or a map arrives in protobuf's wire form.
            let is_plain = !text.is_empty() && !text.contains(char::is_control);
            is_plain.then_some(text)
        };
        match self {
            Self::Consumer => facts.caller.name().map(str::to_owned),
            Self::Team => facts.caller.team().map(str::to_owned),
            Self::Model => Some(facts.model.to_owned()),
            Self::Provider => provider.map(str::to_owned),
            Self::Route => (facts.property)(&["xds", "route_name"]).and_then(text),
            Self::Header(name) => {
                let value = facts.headers.text(name).filter(|value| !value.is_empty());
                value.map(str::to_owned)
            }
            Self::Claim { payload, claim } => {
                let [metadata, filter_metadata, jwt_authn] = super::consumer::JWT_AUTHN;
                let path = [metadata, filter_metadata, jwt_authn, payload, claim];
                (facts.property)(&path).and_then(text)
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Consumer => "consumer",
            Self::Team => "team",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Route => "route",
            Self::Header(name) => name,
            Self::Claim { claim, .. } => claim,
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "consumer" => Self::Consumer,
            "team" => Self::Team,
            "model" => Self::Model,
            "provider" => Self::Provider,
            "route" => Self::Route,
            _ => {
                if let Some(name) = text.strip_prefix("header:") {
                    Self::Header(super::consumer::header_name(name)?)
                } else if let Some((payload, claim)) = text
                    .strip_prefix("jwt:")
                    .and_then(|path| path.split_once('.'))
                    .filter(|(payload, claim)| !payload.is_empty() && !claim.is_empty())
                {
                    Self::Claim {
                        payload: payload.to_owned(),
                        claim: claim.to_owned(),
                    }
                } else {
                    return Err(
                        "use consumer, team, model, provider, route, header:NAME or jwt:PAYLOAD.CLAIM",
                    );
                }
            }
        })
    }
}

/// Reads the field `budgets`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    models: &[Rc<Model>],
    stores: &Stores,
) -> Vec<Rc<Rule>> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    fields.maps("budgets", |index, fields| {
        let name = fields
            .require("name", "metrics and refusals call the budget so")
            .parsed("name", names::plain);
        if let Some(name) = &name {
            let first = *known.entry(name.clone()).or_insert(index);
            if first != index {
                fields.problem(
                    "name",
                    format!("budgets[{first}] has this name; choose a new one"),
                );
            }
        }
        let unit = read_unit(fields);
        let window = read_window(fields, unit);
        let limit = read_limit(fields, "limit", unit);
        let limits = fields.entries("limits", |name, fields| {
            Some((name.to_owned(), read_limit(fields, name, unit)?))
        });
        let conditions = fields.entries("match", |name, fields| {
            let dimension = match Dimension::parse(name) {
                Ok(dimension) => dimension,
                Err(remedy) => {
                    fields.problem(name, remedy);
                    return None;
                }
            };
            Some((dimension, fields.parsed(name, str::parse::<Glob>)?))
        });
        let dimensions = fields.list_of_parsed("per", Dimension::parse);
        let dimensions = dimensions.unwrap_or_default();
        if dimensions.is_empty() && !limits.is_empty() {
            fields.problem(
                "limits",
                "the budget has one bucket; say per what it is kept",
            );
        }
        let is_shadow = fields.one_of("mode", &[("enforce", false), ("shadow", true)]);
        let keys_max = fields.u32("keys", 1..=KEYS_MAX);
        let keys_max = match dimensions.is_empty() {
            true => 1,
            false => keys_max.unwrap_or(KEYS),
        };
        let thresholds = read_thresholds(fields, models);
        let code = fields.one_of("code", CODES);
        let down = fields.one_of("on_store_down", &[("refuse", false), ("allow", true)]);
        let store = stores.of(fields);
        let (unit, window) = (unit?, window?);
        let is_quota = code.unwrap_or_else(|| is_quota(unit, &window));
        let is_shadow = is_shadow.unwrap_or(false);
        Some(Rc::new(Rule {
            budget: Rc::new(Budget::new(name?, unit, window, is_shadow, keys_max)),
            thresholds,
            is_quota,
            passes_when_down: down.unwrap_or(false),
            store: store?,
            limit: limit?,
            limits: limits.into_iter().collect(),
            conditions,
            dimensions,
        }))
    })
}

const KEYS: u32 = 10_000;
const KEYS_MAX: u32 = 1_000_000;
const CODES: &[(&str, bool)] = &[("rate_limit_exceeded", false), ("insufficient_quota", true)];

/// Money, and what is refilled weekly or monthly, is a quota; the rest is a rate.
const fn is_quota(unit: Unit, window: &Window) -> bool {
    let is_long = matches!(
        window,
        Window::Calendar {
            period: Period::Week | Period::Month,
            ..
        }
    );
    matches!(unit, Unit::Usd) || is_long
}

fn read_unit(fields: &mut Fields<'_>) -> Option<Unit> {
    let units = [
        ("requests", Unit::Requests),
        ("concurrent", Unit::Concurrent),
        ("tokens", Unit::Tokens(Weights::EVEN)),
        ("usd", Unit::Usd),
    ];
    let remedy = "say what is counted: requests, concurrent, tokens or usd";
    let unit = fields.require("unit", remedy).one_of("unit", &units);
    if fields.has("weights") && !matches!(unit, Some(Unit::Tokens(_)) | None) {
        fields.problem("weights", "only tokens have weights; leave the field out");
    }
    let weights = fields.map("weights", |fields| {
        let mut weight = |name: &str| fields.decimal(name, Weights::parse).unwrap_or(1_000);
        let weights = Weights {
            input: weight("input"),
            cached: weight("cached"),
            cache_write: weight("cache_write"),
            output: weight("output"),
            reasoning: weight("reasoning"),
        };
        Some(weights)
    });
    match (unit?, weights) {
        (Unit::Tokens(_), Some(weights)) => Some(Unit::Tokens(weights)),
        (unit, _) => Some(unit),
    }
}

fn read_window(fields: &mut Fields<'_>, unit: Option<Unit>) -> Option<Window> {
    let period = fields.one_of("window", PERIODS);
    let zone = fields.parsed("zone", Zone::parse);
    let length_ms = fields.parsed("rolling", duration_ms);
    if fields.has("zone") && !fields.has("window") {
        fields.problem(
            "zone",
            "only a window of the calendar has a zone; say window: day",
        );
    }
    if unit == Some(Unit::Concurrent) {
        for field in ["window", "rolling"] {
            if fields.has(field) {
                fields.problem(
                    field,
                    "what runs at once has no window; leave the field out",
                );
            }
        }
        return Some(Window::Always);
    }
    if fields.has("window") && fields.has("rolling") {
        fields.problem(
            "rolling",
            "a budget has one window; leave this or window out",
        );
    }
    if !fields.has("window") && !fields.has("rolling") {
        fields.require(
            "window",
            "say second, minute, hour, day, week or month, or rolling: 5h",
        );
    }
    match (period, length_ms) {
        (Some(period), _) => Some(Window::Calendar {
            period,
            zone: zone.unwrap_or_else(Zone::utc),
        }),
        (None, Some(length_ms)) => Some(Window::Rolling { length_ms }),
        (None, None) => None,
    }
}

fn read_limit(fields: &mut Fields<'_>, name: &str, unit: Option<Unit>) -> Option<u64> {
    let remedy = "write how much is allowed in a window";
    fields.require(name, remedy);
    // Without a unit, that is the problem.
    let unit = unit.unwrap_or(Unit::Usd);
    fields.decimal(name, |text| unit.parse(text))
}

/// `90s`, `15m`, `5h`, `7d`
fn duration_ms(text: &str) -> Result<u64, &'static str> {
    const REMEDY: &str = "write a length such as 90s, 15m, 5h or 7d, at most 31d";
    let at = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(at).ok_or(REMEDY)?;
    let unit_ms: u64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(REMEDY),
    };
    let length_ms = number.parse::<u64>().ok();
    let length_ms = length_ms.and_then(|number| number.checked_mul(unit_ms));
    length_ms
        .filter(|length_ms| (1_000..=ROLLING_MS_MAX).contains(length_ms))
        .ok_or(REMEDY)
}

const ROLLING_MS_MAX: u64 = 31 * 86_400_000;

fn read_thresholds(fields: &mut Fields<'_>, models: &[Rc<Model>]) -> Vec<Threshold> {
    let mut thresholds = fields.maps("thresholds", |_, fields| {
        let percent = fields
            .require("at", "say at which percentage of the limit")
            .u64("at", 1..=100);
        let warns = fields.boolean("warn");
        let tokens = fields.u64("max_tokens", 1..=TOKENS_MAX);
        let model = fields.string("model");
        if let Some(model) = model
            && !models.iter().any(|known| known.name.matches(model))
        {
            fields.problem("model", "no model of this policy has this name");
        }
        let action = match (warns, tokens, model) {
            (Some(true), None, None) => Action::Warn,
            (None, Some(tokens), None) => Action::Clamp(tokens),
            (None, None, Some(model)) => Action::Model(model.to_owned()),
            (_, _, _) => {
                fields.problem("", "say one of warn: true, max_tokens: N or model: NAME");
                return Some(None);
            }
        };
        let percent = percent?;
        Some(Some(Threshold { percent, action }))
    });
    thresholds.sort_by_key(|threshold| {
        std::cmp::Reverse(threshold.as_ref().map(|threshold| threshold.percent))
    });
    thresholds.into_iter().flatten().collect()
}

const TOKENS_MAX: u64 = 10_000_000;

/// Reads the field `completion`.
pub(super) fn read_completion(fields: &mut Fields<'_>) -> Completion {
    let own = Completion::default();
    let read = fields.map("completion", |fields| {
        Some(Completion {
            assumed_tokens: fields
                .u64("assumed_tokens", 1..=TOKENS_MAX)
                .unwrap_or(own.assumed_tokens),
            tokens_max: fields.u64("tokens_max", 1..=TOKENS_MAX),
            stream_step_tokens: fields
                .u64("stream_step_tokens", 16..=TOKENS_MAX)
                .unwrap_or(own.stream_step_tokens),
            shorten_to_tokens: fields.u64("shorten_to_tokens", 1..=TOKENS_MAX),
        })
    });
    read.unwrap_or(own)
}
