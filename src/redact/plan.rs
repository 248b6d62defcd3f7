//! The `redaction` section of a policy, compiled: what happens to each entity.
//!
//! ```yaml
//! redaction:
//!   entities:             # the most specific wins: an entity, its group, `all`
//!     all: mask
//!     secrets: block
//!     payment_card: { action: partial, keep_last: 4 }
//!     ipv4: "off"
//!   score_min: 50
//!   allow: [support@acme.com]
//!   hash_key_variable: TOLLGATE_HASH_KEY
//! ```

use super::action::{Action, Strength, Treatment};
use super::allow::Allow;
use super::entity::{Entity, Group};
use super::kind::Kind;
use super::own::{self, Depth, Own};
use super::placeholder::Key;
use crate::document::Fields;

/// Findings below this are not reported unless the policy says so.
const SCORE_MIN: u8 = 50;
/// The shortest key of hashes and placeholders.
const KEY_BYTES_MIN: usize = 16;

/// What to look for, and what to do with it.
#[derive(Debug)]
pub struct Plan {
    /// By [`Kind::place`].
    treatments: Vec<Treatment>,
    score_min: u8,
    allowed: Allow,
    pub(super) key: Option<Key>,
    /// What the admin describes; none where that is nothing.
    pub(super) own: Option<Own>,
}

impl Plan {
    /// One action for every entity.
    #[must_use]
    pub fn all(action: Action) -> Self {
        Self {
            treatments: Entity::ALL
                .iter()
                .map(|entity| unrestored(*entity, action.into()))
                .collect(),
            score_min: SCORE_MIN,
            allowed: Allow::default(),
            key: None,
            own: None,
        }
    }

    /// Reads the section. What is wrong is reported to `fields`.
    #[must_use]
    pub fn read(
        fields: &mut Fields<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let mut treatments = read_entities(fields);
        let own = own::read(fields);
        let own = own.map(|(own, mut of_own)| {
            treatments.append(&mut of_own);
            own
        });
        let score_min = fields.u32("score_min", 1..=100);
        let score_min = score_min.map_or(Some(SCORE_MIN), |score| u8::try_from(score).ok());
        let allowed = Allow::read(fields);
        let key = read_key(fields, variable);
        if treatments.iter().any(Treatment::is_keyed) && key.is_none() {
            fields.problem(
                "hash_key_variable",
                "the actions hash and placeholder need the name of a variable that holds a key of 16 bytes or more",
            );
            return None;
        }
        Some(Self {
            treatments,
            score_min: score_min?,
            allowed,
            key,
            own,
        })
    }

    /// What policies, reports and metrics call it.
    #[must_use]
    pub fn name(&self, kind: Kind) -> &str {
        match kind {
            Kind::Entity(entity) => entity.name(),
            Kind::Own(place) => self.own.as_ref().map_or("", |own| own.name(place)),
        }
    }

    /// What happens to a finding; nothing if it is not looked for.
    #[must_use]
    pub fn action(&self, kind: Kind) -> Option<Action> {
        self.treatments.get(kind.place())?.action
    }

    pub(super) fn depth(&self) -> Depth {
        self.own.as_ref().map_or(Depth::NONE, |own| own.depth)
    }

    /// What `mask` writes, unless it is the name.
    pub(super) fn mask(&self, kind: Kind) -> Option<&str> {
        self.treatments.get(kind.place())?.with.as_deref()
    }

    /// How strictly a match is dealt with; nothing if it does not count.
    #[inline]
    pub(super) fn strength(&self, kind: impl Into<Kind>, score: u8) -> Option<Strength> {
        if !self.counts(score) {
            return None;
        }
        self.action(kind.into()).map(Action::strength)
    }

    /// Whether a score is high enough.
    pub(super) const fn counts(&self, score: u8) -> bool {
        score >= self.score_min
    }

    /// Whether the admin lets this value through.
    pub(super) fn is_allowed(&self, kind: Kind, value: &str) -> bool {
        !self.allowed.is_empty && self.allowed.has(kind, value)
    }
}

fn read_key(fields: &mut Fields<'_>, variable: &dyn Fn(&str) -> Option<String>) -> Option<Key> {
    let name = fields.string("hash_key_variable")?;
    let key = variable(name).filter(|key| key.len() >= KEY_BYTES_MIN)?;
    Key::new(&key)
}

/// What happens to each of our entities: the most specific that was written.
fn read_entities(fields: &mut Fields<'_>) -> Vec<Treatment> {
    let mut all = None;
    let mut groups = [const { None }; Group::ALL.len()];
    let mut own = vec![None; Entity::ALL.len()];
    fields.require("entities", "use { all: mask } to mask whatever is found");
    fields.entries("entities", |name, fields| {
        let entity = Entity::ALL.iter().position(|entity| entity.name() == name);
        let group = Group::ALL.iter().position(|(group, _)| *group == name);
        let is_secret = name == "secrets"
            || entity
                .and_then(|at| Entity::ALL.get(at))
                .is_some_and(|it| it.group() == Group::Secrets);
        let slot = match (name, group, entity) {
            ("all", ..) => Some(&mut all),
            (_, Some(at), _) => groups.get_mut(at),
            (_, _, Some(at)) => own.get_mut(at),
            _ => None,
        };
        let treatment = Treatment::read(fields, name);
        let Some(slot) = slot else {
            fields.problem(name, "is no entity and no group; the reference lists them");
            return None;
        };
        let treatment = treatment?;
        if is_secret && treatment.action == Some(Action::Placeholder) {
            fields.problem(name, "secrets are never restored; use mask, hash or block");
            return None;
        }
        *slot = Some(treatment);
        Some(())
    });
    let of_group = |entity: &Entity| {
        let is_its = |(_, group): &(&str, Group)| *group == entity.group();
        let at = Group::ALL.iter().position(is_its);
        at.and_then(|at| groups.get(at)).and_then(Option::as_ref)
    };
    let pairs = Entity::ALL.iter().zip(&own);
    let chosen = pairs.map(|(entity, own)| {
        let chosen = own.as_ref().or_else(|| of_group(entity)).or(all.as_ref());
        unrestored(*entity, chosen.cloned().unwrap_or_default())
    });
    chosen.collect()
}

/// Secrets are never restored: where `all` has a placeholder they are masked.
fn unrestored(entity: Entity, treatment: Treatment) -> Treatment {
    if entity.group() == Group::Secrets && treatment.action == Some(Action::Placeholder) {
        return Action::Mask.into();
    }
    treatment
}
