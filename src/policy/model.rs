//! Models that apps may ask for, and the targets that serve them.
//!
//! A target is a model at a provider, compiled by the provider's kind. Which target serves a request is
//! decided here in the single placement, and by Envoy in the split one: there the chosen host's metadata
//! names the provider, and a model has at most one target at each.

use std::iter;
use std::rc::Rc;

use super::names::{self, Clash, Names};
use super::{Placement, filled};
use crate::document::{Fields, Node};
use crate::glob::Glob;
use crate::limits::Limits;
use crate::provider::{self, Catalogue, Environment, Kind, Provider};

/// A model under its public name.
#[derive(Debug)]
pub struct Model {
    /// The name that apps ask for, or a pattern for such names.
    pub name: Glob,
    /// The Envoy cluster to route to in the split placement.
    pub cluster: String,
    first: Target,
    rest: Vec<Target>,
}

/// A model at a provider.
#[derive(Debug)]
pub struct Target {
    /// The provider's name.
    pub provider: String,
    /// The Envoy cluster that reaches the provider.
    pub cluster: String,
    /// The Envoy cluster that reaches it without passing this filter, for calls of the filter's own; nothing
    /// where there is none.
    pub direct_cluster: Option<String>,
    /// What speaks to it.
    pub target: Rc<dyn provider::Target>,
    /// Its share of the draw. Where no target of a model has a weight, the first has the only share.
    share: u32,
}

impl Model {
    /// The target that serves a request in the single placement: a draw by weight, or the first.
    #[must_use]
    pub fn pick(&self, entropy: u64) -> &Target {
        let total = self.targets().map(|target| u64::from(target.share)).sum();
        let mut point = entropy.checked_rem(total).unwrap_or(0);
        for target in self.targets() {
            match point.checked_sub(u64::from(target.share)) {
                Some(behind) => point = behind,
                None => return target,
            }
        }
        &self.first
    }

    /// The target at this provider, which Envoy chose in the split placement.
    #[must_use]
    pub fn at(&self, provider: &str) -> Option<&Target> {
        self.targets().find(|target| target.provider == provider)
    }

    /// The model's target, if it has no other: it serves wherever no metadata names a provider.
    #[must_use]
    pub fn only(&self) -> Option<&Target> {
        self.rest.is_empty().then_some(&self.first)
    }

    /// All targets in the order they were written.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        iter::once(&self.first).chain(&self.rest)
    }
}

/// The providers as written, also those that cannot be used: a model that refers to one of them is not at fault.
#[derive(Debug)]
pub(super) struct Providers<'n>(Vec<(&'n str, Slot)>);

#[derive(Debug)]
struct Slot {
    cluster: String,
    direct_cluster: Option<String>,
    /// Nothing where its settings are wrong.
    provider: Option<Rc<dyn Provider>>,
}

impl<'n> Providers<'n> {
    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'n str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Reads the field `providers`.
    pub(super) fn read(
        fields: &mut Fields<'n>,
        kinds: &[Kind],
        variable: &dyn Fn(&str) -> Option<String>,
        limits: Limits,
        placement: Placement,
    ) -> Self {
        let kinds: Vec<_> = kinds.iter().map(|kind| (kind.name, *kind)).collect();
        let mut slots: Vec<(&str, Slot)> = Vec::new();
        filled(fields, "providers", "list who serves the models");
        let catalogue = match Catalogue::shipped() {
            Ok(catalogue) => Rc::new(catalogue),
            Err(problems) => {
                let message = format!("the module's own table of models is broken: {problems}");
                fields.problem("providers", message);
                return Self(slots);
            }
        };
        fields.maps("providers", |_, fields| {
            let written = fields.node("name").and_then(Node::as_str);
            let written = written.unwrap_or_default();
            fields
                .require("name", "models refer to the provider by it")
                .parsed("name", names::plain);
            if !written.is_empty() && slots.iter().any(|(known, _)| *known == written) {
                fields.problem("name", "another provider has this name; choose a new one");
            }
            let cluster = fields.parsed("cluster", names::cluster);
            let direct_cluster = fields.parsed("direct_cluster", names::cluster);
            let remedy = "say what the provider speaks, such as bedrock, azure or openai";
            let kind = fields.require("kind", remedy).one_of("kind", &kinds);
            let provider = if let Some(kind) = kind {
                let environment = Environment {
                    name: written,
                    variable,
                    limits,
                    catalogue: &catalogue,
                };
                (kind.compile)(fields, &environment)
            } else {
                fields.skip_rest();
                None
            };
            let is_usable = provider.is_some();
            let cluster = cluster.unwrap_or_else(|| written.to_owned());
            // In the single placement no provider's cluster carries the filter.
            let direct_cluster = match placement {
                Placement::Single => direct_cluster.or_else(|| Some(cluster.clone())),
                Placement::Edge | Placement::Upstream => direct_cluster,
            };
            let slot = Slot {
                cluster,
                direct_cluster,
                provider,
            };
            slots.push((written, slot));
            is_usable.then_some(())
        });
        let providers = Self(slots);
        let mut clusters = providers.0.iter().map(|(_, slot)| slot.cluster.as_str());
        if placement.is_split() && clusters.any(|cluster| providers.is_direct(cluster)) {
            fields.problem("providers", DIRECT);
        }
        providers
    }

