//! Who may use whose agents API, and which part of it.
//!
//! Sessions and what they hold belong to the provider's account, not to the consumer that made them: all
//! consumers of one entry see the same ones. Who must not is given another provider, by an entry of its own.

use std::rc::Rc;

use super::consumer::{Caller, Consumer};
use super::filled;
use super::model::{Model, Providers};
use crate::client::agents::{RESOURCES, Resource};
use crate::document::Fields;
use crate::fault::{Client, Fault, Policy as Lack};
use crate::glob::Glob;
use crate::provider::Passage;

/// An agents API that some may use.
#[derive(Debug)]
pub struct Agents {
    /// The provider's name.
    pub provider: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// What speaks to it.
    pub passage: Rc<dyn Passage>,
    /// Names of consumers, or patterns for them. A lone star is everybody, those without a name too.
    consumers: Vec<Glob>,
    resources: Vec<Resource>,
}

impl Agents {
    /// What this provider calls the model that the app asked for by this name.
    ///
    /// # Errors
    /// The model has no target there, or one that runs no agents.
    pub fn model<'m>(&self, model: &'m Model, asked: &'m str) -> Result<&'m str, Fault> {
        let target = model.at(&self.provider);
        let name = target.and_then(|target| target.target.agent_model(asked));
        name.ok_or(Fault::Policy(Lack::Format))
    }

    fn admits(&self, caller: &Caller) -> bool {
        self.consumers.iter().any(|glob| match caller.name() {
            Some(name) => glob.matches(name),
            None => glob.as_str() == EVERYBODY,
        })
    }
}

const EVERYBODY: &str = "*";
/// What AWS has of the API.
const USUAL: [Resource; 1] = [Resource::Sessions];

/// The entries that a policy has.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<Rc<Agents>>);

impl Entries {
    /// Reads the field `agents`.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        providers: &Providers<'_>,
        consumers: &[Rc<Consumer>],
    ) -> Self {
        let choices = providers.choices();
        let entries = fields.maps("agents", |_, fields| {
            let provider = fields
                .require("provider", "name one of the providers")
                .one_of("provider", &choices);
            filled(fields, "consumers", NOBODY);
            let names = fields.list_of_parsed("consumers", |text| {
                let glob: Glob = text.parse().map_err(|error| format!("{error}"))?;
                let is_known = consumers.iter().any(|known| glob.matches(&known.name));
                // Without any consumer, everybody is who there is.
                if is_known || text == EVERYBODY {
                    Ok(glob)
                } else {
                    Err("no consumer of this policy has such a name".to_owned())
                }
            });
            filled_if_written(fields, "resources");
            let resources = fields.some_of("resources", RESOURCES);
            let (name, cluster, known) = provider?;
            // What is wrong with the provider has been said.
            let Some(known) = known else {
                return Some(None);
            };
            let Some(passage) = known.agents() else {
                fields.problem("provider", NO_AGENTS);
                return None;
            };
            Some(Some(Rc::new(Agents {
                provider: name.to_owned(),
                cluster: cluster.to_owned(),
                passage,
                consumers: names?,
                resources: resources.unwrap_or_else(|| USUAL.to_vec()),
            })))
        });
        Self(entries.into_iter().flatten().collect())
    }

    /// The first entry that lets the caller in.
    ///
    /// # Errors
    /// There is none, or it does not let the resource pass.
    pub(super) fn find(&self, caller: &Caller, resource: Resource) -> Result<&Rc<Agents>, Fault> {
        if self.0.is_empty() {
            return Err(Fault::Policy(Lack::Agents));
        }
        let mut entries = self.0.iter();
        let entry = entries
            .find(|entry| entry.admits(caller))
            .ok_or(Fault::Client(Client::AgentsNotAllowed))?;
        if !entry.resources.contains(&resource) {
            return Err(Fault::Policy(Lack::Agents));
        }
        Ok(entry)
    }

    /// The entry of this provider, whoever asks.
    pub(super) fn at(&self, provider: &str) -> Option<&Rc<Agents>> {
        self.0.iter().find(|entry| entry.provider == provider)
    }
}

fn filled_if_written(fields: &mut Fields<'_>, name: &str) {
    if fields.has(name) {
        filled(fields, name, "leave it out for sessions only");
    }
}

const NOBODY: &str =
    "list the consumers that may, or \"*\" for everybody; all of them see the same sessions";
const NO_AGENTS: &str = "this provider has no agents API; name one of kind openai, or of kind bedrock with surface: mantle";

