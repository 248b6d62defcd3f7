#![doc = include_str!("README.md")]
//!
//! # The room
//! [`Policy::compile`] reads the document once, refuses it whole with every problem it finds, and leaves
//! tables that the hot path only looks things up in. It knows which consumers, models and providers there
//! are; what a provider's settings mean is left to the provider's kind, and what happens to a request to
//! the exchange. It holds no secret: keys as digests, credentials inside the providers.

mod agents;
mod budget;
mod consumer;
mod model;
mod names;
mod price;
mod redaction;
#[cfg(test)]
mod sample;
mod stores;

pub use agents::Agents;
pub use budget::{Action, Completion, Due, Facts, PromptBound, Rule as BudgetRule, Threshold};
pub use consumer::{Caller, Consumer};
pub use model::{Model, Target};
pub use price::Cost;
pub use redaction::{Redaction, RedactionRule, Sides};

use std::rc::Rc;

use crate::budget::Store;
use crate::budget::Unit;
use crate::client::agents::Resource;
use crate::document::{self, Fields, Node, Problem, Problems};
use crate::fault::{Client, Fault};
use crate::limits::{ADMIN_BYTES_MAX, INPUTS_MAX, Limits};
use crate::provider::{self, Kind};
use crate::turn::{Headers, Parameters, Rule};
use consumer::Register;
use model::{Models, Priced, Providers};
use names::Names;
use price::Prices;
use stores::Stores;

/// A policy that can run.
#[derive(Debug)]
pub struct Policy {
    /// Where this instance of the filter stands.
    pub placement: Placement,
    /// Who may call, in the order they were written.
    pub consumers: Vec<Rc<Consumer>>,
    /// What they may ask for, in the order it was written.
    pub models: Vec<Rc<Model>>,
    /// What happens to parameters that a target cannot carry.
    pub parameters: Parameters,
    /// The bounds of the buffers.
    pub limits: Limits,
    /// What is redacted, for whom.
    pub redaction: Redaction,
    /// What is limited, in the order it was written.
    pub budgets: Vec<Rc<BudgetRule>>,
    /// How much of an answer is held.
    pub completion: Completion,
    budget_status: budget::Status,
    stores: Vec<Rc<dyn Store>>,
    prices: Prices,
    names: Names<usize>,
    register: Register,
    agents: agents::Entries,
    /// Whether those whom no consumer matches may come in.
    is_open: bool,
}

/// Where an instance of the filter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// One downstream filter does everything.
    Single,
    /// The downstream half: identifies and routes.
    Edge,
    /// The upstream half: translates and signs, once per attempt.
    Upstream,
}

impl Placement {
    /// Reads the plugin's `root_id`.
    ///
    /// # Errors
    /// It is no placement.
    pub fn parse(root_id: &[u8]) -> Result<Self, Problem> {
        match root_id {
            b"" | b"single" => Ok(Self::Single),
            b"edge" => Ok(Self::Edge),
            b"upstream" => Ok(Self::Upstream),
            _ => Err(Problem {
                path: "root_id".to_owned(),
                message: "use one of single, edge, upstream; empty means single".to_owned(),
            }),
        }
    }

    /// Whether the filter stands in two places, and Envoy chooses the target.
    #[must_use]
    pub const fn is_split(self) -> bool {
        match self {
            Self::Single => false,
            Self::Edge | Self::Upstream => true,
        }
    }
}

impl Policy {
    /// Reads a policy in JSON. `variable` reads the VM's environment.
    ///
    /// # Errors
    /// All problems that it has, each with its path and remedy. Nothing of it is used then.
    pub fn compile(
        text: &[u8],
        placement: Placement,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        Self::compile_with(provider::ALL, text, placement, variable)
    }