    /// Whether a provider calls this cluster its direct one.
    fn is_direct(&self, cluster: &str) -> bool {
        let mut direct = self
            .0
            .iter()
            .map(|(_, slot)| slot.direct_cluster.as_deref());
        direct.any(|direct| direct == Some(cluster))
    }
}

/// The filter would enter its own VM from within, which traps it.
const DIRECT: &str = "a direct_cluster carries no filter, so it is not the cluster of a provider or model; \
                      give it a cluster of its own";

/// The models, and the table of their names.
#[derive(Debug, Default)]
pub(super) struct Models {
    /// Those without a problem, in the order they were written.
    pub(super) compiled: Vec<Rc<Model>>,
    /// All names that were written, with the model's place among all that were written.
    pub(super) names: Names<usize>,
}

impl Models {
    /// Reads the field `models`.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        providers: &Providers<'_>,
        placement: Placement,
    ) -> Self {
        let mut models = Self::default();
        filled(fields, "models", "list the names that apps may ask for");
        fields.maps("models", |index, fields| {
            let name = fields
                .require("name", "apps ask for the model by it")
                .parsed("name", names::public);
            if let Some(clash) = name
                .as_ref()
                .and_then(|name| models.names.insert(name.clone(), index).err())
            {
                fields.problem("name", said(&clash));
            }
            let cluster = fields.parsed("cluster", names::cluster);
            let meets_filter = |cluster: &String| providers.is_direct(cluster);
            if placement.is_split() && cluster.as_ref().is_some_and(meets_filter) {
                fields.problem("cluster", DIRECT);
            }
            let targets = read_targets(fields, providers, placement);
            // Where one of these is missing, it has been said why, so the model is not reported once more.
            let mut targets = targets.unwrap_or_default().into_iter();
            if let (Some(name), Some(first)) = (name, targets.next()) {
                models.compiled.push(Rc::new(Model {
                    name,
                    cluster: cluster.unwrap_or_else(|| first.cluster.clone()),
                    first,
                    rest: targets.collect(),
                }));
            }
            Some(())
        });
        models
    }
}

fn said(clash: &Clash<usize>) -> String {
    match clash {
        Clash::Twice(known) => {
            format!("models[{known}] has this name; list the targets of both in one model")
        }
        Clash::Covered(known) => format!(
            "never used, for models[{known}] before it matches all that it matches; put it first"
        ),
    }
}

/// A target before it is known whether the model draws by weight.
struct Draft {
    provider: String,
    cluster: String,
    direct_cluster: Option<String>,
    target: Rc<dyn provider::Target>,
    weight: Option<u32>,
}