#[cfg(test)]
mod tests {
    use super::super::{Placement, Policy};
    use super::*;
    use crate::policy::sample;
    use crate::provider;
    use crate::turn::Headers;

    fn compile(agents: &str) -> Result<Policy, String> {
        let yaml = format!(
            "version: 1\n\
             consumers:\n\
             - {{ name: one, header: {{ name: x, value: one }} }}\n\
             - {{ name: two, header: {{ name: x, value: two }} }}\n\
             providers:\n\
             - {{ name: m, kind: bedrock, region: us-east-1, surface: mantle, cluster: c }}\n\
             - {{ name: r, kind: bedrock, region: us-east-1 }}\n\
             - {{ name: o, kind: openai }}\n\
             - {{ name: a, kind: azure, endpoint: 'https://a.openai.azure.com' }}\n\
             models:\n\
             - {{ name: gpt, targets: [{{ provider: m, model: openai.gpt-5.6-luna }}, {{ provider: o }}] }}\n\
             - {{ name: claude, targets: [{{ provider: r, model: anthropic.claude-3-haiku-20240307-v1:0 }}] }}\n\
             {agents}"
        );
        let json = sample::json(&yaml);
        Policy::compile_with(provider::ALL, &json, Placement::Single, &|_| None)
            .map_err(|problems| problems.to_string())
    }

    /// Who serves whom.
    #[track_caller]
    fn check(agents: &str, consumer: &str, resource: Resource, want: Result<&str, u16>) {
        let policy = compile(agents).unwrap();
        let mut headers = Headers::new();
        headers.push("x", consumer);
        let caller = policy.identify(&headers, &|_| None).unwrap();
        let got = policy.agents(&caller, resource);
        let got = got.map(|entry| entry.provider.as_str());
        assert_eq!(got.map_err(|fault| fault.status()), want);
    }

    #[track_caller]
    fn refuse(agents: &str, want: &str) {
        assert_eq!(compile(agents).unwrap_err(), want);
    }

    const BOTH: &str = "agents:\n\
        - { provider: m, consumers: [one] }\n\
        - { provider: o, consumers: ['*'], resources: [agents, sessions] }\n";

    #[test]
    fn the_first_entry_that_lets_a_consumer_in_counts() {
        check(BOTH, "one", Resource::Sessions, Ok("m"));
        check(BOTH, "two", Resource::Sessions, Ok("o"));
        check(BOTH, "two", Resource::Agents, Ok("o"));
    }

    #[test]
    fn what_is_not_named_is_refused() {
        check("", "one", Resource::Sessions, Err(404));
        check(BOTH, "one", Resource::Agents, Err(404));
        check(BOTH, "two", Resource::Automations, Err(404));
        let one = "agents: [{ provider: m, consumers: [one] }]";
        check(one, "two", Resource::Sessions, Err(403));
    }

    #[test]
    fn only_a_lone_star_lets_in_who_has_no_name() {
        let policy = compile(BOTH).unwrap();
        let entry = |provider| policy.agents_at(provider).unwrap();
        assert!(entry("o").admits(&Caller::Anonymous));
        assert!(!entry("m").admits(&Caller::Anonymous));
    }

    #[test]
    fn a_model_has_the_name_that_the_provider_knows() {
        let policy = compile(BOTH).unwrap();
        let name = |provider: &str, model: &str| {
            let entry = policy.agents_at(provider).unwrap();
            let found = policy.route(model).unwrap();
            entry.model(found, model).map(str::to_owned)
        };
        assert_eq!(name("m", "gpt"), Ok("openai.gpt-5.6-luna".to_owned()));
        assert_eq!(name("o", "gpt"), Ok("gpt".to_owned()));
        assert_eq!(name("m", "claude").unwrap_err().status(), 400);
    }

    #[test]
    fn every_mistake_is_named() {
        refuse(
            "agents: [{}]",
            "agents[0].provider: required; name one of the providers\n\
             agents[0].consumers: required; list the consumers that may, or \"*\" for everybody; all of them see the same sessions",
        );
        refuse(
            "agents: [{ provider: r, consumers: [one] }, { provider: a, consumers: [two] }]",
            &format!("agents[0].provider: {NO_AGENTS}\nagents[1].provider: {NO_AGENTS}"),
        );
        refuse(
            "agents: [{ provider: m, consumers: [on], resources: [] }]",
            "agents[0].consumers[0]: cannot take 'on': no consumer of this policy has such a name\n\
             agents[0].resources: must not be empty; leave it out for sessions only",
        );
    }
}
