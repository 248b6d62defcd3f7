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
use super::{Caller, Consumer, Model, Policy};
use crate::budget::{
    Account, Budget, PERIODS, Period, Store, Unit, Weights, WhenDown, Window, Zone,
};
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
    /// How much of it a prompt holds.
    pub prompt: PromptBound,
    /// Where it is kept.
    pub store: Rc<dyn Store>,
    limit: u64,
    limits: BTreeMap<String, u64>,
    conditions: Vec<(Dimension, Glob)>,
    dimensions: Vec<Dimension>,
}

/// How many tokens are held for a prompt that nobody has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptBound {
    /// As many as it most likely is, with a guard.
    Estimate,
    /// As many as it can be: no token is shorter than a byte.
    Bytes,
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
    /// The model's public name, as it was asked for; nothing where nobody knows which it is, so that it may be each.
    pub model: Option<&'f str>,
    /// The providers that may serve it, one for each target.
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

/// Where the budgets' state can be seen, and by whom.
#[derive(Debug, Default)]
pub(super) struct Status {
    path: String,
    consumers: Vec<String>,
}

/// Reads the field `budget_status`.
pub(super) fn read_status(fields: &mut Fields<'_>, consumers: &[Rc<Consumer>]) -> Status {
    let read = fields.map("budget_status", |fields| {
        let path = fields
            .require(
                "path",
                "write the path of the answer, such as /tollgate/budgets",
            )
            .parsed("path", |text| {
                let is_path =
                    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
                is_path
                    .then(|| text.to_owned())
                    .ok_or("a path begins with / and has no space")
            });
        let names = fields
            .require("consumers", "list who may see what everybody has used")
            .list_of_parsed("consumers", |text| {
                let is_known = consumers.iter().any(|consumer| consumer.name == text);
                is_known
                    .then(|| text.to_owned())
                    .ok_or("no consumer has this name")
            });
        Some(Status {
            path: path?,
            consumers: names?,
        })
    });
    read.unwrap_or_default()
}

impl Policy {
    /// Whether this path shows how the budgets stand, and the caller may see it.
    #[must_use]
    pub fn shows_budgets(&self, path: &str, caller: &Caller) -> bool {
        let Status {
            path: own,
            consumers,
        } = &self.budget_status;
        let is_listed = |name: &str| consumers.iter().any(|known| known == name);
        !own.is_empty() && path == own && caller.name().is_some_and(is_listed)
    }