/// Reads the field `targets`: nothing unless every target is good.
fn read_targets(
    fields: &mut Fields<'_>,
    providers: &Providers<'_>,
    placement: Placement,
) -> Option<Vec<Target>> {
    let written = filled(
        fields,
        "targets",
        "list who serves the model, such as {provider: bedrock, model: ..}",
    );
    if placement.is_split() && written > 1 && !fields.has("cluster") {
        fields.problem(
            "cluster",
            "required in the split placement for a model with several targets; name the Envoy \
             cluster whose hosts are its targets",
        );
    }
    let choices: Vec<_> = providers
        .0
        .iter()
        .map(|(name, slot)| (*name, (*name, slot)))
        .collect();
    let mut seen = Vec::new();
    let mut drafts = Vec::new();
    fields.maps("targets", |_, fields| {
        let weight = fields.u32("weight", 1..=WEIGHT_MAX);
        let provider = fields
            .require("provider", "name one of the providers")
            .one_of("provider", &choices);
        let Some((name, slot)) = provider else {
            fields.skip_rest();
            return Some(());
        };
        if placement.is_split() && seen.contains(&name) {
            fields.problem(
                "provider",
                "in the split placement Envoy's metadata names only the provider, so a model has \
                 one target at each; list a second provider with another name",
            );
        }
        seen.push(name);
        let Some(provider) = &slot.provider else {
            // Which settings belong here depends on a provider that is wrong itself.
            for setting in fields.names() {
                fields.node(setting);
            }
            return Some(());
        };
        let target = provider.target(fields)?;
        drafts.push(Draft {
            provider: name.to_owned(),
            cluster: slot.cluster.clone(),
            direct_cluster: slot.direct_cluster.clone(),
            target,
            weight,
        });
        Some(())
    });
    (drafts.len() == written).then(|| shared(drafts))
}

const WEIGHT_MAX: u32 = 1_000;

