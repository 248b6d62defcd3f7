//! Where budgets are kept that several gateways share.
//!
//! A store that nobody's budgets name is a mistake, and so is a budget whose store is not listed: both are
//! refused. `local` is the gateway's own memory, and always there. The secret of a store comes from the VM's
//! environment; where its variable is not set, the store is asked without, and refuses.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::names;
use crate::budget::{Local, Protocol, Redis, RedisSettings, Slices, Store};
use crate::document::Fields;
use crate::secret::Secret;

/// The stores by their names.
#[derive(Debug)]
pub(super) struct Stores {
    known: BTreeMap<String, Rc<dyn Store>>,
    named: Vec<String>,
    /// Those that a budget names.
    used: Vec<String>,
}

/// How requests are admitted.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Atomic,
    Escrow,
}

const LOCAL: &str = "local";
const KINDS: &[(&str, ())] = &[("redis", ())];
const PROTOCOLS: &[(&str, Protocol)] = &[("webdis", Protocol::Webdis), ("rest", Protocol::Rest)];
const MODES: &[(&str, Mode)] = &[("atomic", Mode::Atomic), ("escrow", Mode::Escrow)];
/// A request waits so long for a store that does not answer.
const TIMEOUT_MS: u64 = 50;
const TIMEOUT_MS_MAX: u64 = 10_000;

impl Stores {
    /// Reads the field `stores`.
    pub(super) fn read(fields: &mut Fields<'_>, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut named: Vec<String> = Vec::new();
        let read = fields.maps("stores", |_, fields| {
            let remedy = "budgets name their store";
            let name = fields
                .require("name", remedy)
                .parsed("name", names::plain)?;
            let message = if name == LOCAL {
                Some("is always there: the gateway's own memory; choose another name".to_owned())
            } else {
                let first = named.iter().position(|known| *known == name);
                first.map(|first| format!("stores[{first}] has this name; choose a new one"))
            };
            if let Some(message) = message {
                fields.problem("name", message);
            }
            named.push(name.clone());
            let store = read_redis(fields, &name, variable)?;
            Some((name, store))
        });
        let local: Rc<dyn Store> = Rc::new(Local);
        let mut known: BTreeMap<_, _> = read.into_iter().collect();
        known.insert(LOCAL.to_owned(), local);
        Self {
            known,
            named,
            used: Vec::new(),
        }
    }

    /// The store that a budget names in its field `store`; `local` where it names none.
    pub(super) fn of(&mut self, fields: &mut Fields<'_>) -> Option<Rc<dyn Store>> {
        let name = fields.parsed("store", |text| {
            let is_known = text == LOCAL || self.named.iter().any(|name| name == text);
            is_known
                .then_some(text)
                .ok_or("no store has this name; list it under stores, or say local")
        });
        if name.is_none() && fields.has("store") {
            return None;
        }
        self.used.extend(name.map(str::to_owned));
        self.known.get(name.unwrap_or(LOCAL)).cloned()
    }

    /// Finds the stores that no budget has named.
    pub(super) fn check(&self, fields: &mut Fields<'_>) {
        for (at, name) in self.named.iter().enumerate() {
            // One that could not be read has its own problems.
            if name != LOCAL && self.known.contains_key(name) && !self.used.contains(name) {
                fields.problem(
                    &format!("stores[{at}].name"),
                    format!("no budget is kept in '{name}'; name it in a budget's store, or leave it out"),
                );
            }
        }
    }

    /// Those that make calls.
    pub(super) fn into_far(self) -> Vec<Rc<dyn Store>> {
        let stores = self.known.into_values();
        stores.filter(|store| !store.is_near()).collect()
    }
}