    /// Every bucket that a request meets, in the order in which all requests take them.
    pub fn due(&self, facts: &Facts<'_>) -> Vec<Due> {
        let mut due = Vec::new();
        for rule in &self.budgets {
            if !rule.names_provider() {
                due.extend(rule.due(facts, None));
                continue;
            }
            for (at, provider) in facts.providers.iter().enumerate() {
                // Two targets may be at one provider, and an order has no bucket twice.
                let mut before = facts.providers.iter().take(at);
                if !before.any(|known| known == provider) {
                    due.extend(rule.due(facts, Some(provider)));
                }
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

    /// The limit of the bucket with this label.
    #[must_use]
    pub fn limit(&self, label: &str) -> u64 {
        let mut limits = self.limits.iter();
        let own = limits.find(|(values, _)| self.label(values.split('/')) == label);
        own.map_or(self.limit, |(_, limit)| *limit)
    }

    /// Its bucket, if it has no more than one.
    #[must_use]
    pub fn only(&self) -> Option<Account> {
        self.dimensions.is_empty().then(|| Account {
            budget: Rc::clone(&self.budget),
            key: Budget::fingerprint(std::iter::empty()),
            label: String::new(),
            values: Vec::new(),
            limit: self.limit,
        })
    }

    fn label<'v>(&self, values: impl Iterator<Item = &'v str>) -> String {
        let named = self.dimensions.iter().zip(values);
        let named: Vec<String> = named
            .map(|(dimension, value)| format!("{}={value}", dimension.name()))
            .collect();
        named.join(" ")
    }

    fn due(self: &Rc<Self>, facts: &Facts<'_>, provider: Option<&str>) -> Option<Due> {
        for (dimension, pattern) in &self.conditions {
            if *dimension == Dimension::Model && facts.model.is_none() {
                continue;
            }
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
        let account = Account {
            budget: Rc::clone(&self.budget),
            key: Budget::fingerprint(values.iter().map(String::as_str)),
            label: self.label(values.iter().map(String::as_str)),
            values,
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
            Self::Model => facts.model.map(str::to_owned),
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
    stores: &mut Stores,
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
        let conditions = fields.entries("match", read_condition);
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
        let prompt = fields.one_of("prompt", PROMPTS);
        let (store, when_down) = read_store(fields, stores, unit);
        let (unit, window) = (unit?, window?);
        let is_quota = code.unwrap_or_else(|| is_quota(unit, &window));
        let is_shadow = is_shadow.unwrap_or(false);
        let mut budget = Budget::new(name?, unit, window, is_shadow, keys_max);
        budget.when_down = when_down;
        budget.dimensions = dimensions
            .iter()
            .map(|each| each.name().to_owned())
            .collect();
        let (budget, store) = (Rc::new(budget), store?);
        store.adopt(&budget);
        Some(Rc::new(Rule {
            budget,
            thresholds,
            is_quota,
            prompt: prompt.unwrap_or(PromptBound::Estimate),
            store,
            limit: limit?,
            limits: limits.into_iter().collect(),
            conditions,
            dimensions,
        }))
    })
}

/// A dimension, and what it has to be.
fn read_condition(name: &str, fields: &mut Fields<'_>) -> Option<(Dimension, Glob)> {
    match Dimension::parse(name) {
        Ok(dimension) => Some((dimension, fields.parsed(name, str::parse::<Glob>)?)),
        Err(remedy) => {
            fields.problem(name, remedy);
            None
        }
    }
}

/// What a rate limit service cannot count.
fn check_service(fields: &mut Fields<'_>, unit: Option<Unit>) {
    if matches!(unit, Some(Unit::Concurrent | Unit::Usd)) {
        fields.problem(
            "unit",
            "a rate limit service counts requests and tokens; keep this budget in redis or local",
        );
    }
    for (field, message) in [
        (
            "rolling",
            "a rate limit service counts in its own windows, which its configuration sets; say here which: window: minute",
        ),
        (
            "zone",
            "a rate limit service counts in its own windows, in UTC; leave the field out",
        ),
    ] {
        if fields.has(field) {
            fields.problem(field, message);
        }
    }
}

/// Where it is kept, and what happens while that cannot say.
fn read_store(
    fields: &mut Fields<'_>,
    stores: &mut Stores,
    unit: Option<Unit>,
) -> (Option<Rc<dyn Store>>, WhenDown) {
    let store = stores.of(fields);
    if store.is_some_and(|store| store.is_service) {
        check_service(fields, unit);
    }
    let ways = WhenDown::ALL.map(|way| (way.name(), way));
    let way = fields.one_of("on_store_down", &ways).unwrap_or_default();
    if way == WhenDown::Share && store.is_some_and(|store| !store.has_gateways) {
        fields.problem(
            "on_store_down",
            "nobody has said among how many gateways what is left is shared; add gateways: N to the budget's store",
        );
    }
    (store.map(|listed| Rc::clone(&listed.store)), way)
}

const KEYS: u32 = 10_000;
const KEYS_MAX: u32 = 1_000_000;
const PROMPTS: &[(&str, PromptBound)] = &[
    ("estimate", PromptBound::Estimate),
    ("bytes", PromptBound::Bytes),
];
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

#[cfg(test)]
mod tests {
    use super::super::{Placement, sample};
    use super::*;
    use crate::fault::Fault;

    const REST: &str = "version: 1\nanonymous: allow\nconsumers: [{name: acme, team: red, header: {name: x-c, value: acme}}]\n\
        providers: [{name: o, kind: openai}, {name: p, kind: openai}]\n\
        models: [{name: gpt-4.1, cluster: c, targets: [{provider: o}, {provider: p}]}, {name: odd, targets: [{provider: o}]}]\n";

    fn compile(more: &str) -> Policy {
        sample::compile(&format!("{REST}{more}"), Placement::Edge).unwrap()
    }

    #[track_caller]
    fn check_refused(more: &str, want: &[&str]) {
        let problems = sample::compile(&format!("{REST}{more}"), Placement::Edge).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    /// The buckets that a request with these headers meets: budget, key, limit, provider.
    #[track_caller]
    fn check(budgets: &str, headers: &[(&'static str, &str)], want: &[&str]) {
        let policy = compile(&format!("budgets: [{budgets}]"));
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes().to_vec()));
        let mut known = Headers::new();
        for (name, value) in headers {
            known.push(name, value);
        }
        let caller = policy.identify(&known, &|_| None);
        let due = policy.due(&Facts {
            caller: &caller.unwrap_or(Caller::Anonymous),
            headers: &known,
            property: &|path| (path == ["xds", "route_name"]).then(|| b"main".to_vec()),
            model: Some("gpt-4.1"),
            providers: &["o", "p"],
        });
        let mut got: Vec<_> = due
            .iter()
            .map(|due| {
                let provider = due.provider.as_deref().unwrap_or("-");
                let account = &due.account;
                format!(
                    "{} {} {} {provider}",
                    account.budget.name, account.label, account.limit
                )
            })
            .collect();
        got.sort();
        assert_eq!(got, want);
    }

    #[test]
    fn conditions_choose_requests() {
        let budgets = "{name: a, unit: requests, limit: 5, window: day, match: {consumer: acme, model: 'gpt-*'}}, \
                       {name: b, unit: requests, limit: 5, window: day, match: {model: claude}}, \
                       {name: c, unit: requests, limit: 5, window: day, match: {route: main, 'header:x-env': prod}}";
        check(budgets, &[("x-c", "acme")], &["a  5 -"]);
        check(budgets, &[("x-env", "prod")], &["c  5 -"]);
        check(budgets, &[], &[]);
    }

    #[test]
    fn keys_part_buckets_and_may_have_limits_of_their_own() {
        let budget = "{name: a, unit: tokens, limit: 5, window: day, per: [team, 'header:x-t'], limits: {red/eu: 7}}";
        check(
            budget,
            &[("x-c", "acme"), ("x-t", "eu")],
            &["a team=red x-t=eu 7000 -"],
        );
        check(budget, &[("x-c", "acme")], &["a team=red x-t= 5000 -"]);
        check(budget, &[], &["a team= x-t= 5000 -"]);
    }

    #[test]
    fn where_providers_are_told_apart_each_that_may_serve_has_its_bucket() {
        let budget = "{name: a, unit: requests, limit: 5, rolling: 5h, per: [provider]}";
        check(budget, &[], &["a provider=o 5 o", "a provider=p 5 p"]);
        let budget = "{name: a, unit: requests, limit: 5, window: day, match: {provider: p}}";
        check(budget, &[], &["a  5 p"]);
    }

    #[test]
    fn money_is_read_to_the_nano_dollar() {
        let budget = "{name: a, unit: usd, limit: 0.000000001, window: month, zone: Europe/Berlin, match: {model: 'gpt-*'}}";
        let policy = sample::compile(
            &format!("{REST}prices: [{{match: [odd], input: 1, output: 2}}]\nbudgets: [{budget}]"),
            Placement::Edge,
        );
        assert_eq!(policy.unwrap().budgets[0].limit, 1);
    }

    #[test]
    fn money_needs_the_price_of_every_model() {
        check_refused(
            "budgets: [{name: a, unit: usd, limit: 1, window: day}]",
            &[
                "budgets[0].unit: nobody has said what model 'odd' costs at provider 'o'; add its id to prices",
            ],
        );
    }

    #[test]
    fn mistakes_are_named_with_their_remedies() {
        check_refused(
            "budgets:\n\
             - {name: a, unit: token, limit: 1, window: day}\n\
             - {name: b, unit: requests, limit: 1.5}\n\
             - {name: b, unit: requests, limit: 1, window: day, rolling: 5h, zone: Berlin}\n\
             - {name: c, unit: requests, limit: 1, window: day, per: [user], weights: {input: 1}}\n\
             - {name: d, unit: requests, limit: 1, rolling: 5y, thresholds: [{at: 50, model: nowhere}, {at: 60}]}\n\
             - {name: e, unit: concurrent, limit: 1, window: day}\n",
            &[
                "budgets[0].unit: cannot take 'token': did you mean 'tokens'? use one of requests, concurrent, tokens, usd",
                "budgets[1].window: required; say second, minute, hour, day, week or month, or rolling: 5h",
                "budgets[1].limit: cannot take '1.5': write a whole number",
                "budgets[2].name: budgets[1] has this name; choose a new one",
                "budgets[2].zone: cannot take 'Berlin': use an IANA name such as Europe/Berlin, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3",
                "budgets[2].rolling: a budget has one window; leave this or window out",
                "budgets[3].weights: only tokens have weights; leave the field out",
                "budgets[3].per[0]: cannot take 'user': use consumer, team, model, provider, route, header:NAME or jwt:PAYLOAD.CLAIM",
                "budgets[4].rolling: cannot take '5y': write a length such as 90s, 15m, 5h or 7d, at most 31d",
                "budgets[4].thresholds[0].model: no model of this policy has this name",
                "budgets[4].thresholds[1]: say one of warn: true, max_tokens: N or model: NAME",
                "budgets[5].window: what runs at once has no window; leave the field out",
            ],
        );
    }

    #[test]
    fn a_budget_without_a_store_of_prices_does_not_ask_for_them() {
        let policy = compile("budgets: [{name: a, unit: tokens, limit: 1, window: second}]");
        let model = policy.route("odd").unwrap();
        let target = model.targets().next().unwrap();
        assert_eq!(policy.cost(target, "odd"), None);
        assert!(matches!(
            policy.model(&Caller::Anonymous, "nobody"),
            Err(Fault::Client(_))
        ));
    }
}