    fn compile_with(
        kinds: &[Kind],
        text: &[u8],
        placement: Placement,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let root = document::parse(text)?;
        document::read(&root, |fields| {
            read_version(fields);
            let limits = read_limits(fields);
            let parameters = read_parameters(fields);
            let prices = Prices::read(fields);
            let completion = budget::read_completion(fields);
            let providers = Providers::read(fields, kinds, variable, limits, placement);
            let models = Models::read(fields, &providers, &prices, placement);
            let is_open = fields.one_of("anonymous", ANONYMOUS);
            // A word that is wrong means neither.
            let is_open = is_open.or_else(|| (!fields.has("anonymous")).then_some(false));
            if is_open == Some(false) {
                filled(fields, "consumers", NOBODY);
            }
            let is_open = is_open.unwrap_or(false);
            let mut register = Register::default();
            let consumers = register.read(fields, &models.names, is_open);
            let known = redaction::Names {
                consumers: consumers.iter().map(|it| it.name.as_str()).collect(),
                providers: providers.names().collect(),
            };
            // The edge half redacts nothing, and its VM need not know the key.
            let unused = |_: &str| Some("0".repeat(32));
            let redaction = match placement {
                Placement::Edge => Redaction::read(fields, &known, &unused),
                Placement::Single | Placement::Upstream => {
                    Redaction::read(fields, &known, variable)
                }
            };
            let agents = agents::Entries::read(fields, &providers, &consumers);
            let mut stores = Stores::read(fields, variable);
            let budgets = budget::read(fields, &models.compiled, &mut stores);
            stores.check(fields);
            let budget_status = budget::read_status(fields, &consumers);
            check_prices(fields, &budgets, &models.compiled);
            Some(Self {
                placement,
                redaction,
                consumers,
                models: models.compiled,
                parameters,
                limits,
                budgets,
                completion,
                budget_status,
                // The upstream half admits nothing, so its timer has nothing to look for.
                stores: match placement {
                    Placement::Upstream => Vec::new(),
                    Placement::Single | Placement::Edge => stores.into_far(),
                },
                prices,
                names: models.names,
                register,
                agents,
                is_open,
            })
        })
    }

    /// The stores that make calls.
    #[must_use]
    pub fn stores(&self) -> &[Rc<dyn Store>] {
        &self.stores
    }

    /// Who sent a request with these headers. `property` reads one of the host's properties by its path; it
    /// is asked only where the policy has consumers with `jwt` and no API key matched.
    ///
    /// # Errors
    /// No consumer matches, and the policy lets in nobody else.
    pub fn identify(
        &self,
        headers: &Headers,
        property: &dyn Fn(&[&str]) -> Option<Vec<u8>>,
    ) -> Result<Caller, Fault> {
        match self.register.find(headers, property) {
            Some(consumer) => Ok(Caller::Known(Rc::clone(consumer))),
            None if self.is_open => Ok(Caller::Anonymous),
            None => Err(Fault::from(Client::Unauthenticated)),
        }
    }

    /// The model that `name` asks for, if the caller may use it.
    ///
    /// # Errors
    /// There is none, or it is not on the caller's list; the caller does not learn which.
    pub fn model(&self, caller: &Caller, name: &str) -> Result<&Rc<Model>, Fault> {
        self.route(name)
            .filter(|_| caller.may_use(name))
            .ok_or_else(|| Fault::from(Client::UnknownModel))
    }

    /// The model that `name` asks for, whoever asks: for the upstream half, whose callers the edge has let in.
    ///
    /// What no policy could write as a name fits no pattern either: it would stand in every chunk of an
    /// answer and, with some providers, in the path.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Rc<Model>> {
        let place = names::is_askable(name).then(|| self.names.find(name));
        self.models.get(*place.flatten()?)
    }

    /// The agents API that the caller may use for this resource.
    ///
    /// # Errors
    /// There is none for the caller, or the policy does not let the resource pass.
    pub fn agents(&self, caller: &Caller, resource: Resource) -> Result<&Rc<Agents>, Fault> {
        self.agents.find(caller, resource)
    }

    /// The agents API of this provider, whoever asks: for the upstream half, whose callers the edge has let in.
    #[must_use]
    pub fn agents_at(&self, provider: &str) -> Option<&Rc<Agents>> {
        self.agents.at(provider)
    }

    /// What a target costs that serves a model asked for by this name; nothing if nobody has said.
    #[must_use]
    pub fn cost(&self, target: &Target, name: &str) -> Option<Cost> {
        match target.cost {
            Priced::Known(cost) => Some(cost),
            Priced::ByName => self.prices.of(name),
            Priced::Unknown => None,
        }
    }

    /// The names that the caller may ask for, in the order they were written. Patterns are no names.
    pub fn models_of<'p>(&'p self, caller: &'p Caller) -> impl Iterator<Item = &'p str> {
        self.models
            .iter()
            .filter(|model| model.name.is_exact())
            .map(|model| model.name.as_str())
            .filter(|name| caller.may_use(name))
    }
}

/// Whether callers may be anonymous.
const ANONYMOUS: &[(&str, bool)] = &[("deny", false), ("allow", true)];
const NOBODY: &str = "nobody could call; list who may, or say anonymous: allow";

