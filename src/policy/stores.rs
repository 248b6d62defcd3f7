//! Where budgets are kept that several gateways share.
//!
//! A store that nobody's budgets name is a mistake, and so is a budget whose store is not listed: both are
//! refused. `local` is the gateway's own memory, and always there. The secret of a store comes from the VM's
//! environment; where its variable is not set, the store is asked without, and refuses.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::names;
use crate::budget::{
    Local, Protocol, Redis, RedisSettings, Rls, RlsSettings, Slices, StandIn, Store,
};
use crate::document::Fields;
use crate::secret::Secret;

/// The stores by their names.
#[derive(Debug)]
pub(super) struct Stores {
    known: BTreeMap<String, Listed>,
    named: Vec<String>,
}

/// A store that budgets may name.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) store: Rc<dyn Store>,
    /// Whether it is said how many gateways share it.
    pub(super) has_gateways: bool,
    /// Whether it is a rate limit service, which counts requests and tokens in windows of its own.
    pub(super) is_service: bool,
    is_used: bool,
}

/// What a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Redis,
    Rls,
}

/// How requests are admitted.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Atomic,
    Escrow,
}

const LOCAL: &str = "local";
const KINDS: &[(&str, Kind)] = &[("redis", Kind::Redis), ("rls", Kind::Rls)];
const PROTOCOLS: &[(&str, Protocol)] = &[("webdis", Protocol::Webdis), ("rest", Protocol::Rest)];
const MODES: &[(&str, Mode)] = &[("atomic", Mode::Atomic), ("escrow", Mode::Escrow)];
/// A request waits so long for a store that does not answer.
const TIMEOUT_MS: u64 = 50;
const TIMEOUT_MS_MAX: u64 = 10_000;
const GATEWAYS_MAX: u32 = 100_000;

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
            let gateways = fields.u32("gateways", 1..=GATEWAYS_MAX);
            let kind = fields
                .require("kind", "say what it is: redis or rls")
                .one_of("kind", KINDS);
            let cluster = fields
                .require("cluster", "name the Envoy cluster that reaches it")
                .parsed("cluster", names::cluster);
            let timeout_ms = fields.u64("timeout_ms", 1..=TIMEOUT_MS_MAX);
            let common = Common {
                name,
                cluster: cluster.unwrap_or_default(),
                timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS),
            };
            let store = match kind? {
                Kind::Redis => read_redis(fields, &common, variable),
                Kind::Rls => read_rls(fields, &common),
            };
            Some((common.name, store?, gateways, kind == Some(Kind::Rls)))
        });
        let local: Rc<dyn Store> = Rc::new(Local);
        let mut known = BTreeMap::new();
        let local = (LOCAL.to_owned(), local, None, false);
        for (name, store, gateways, is_service) in read.into_iter().chain([local]) {
            let store = StandIn::new(store, &name, gateways.unwrap_or(1));
            let listed = Listed {
                store: Rc::new(store),
                has_gateways: gateways.is_some(),
                is_service,
                is_used: false,
            };
            known.insert(name, listed);
        }
        Self { known, named }
    }

    /// The store that a budget names in its field `store`; `local` where it names none.
    pub(super) fn of(&mut self, fields: &mut Fields<'_>) -> Option<&Listed> {
        let name = fields.parsed("store", |text| {
            let is_known = text == LOCAL || self.named.iter().any(|name| name == text);
            is_known
                .then_some(text)
                .ok_or("no store has this name; list it under stores, or say local")
        });
        if name.is_none() && fields.has("store") {
            return None;
        }
        let listed = self.known.get_mut(name.unwrap_or(LOCAL))?;
        listed.is_used = true;
        Some(listed)
    }

    /// Finds the stores that no budget has named.
    pub(super) fn check(&self, fields: &mut Fields<'_>) {
        for (at, name) in self.named.iter().enumerate() {
            // One that could not be read has its own problems.
            let listed = self.known.get(name).filter(|_| name != LOCAL);
            if listed.is_some_and(|listed| !listed.is_used) {
                fields.problem(
                    &format!("stores[{at}].name"),
                    format!("no budget is kept in '{name}'; name it in a budget's store, or leave it out"),
                );
            }
        }
    }

    /// Those that make calls.
    pub(super) fn into_far(self) -> Vec<Rc<dyn Store>> {
        let stores = self.known.into_values().map(|listed| listed.store);
        stores.filter(|store| !store.is_near()).collect()
    }
}