fn shared(drafts: Vec<Draft>) -> Vec<Target> {
    let is_weighted = drafts.iter().any(|draft| draft.weight.is_some());
    let shares = drafts.into_iter().enumerate().map(|(index, draft)| Target {
        provider: draft.provider,
        cluster: draft.cluster,
        direct_cluster: draft.direct_cluster,
        target: draft.target,
        share: if is_weighted {
            draft.weight.unwrap_or(1)
        } else {
            u32::from(index == 0)
        },
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Caller, Policy, sample};
    use super::*;
    use crate::fault::{Client, Fault};

    /// A policy with these models at the providers `b` (Bedrock), `a` (Azure) and `o` (OpenAI).
    fn yaml(models: &str) -> String {
        format!(
            "version: 1\nanonymous: allow\nproviders:\n\
             - {{ name: b, kind: bedrock, region: eu-west-1, cluster: bedrock-eu }}\n\
             - {{ name: a, kind: azure, endpoint: 'https://a.example' }}\n\
             - {{ name: o, kind: openai }}\n\
             models:\n {models}"
        )
    }

    fn compile(models: &str, placement: Placement) -> Policy {
        sample::compile(&yaml(models), placement).unwrap()
    }

    #[track_caller]
    fn check_refused(models: &str, placement: Placement, want: &[&str]) {
        let problems = sample::compile(&yaml(models), placement).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    #[track_caller]
    fn check_asked(models: &str, asked: &str, want: Result<&str, Client>) {
        let policy = compile(models, Placement::Single);
        let found = policy.model(&Caller::Anonymous, asked);
        assert_eq!(
            found.map(|model| model.name.as_str()),
            want.map_err(Fault::from)
        );
    }

    /// How often each provider is drawn in one draw of every number below 100.
    fn draws(targets: &str) -> [usize; 3] {
        let policy = compile(
            &format!("- {{ name: m, targets: {targets} }}"),
            Placement::Single,
        );
        let model = policy.route("m").unwrap();
        ["b", "a", "o"].map(|provider| {
            let drawn = (0..100).filter(|&entropy| model.pick(entropy).provider == provider);
            drawn.count()
        })
    }

    const THREE: &str = "
        - { name: 'gpt-*', targets: [{ provider: o }] }
        - { name: gpt-5, targets: [{ provider: a, deployment: d }] }
        - { name: '*', targets: [{ provider: o }] }
        - { name: claude, targets: [{ provider: b, model: c }] }";

    #[test]
    fn exact_names_come_before_patterns_and_those_in_their_order() {
        check_asked(THREE, "gpt-5", Ok("gpt-5"));
        check_asked(THREE, "gpt-5-mini", Ok("gpt-*"));
        check_asked(THREE, "nova", Ok("*"));
    }

    #[test]
    fn a_name_that_nobody_serves_is_unknown() {
        let one = "- { name: claude, targets: [{ provider: b, model: c }] }";
        check_asked(one, "Claude", Err(Client::UnknownModel));
        check_asked(one, "", Err(Client::UnknownModel));
    }

    #[test]
    fn only_exact_names_are_listed() {
        let policy = compile(THREE, Placement::Single);
        let names: Vec<_> = policy.models_of(&Caller::Anonymous).collect();
        assert_eq!(names, ["gpt-5", "claude"]);
    }

    #[test]
    fn without_weights_the_first_target_serves() {
        let targets = "[{ provider: a, deployment: d }, { provider: o }]";
        assert_eq!(draws(targets), [0, 100, 0]);
    }

    #[test]
    fn weights_are_shares_and_a_missing_one_is_one() {
        let targets = "[{ provider: b, model: m, weight: 7 }, { provider: a, deployment: d }, \
                       { provider: o, weight: 2 }]";
        assert_eq!(draws(targets), [70, 10, 20]);
    }

    #[test]
    fn the_largest_entropy_draws_too() {
        let policy = compile(THREE, Placement::Single);
        assert_eq!(policy.route("claude").unwrap().pick(u64::MAX).provider, "b");
    }

    #[test]
    fn a_target_is_found_by_its_provider() {
        let models =
            "- { name: m, cluster: m, targets: [{ provider: b, model: x }, { provider: o }] }";
        let policy = compile(models, Placement::Upstream);
        let model = policy.route("m").unwrap();
        assert_eq!(model.at("o").unwrap().provider, "o");
        assert!(model.at("a").is_none());
        assert!(model.only().is_none());
    }

    #[test]
    fn a_single_target_serves_wherever_it_is_asked() {
        let policy = compile(THREE, Placement::Upstream);
        let model = policy.route("claude").unwrap();
        assert_eq!(model.only().unwrap().provider, "b");
    }

    #[test]
    fn clusters_default_to_the_providers() {
        let policy = compile(THREE, Placement::Edge);
        assert_eq!(policy.route("claude").unwrap().cluster, "bedrock-eu");
        let model = policy.route("gpt-5").unwrap();
        assert_eq!((&*model.cluster, &*model.pick(0).cluster), ("a", "a"));
    }

    #[test]
    fn a_model_comes_once_and_can_be_reached() {
        check_refused(
            "
            - { name: 'gpt*', targets: [{ provider: o }] }
            - { name: x, targets: [{ provider: o }] }
            - { name: x, targets: [{ provider: o }] }
            - { name: 'gpt-5*', targets: [{ provider: o }] }",
            Placement::Single,
            &[
                "models[2].name: models[1] has this name; list the targets of both in one model",
                "models[3].name: never used, for models[0] before it matches all that it matches; \
                 put it first",
            ],
        );
    }

    #[test]
    fn a_model_needs_targets() {
        check_refused(
            "[{ name: a, targets: [] }, { name: b }, { name: c, targets: x }, {}]",
            Placement::Edge,
            &[
                "models[0].targets: must not be empty; list who serves the model, such as \
                 {provider: bedrock, model: ..}",
                "models[1].targets: required; list who serves the model, such as \
                 {provider: bedrock, model: ..}",
                "models[2].targets: must be a list, found a string; write a list even for one",
                "models[3].name: required; apps ask for the model by it",
                "models[3].targets: required; list who serves the model, such as \
                 {provider: bedrock, model: ..}",
            ],
        );
    }

    #[test]
    fn a_targets_provider_is_one_of_the_policys() {
        check_refused(
            "[{ name: m, targets: [{ provider: x, deployment: d }, { model: m }] }]",
            Placement::Single,
            &[
                "models[0].targets[0].provider: cannot take 'x': use one of b, a, o",
                "models[0].targets[1].provider: required; name one of the providers",
            ],
        );
    }

    #[test]
    fn weights_have_bounds() {
        check_refused(
            "[{ name: m, targets: [{ provider: o, weight: 0 }, { provider: o, weight: 1001 }] }]",
            Placement::Single,
            &[
                "models[0].targets[0].weight: must be between 1 and 1000, found 0",
                "models[0].targets[1].weight: must be between 1 and 1000, found 1001",
            ],
        );
    }

    #[test]
    fn a_targets_own_settings_are_its_kinds() {
        check_refused(
            "[{ name: m, targets: [{ provider: b }, { provider: o, deployment: d }] }]",
            Placement::Single,
            &[
                "models[0].targets[0].model: required; write its id",
                "models[0].targets[1].deployment: unknown field; known here: model, provider, weight",
            ],
        );
    }

    #[test]
    fn several_targets_need_a_cluster_where_envoy_chooses() {
        let models = "- { name: m, targets: [{ provider: b, model: x }, { provider: o }] }";
        let want = "models[0].cluster: required in the split placement for a model with several \
                    targets; name the Envoy cluster whose hosts are its targets";
        check_refused(models, Placement::Edge, &[want]);
        check_refused(models, Placement::Upstream, &[want]);
        compile(models, Placement::Single);
    }

    #[track_caller]
    fn check_direct(placement: Placement, want: Option<&str>) {
        let yaml = "version: 1\nanonymous: allow\nproviders:\n\
                    - { name: p, kind: openai, cluster: c, direct_cluster: d }\n\
                    - { name: q, kind: openai }\n\
                    models: [{ name: m, targets: [{ provider: p }] }, { name: n, targets: [{ provider: q }] }]";
        let policy = sample::compile(yaml, placement).unwrap();
        let direct = |name| policy.route(name).unwrap().pick(0).direct_cluster.clone();
        assert_eq!(direct("m").as_deref(), Some("d"));
        assert_eq!(direct("n").as_deref(), want);
    }

    #[test]
    fn the_cluster_is_the_direct_one_where_it_has_no_filter() {
        check_direct(Placement::Single, Some("q"));
        check_direct(Placement::Edge, None);
        check_direct(Placement::Upstream, None);
    }

    #[test]
    fn a_direct_cluster_cannot_carry_the_filter() {
        let yaml = "version: 1\nanonymous: allow\nproviders:\n\
                    - { name: p, kind: openai, direct_cluster: q }\n\
                    - { name: q, kind: openai, direct_cluster: d }\n\
                    models: [{ name: m, cluster: d, targets: [{ provider: p }] }]";
        let problems = sample::compile(yaml, Placement::Upstream).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, ["providers", "models[0].cluster"], "{problems}");
        sample::compile(yaml, Placement::Single).unwrap();
    }

    #[test]
    fn one_target_at_each_provider_where_envoy_chooses() {
        let models =
            "- { name: m, cluster: m, targets: [{ provider: o }, { provider: o, model: x }] }";
        check_refused(
            models,
            Placement::Edge,
            &[
                "models[0].targets[1].provider: in the split placement Envoy's metadata names only \
                 the provider, so a model has one target at each; list a second provider with \
                 another name",
            ],
        );
        compile(models, Placement::Single);
    }

    #[track_caller]
    fn check_providers(providers: &str, want: &[&str]) {
        let yaml = format!(
            "version: 1\nanonymous: allow\nproviders: {providers}\n\
             models: [{{ name: m, targets: [{{ provider: p, model: x }}] }}]"
        );
        let problems = sample::compile(&yaml, Placement::Single).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    #[test]
    fn a_wrong_provider_is_not_held_against_its_models() {
        check_providers(
            "[{ name: p, kind: bedrock, regoin: x }]",
            &[
                "providers[0].region: required; use one like us-east-1",
                "providers[0].regoin: unknown field; did you mean 'region'? known here: auth, cluster, \
                 direct_cluster, endpoint, kind, name, region",
            ],
        );
    }

    #[test]
    fn a_providers_name_comes_once() {
        check_providers(
            "[{ name: p, kind: openai }, { name: p, kind: openai }]",
            &["providers[1].name: another provider has this name; choose a new one"],
        );
    }

    #[test]
    fn an_unknown_kind_lists_the_choices() {
        check_providers(
            "[{ name: p, kind: openia, anything: 1 }, { name: 'q r' }]",
            &[
                "providers[0].kind: cannot take 'openia': did you mean 'openai'? use one of bedrock, \
                 azure, openai",
                "providers[1].name: cannot take 'q r': a name has 1 to 64 letters, digits, '_', '-' \
                 or '.'",
                "providers[1].kind: required; say what the provider speaks, such as bedrock, azure \
                 or openai",
            ],
        );
    }
}