/// Money cannot be counted where nobody has said what a model costs.
fn check_prices(fields: &mut Fields<'_>, budgets: &[Rc<BudgetRule>], models: &[Rc<Model>]) {
    let counts_money = |rule: &Rc<BudgetRule>| rule.budget.unit == Unit::Usd;
    let Some(at) = budgets.iter().position(counts_money) else {
        return;
    };
    for model in models {
        let is_unpriced = |target: &Target| matches!(target.cost, Priced::Unknown);
        if let Some(target) = model.targets().find(|target| is_unpriced(target)) {
            let (name, provider) = (model.name.as_str(), &target.provider);
            fields.problem(
                &format!("budgets[{at}].unit"),
                format!(
                    "nobody has said what model '{name}' costs at provider '{provider}'; add its id to prices"
                ),
            );
        }
    }
}

fn read_version(fields: &mut Fields<'_>) {
    let remedy = "write version: 1";
    let version = fields
        .require("version", remedy)
        .u64("version", 0..=u64::MAX);
    if version.is_some_and(|version| version != 1) {
        fields.problem(
            "version",
            format!("this gateway reads version 1 only; {remedy}"),
        );
    }
}

fn read_limits(fields: &mut Fields<'_>) -> Limits {
    let own = Limits::default();
    fields
        .map("limits", |fields| {
            Some(Limits {
                request_body_bytes_max: read_bytes(fields, "request_body_bytes")
                    .unwrap_or(own.request_body_bytes_max),
                answer_body_bytes_max: read_bytes(fields, "answer_body_bytes")
                    .unwrap_or(own.answer_body_bytes_max),
                event_bytes_max: read_bytes(fields, "event_bytes").unwrap_or(own.event_bytes_max),
                embedding_calls_max: read_calls(fields).unwrap_or(own.embedding_calls_max),
            })
        })
        .unwrap_or(own)
}

fn read_bytes(fields: &mut Fields<'_>, name: &str) -> Option<usize> {
    let max = u64::try_from(ADMIN_BYTES_MAX).ok()?;
    let bytes = fields.u64(name, BYTES_MIN..=max)?;
    usize::try_from(bytes).ok()
}

fn read_calls(fields: &mut Fields<'_>) -> Option<usize> {
    let max = u64::try_from(INPUTS_MAX).ok()?;
    let calls = fields.u64("embedding_calls", 1..=max)?;
    usize::try_from(calls).ok()
}

/// Below this no useful request or answer fits.
const BYTES_MIN: u64 = 1_024;

fn read_parameters(fields: &mut Fields<'_>) -> Parameters {
    fields
        .map("parameters", |fields| {
            let default = fields.one_of("default", RULES);
            let named = fields.entries("named", |name, fields| {
                if ESSENTIAL.contains(&name) {
                    fields.problem(name, "every target carries it; leave the rule out");
                }
                Some((name.to_owned(), fields.one_of(name, RULES)?))
            });
            Some(Parameters { default, named })
        })
        .unwrap_or_default()
}

const RULES: &[(&str, Rule)] = &[
    ("drop", Rule::Drop),
    ("warn", Rule::Warn),
    ("reject", Rule::Reject),
];

/// Fields of a request that are no parameters: without them there is no request.
const ESSENTIAL: &[&str] = &["messages", "model", "stream"];