/// What every store has.
struct Common {
    name: String,
    /// Empty where it was wrong, which has been said.
    cluster: String,
    timeout_ms: u64,
}

fn read_rls(fields: &mut Fields<'_>, common: &Common) -> Option<Rc<dyn Store>> {
    let domain = fields
        .require("domain", "name the domain of the service's configuration")
        .parsed("domain", names::plain);
    let refunds = fields.boolean("refunds");
    Some(Rc::new(Rls::new(RlsSettings {
        name: common.name.clone(),
        cluster: common.cluster.clone(),
        domain: domain?,
        timeout_ms: common.timeout_ms,
        refunds: refunds.unwrap_or(false),
    })))
}

fn read_redis(
    fields: &mut Fields<'_>,
    common: &Common,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Rc<dyn Store>> {
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
    let authorization = fields.map("authorization", |fields| {
        let remedy = "name the variable of the VM's environment that holds the whole header, such as Bearer ...";
        let name = fields.require("env", remedy).string("env")?;
        Some(variable(name).map(Secret::new))
    });
    let settings = RedisSettings {
        name: common.name.clone(),
        authority: authority.unwrap_or_else(|| common.cluster.clone()),
        cluster: common.cluster.clone(),
        path: path.unwrap_or_else(|| "/".to_owned()),
        protocol: protocol.unwrap_or(Protocol::Webdis),
        authorization: authorization.flatten(),
        tag: format!("{{{}}}", tag.as_deref().unwrap_or("tollgate")),
        timeout_ms: common.timeout_ms,
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
                "stores[0].kind: required; say what it is: redis or rls",
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
    fn a_share_needs_the_number_of_gateways() {
        let store = "stores: [{name: shared, kind: redis, cluster: webdis";
        let share = BUDGETS.replace("store:", "on_store_down: local-share, store:");
        check(
            &format!("{share}{store}}}]"),
            &[
                "budgets[0].on_store_down: nobody has said among how many gateways what is left is shared; add gateways: N to the budget's store",
            ],
        );
        check(&format!("{share}{store}, gateways: 3}}]"), &[]);
    }

    #[test]
    fn a_rate_limit_service_has_a_domain_and_nothing_of_redis() {
        let service = "stores: [{name: shared, kind: rls, cluster: rls, domain: tollgate, refunds: true, timeout_ms: 80}]";
        check(&format!("{BUDGETS}{service}"), &[]);
        check(
            "stores: [{name: shared, kind: rls, cluster: rls, mode: escrow}]",
            &[
                "stores[0].domain: required; name the domain of the service's configuration",
                "stores[0].mode: unknown field; known here: cluster, domain, gateways, kind, name, refunds, timeout_ms",
            ],
        );
    }

    #[test]
    fn a_rate_limit_service_counts_requests_and_tokens_in_its_own_windows() {
        let service = "stores: [{name: shared, kind: rls, cluster: rls, domain: tollgate}]\n";
        let budgets = "prices: [{match: [gpt], input: 1, output: 2}]\n\
                       budgets: [{name: a, unit: usd, window: minute, limit: 10, store: shared},\
                       {name: b, unit: concurrent, limit: 10, store: shared},\
                       {name: c, unit: tokens, rolling: 5h, limit: 10, store: shared},\
                       {name: d, unit: tokens, window: day, zone: Europe/Berlin, limit: 10, store: shared}]";
        check(
            &format!("{service}{budgets}"),
            &[
                "budgets[0].unit: a rate limit service counts requests and tokens; keep this budget in redis or local",
                "budgets[1].unit: a rate limit service counts requests and tokens; keep this budget in redis or local",
                "budgets[2].rolling: a rate limit service counts in its own windows, which its configuration sets; say here which: window: minute",
                "budgets[3].zone: a rate limit service counts in its own windows, in UTC; leave the field out",
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