fn read_redis(
    fields: &mut Fields<'_>,
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Rc<dyn Store>> {
    let kind = fields
        .require("kind", "say what it is: redis")
        .one_of("kind", KINDS);
    let cluster = fields
        .require("cluster", "name the Envoy cluster that reaches it")
        .parsed("cluster", names::cluster);
    let authority = fields.parsed("authority", names::cluster);
    let path = fields.parsed("path", |text| {
        let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_path
            .then(|| text.to_owned())
            .ok_or("a path begins with / and has no space")
    });
    let protocol = fields.one_of("protocol", PROTOCOLS);
    let mode = fields.one_of("mode", MODES).unwrap_or(Mode::Atomic);
    let tag = fields.parsed("tag", names::plain);
    let timeout_ms = fields.u64("timeout_ms", 1..=TIMEOUT_MS_MAX);
    let authorization = fields.map("authorization", |fields| {
        let remedy = "name the variable of the VM's environment that holds the whole header, such as Bearer ...";
        let name = fields.require("env", remedy).string("env")?;
        Some(variable(name).map(Secret::new))
    });
    kind?;
    let cluster = cluster?;
    let settings = RedisSettings {
        name: name.to_owned(),
        authority: authority.unwrap_or_else(|| cluster.clone()),
        cluster,
        path: path.unwrap_or_else(|| "/".to_owned()),
        protocol: protocol.unwrap_or(Protocol::Webdis),
        authorization: authorization.flatten(),
        tag: format!("{{{}}}", tag.as_deref().unwrap_or("tollgate")),
        timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS),
    };
    Some(match mode {
        Mode::Atomic => Rc::new(Redis::new(settings)),
        Mode::Escrow => Rc::new(Slices::new(settings)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use crate::policy::Placement;

    const REST: &str = "version: 1\nanonymous: allow\nproviders: [{name: o, kind: openai}]\n\
                        models: [{name: gpt, targets: [{provider: o}]}]\n";
    const BUDGETS: &str =
        "budgets: [{name: b, unit: requests, window: minute, limit: 10, store: shared}]\n";

    #[track_caller]
    fn check(more: &str, want: &[&str]) {
        let compiled = sample::compile(&format!("{REST}{more}"), Placement::Single);
        let problems = compiled.err();
        let problems = problems.iter().flat_map(|problems| problems.iter());
        let problems: Vec<_> = problems.map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    #[test]
    fn a_budget_is_kept_in_a_store_that_is_listed() {
        check(
            &format!("{BUDGETS}stores: [{{name: shared, kind: redis, cluster: webdis}}]"),
            &[],
        );
    }

    #[test]
    fn every_setting_is_taken() {
        let all = "stores: [{name: shared, kind: redis, cluster: upstash, authority: eu1.upstash.io, path: /,\
                   protocol: rest, mode: escrow, tag: prod, timeout_ms: 80, authorization: {env: TOKEN}}]";
        check(&format!("{BUDGETS}{all}"), &[]);
    }

    #[test]
    fn a_budget_names_a_store_that_is_not_listed() {
        check(
            BUDGETS,
            &[
                "budgets[0].store: cannot take 'shared': no store has this name; list it under stores, or say local",
            ],
        );
    }

    #[test]
    fn a_store_says_where_it_is() {
        check(
            "stores: [{name: shared}]",
            &[
                "stores[0].kind: required; say what it is: redis",
                "stores[0].cluster: required; name the Envoy cluster that reaches it",
            ],
        );
    }

    #[test]
    fn a_store_that_no_budget_names_is_a_mistake() {
        check(
            "stores: [{name: shared, kind: redis, cluster: webdis}]",
            &[
                "stores[0].name: no budget is kept in 'shared'; name it in a budget's store, or leave it out",
            ],
        );
    }

    #[test]
    fn names_are_there_once() {
        check(
            &format!(
                "{}stores: [{{name: a, kind: redis, cluster: w}}, {{name: a, kind: redis, cluster: w}},\
                 {{name: local, kind: redis, cluster: w}}]",
                BUDGETS.replace("shared", "a"),
            ),
            &[
                "stores[1].name: stores[0] has this name; choose a new one",
                "stores[2].name: is always there: the gateway's own memory; choose another name",
            ],
        );
    }
}