/// How many entries a list has that must have some.
fn filled(fields: &mut Fields<'_>, name: &str, remedy: &str) -> usize {
    let written = fields.require(name, remedy).node(name);
    let entries = written.and_then(Node::as_list).map(<[Node]>::len);
    if entries == Some(0) {
        fields.problem(name, format!("must not be empty; {remedy}"));
    }
    entries.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;
    use crate::turn::Uncarried;

    const REFERENCE: &str = include_str!("README.md");
    const PLACEMENTS: [Placement; 3] = [Placement::Single, Placement::Edge, Placement::Upstream];

    /// The examples of the reference.
    fn examples() -> impl Iterator<Item = &'static str> {
        let fenced = REFERENCE.split("```yaml\n").skip(1);
        fenced.map(|rest| rest.split("```").next().unwrap())
    }

    /// A policy that lacks only what `more` adds.
    fn compile(more: &str) -> Result<Policy, Problems> {
        let rest = "version: 1\nanonymous: allow\nproviders: [{name: o, kind: openai}]\n\
                    models: [{name: gpt, targets: [{provider: o}]}]\n";
        sample::compile(&format!("{rest}{more}"), Placement::Single)
    }

    #[track_caller]
    fn check(yaml: &str, placement: Placement, want: &[&str]) {
        let problems = sample::compile(yaml, placement).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    #[track_caller]
    fn check_paths(yaml: &str, want: &[&str]) {
        let problems = sample::compile(yaml, Placement::Edge).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, want, "{problems}");
    }

    #[test]
    fn the_examples_of_the_reference_compile_in_every_placement() {
        // The first of a name counts: the samples stand in for kinds that are not there yet.
        let kinds: Vec<_> = provider::ALL.iter().chain(sample::KINDS).copied().collect();
        assert_eq!(examples().count(), 3);
        for example in examples() {
            for placement in PLACEMENTS {
                let json = sample::json(example);
                let policy = Policy::compile_with(&kinds, &json, placement, &|_| None);
                assert_eq!(policy.err(), None);
            }
        }
    }

    #[test]
    fn the_sections_of_redaction_compile_beside_the_first_example() {
        let kinds: Vec<_> = provider::ALL.iter().chain(sample::KINDS).copied().collect();
        let key = |_: &str| Some("0123456789abcdef".to_owned());
        let shown = [REFERENCE, include_str!("../redact/README.md")].map(|page| {
            let (_, section) = page.split_once("\nredaction:\n").unwrap();
            section.split("```").next().unwrap()
        });
        for section in shown {
            let policy = format!("{}redaction:\n{section}", examples().next().unwrap());
            let json = sample::json(&policy);
            for placement in PLACEMENTS {
                let policy = Policy::compile_with(&kinds, &json, placement, &key);
                assert_eq!(policy.err(), None);
            }
        }
    }

    #[test]
    fn the_key_of_the_example_is_that_of_its_comment() {
        let policy = sample::compile(examples().next().unwrap(), Placement::Single).unwrap();
        let mut headers = Headers::new();
        headers.push("authorization", *b"Bearer sk-demo");
        let caller = policy.identify(&headers, &|_| None).unwrap();
        assert_eq!(caller.name(), Some("demo"));
    }

    #[test]
    fn the_example_says_what_is_the_default() {
        let policy = sample::compile(examples().next().unwrap(), Placement::Single).unwrap();
        assert_eq!(policy.limits, Limits::default());
    }

    #[test]
    fn the_reference_lists_what_is_rejected_without_a_rule() {
        let (_, list) = REFERENCE.split_once("back are rejected (").unwrap();
        let (list, _) = list.split_once(')').unwrap();
        let rules = Parameters::default();
        for name in list.split('`').skip(1).step_by(2) {
            assert!(Uncarried::new(&rules).leave(name).is_err(), "{name}");
        }
    }

    #[test]
    fn ten_mistakes_are_ten_problems_with_their_paths() {
        check_paths(
            "
            version: 2
            limits: { event_bytes: 1 }
            parameters: { default: ignore, named: { model: drop } }
            providers:
              - { name: b, kind: bedrok, region: us-east-1 }
              - { name: o, kind: openai }
            models:
              - { name: gpt, targets: [{ provider: o, weight: 0 }] }
              - { name: gpt, targets: [{ provider: oo }, { provider: b, model: m }] }
            anonymous: maybe
            consumers: []
            ",
            &[
                "version",
                "limits.event_bytes",
                "parameters.default",
                "parameters.named.model",
                "providers[0].kind",
                "models[0].targets[0].weight",
                "models[1].name",
                "models[1].cluster",
                "models[1].targets[0].provider",
                "anonymous",
            ],
        );
    }

    #[test]
    fn an_empty_policy_says_what_it_needs() {
        check(
            "{}",
            Placement::Single,
            &[
                "version: required; write version: 1",
                "providers: required; list who serves the models",
                "models: required; list the names that apps may ask for",
                "consumers: required; nobody could call; list who may, or say anonymous: allow",
            ],
        );
    }

    #[test]
    fn empty_lists_are_as_good_as_none() {
        check(
            "{ version: 1, providers: [], models: [], anonymous: deny, consumers: [] }",
            Placement::Single,
            &[
                "providers: must not be empty; list who serves the models",
                "models: must not be empty; list the names that apps may ask for",
                "consumers: must not be empty; nobody could call; list who may, or say anonymous: allow",
            ],
        );
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let problems = Policy::compile(b"version: 1", Placement::Single, &|_| None).unwrap_err();
        assert!(problems.to_string().starts_with("not JSON: "), "{problems}");
    }

    #[test]
    fn another_version_is_refused() {
        let problems = sample::compile("version: 2", Placement::Single).unwrap_err();
        let first = problems.iter().next().unwrap().to_string();
        assert_eq!(
            first,
            "version: this gateway reads version 1 only; write version: 1"
        );
    }

    #[test]
    fn limits_are_as_written_and_else_as_usual() {
        let policy = compile("limits: {request_body_bytes: 1024, event_bytes: 268435456}").unwrap();
        let want = Limits {
            request_body_bytes_max: 1_024,
            event_bytes_max: ADMIN_BYTES_MAX,
            ..Limits::default()
        };
        assert_eq!(policy.limits, want);
    }

    #[test]
    fn a_pattern_matches_only_what_could_be_written_as_a_name() {
        let yaml = examples().nth(1).unwrap();
        let policy = sample::compile(yaml, Placement::Single).unwrap();
        for name in ["gpt-5", "a/b", "...", &"a".repeat(256)] {
            assert!(policy.route(name).is_some(), "{name}");
        }
        for name in ["", ".", "..", "a b", "a\nb", "\u{e9}", &"a".repeat(257)] {
            assert!(policy.route(name).is_none(), "{name}");
        }
    }

    #[test]
    fn limits_have_limits() {
        let problems = compile("limits: {request_body_bytes: 1023, answer_body_bytes: 268435457}");
        assert_eq!(
            problems.unwrap_err().to_string(),
            "limits.request_body_bytes: must be between 1024 and 268435456, found 1023\n\
             limits.answer_body_bytes: must be between 1024 and 268435456, found 268435457"
        );
    }

    #[test]
    fn rules_for_parameters_are_read_in_their_order() {
        let policy = compile("parameters: {default: drop, named: {seed: warn, n: reject}}");
        let want = Parameters {
            default: Some(Rule::Drop),
            named: vec![
                ("seed".to_owned(), Rule::Warn),
                ("n".to_owned(), Rule::Reject),
            ],
        };
        assert_eq!(policy.unwrap().parameters, want);
        assert_eq!(compile("").unwrap().parameters, Parameters::default());
    }

    #[test]
    fn what_every_request_needs_has_no_rule() {
        let problems = compile("parameters: {named: {messages: drop}}").unwrap_err();
        assert_eq!(
            problems.to_string(),
            "parameters.named.messages: every target carries it; leave the rule out"
        );
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let problems = compile("modles: []").unwrap_err().to_string();
        assert!(problems.starts_with("modles: unknown field;"), "{problems}");
    }

    #[test]
    fn the_root_id_tells_the_placement() {
        assert_eq!(Placement::parse(b""), Ok(Placement::Single));
        assert_eq!(Placement::parse(b"single"), Ok(Placement::Single));
        assert_eq!(Placement::parse(b"edge"), Ok(Placement::Edge));
        assert_eq!(Placement::parse(b"upstream"), Ok(Placement::Upstream));
        assert_eq!(
            Placement::parse(b"Edge").unwrap_err().to_string(),
            "root_id: use one of single, edge, upstream; empty means single"
        );
    }

    #[test]
    fn mutated_policies_never_panic() {
        let mut random = Random::new(7);
        for example in examples() {
            let whole = sample::json(example);
            for _ in 0..5_000 {
                let mut text = whole.clone();
                random.mutate(&mut text, b"{}[]\":,*0 ");
                for placement in PLACEMENTS {
                    let _result =
                        Policy::compile_with(sample::KINDS, &text, placement, &|_| None).is_ok();
                }
            }
        }
    }

    /// Mutated bytes are mostly no JSON any more; these are.
    #[test]
    fn policies_with_a_value_swapped_never_panic() {
        let whole = String::from_utf8(sample::json(examples().next().unwrap())).unwrap();
        let values = [
            "null",
            "7",
            "\"*\"",
            "[]",
            "{}",
            "[{}]",
            "{\"name\":[\"x\"]}",
        ];
        for (at, _) in whole.match_indices(':') {
            let (head, tail) = whole.split_at(at + 1);
            let mut rest = serde_json::Deserializer::from_str(tail)
                .into_iter::<&serde_json::value::RawValue>();
            if !matches!(rest.next(), Some(Ok(_))) {
                continue; // A colon inside of a string.
            }
            let (_, behind) = tail.split_at(rest.byte_offset());
            for value in values {
                let text = format!("{head}{value}{behind}");
                for placement in PLACEMENTS {
                    let result =
                        Policy::compile_with(sample::KINDS, text.as_bytes(), placement, &|_| None);
                    assert!(result.is_ok() || !result.unwrap_err().is_empty());
                }
            }
        }
    }
}
