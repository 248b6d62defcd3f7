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

use super::entity::{Entity, Group};
use crate::document::{Fields, Kind};
use crate::secret::Secret;

/// Findings below this are not reported unless the policy says so.
const SCORE_MIN: u8 = 50;
const KEEP_LAST: u32 = 4;
/// The longest value an allow-list may hold.
pub(super) const ALLOWED_BYTES_MAX: usize = 128;
const ALLOWED_MAX: usize = 4_096;

/// What happens to a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is counted; the text stays.
    Report,
    /// `[EMAIL]` stands in its place.
    Mask,
    /// Letters and digits become `*`, but for the last ones.
    Partial {
        /// How many letters and digits stay. Never more than a quarter of them.
        keep_last: u8,
    },
    /// `[EMAIL_9f86d081884c7d65]`: the same for the same value under the same key, and no way back.
    Hash,
    /// The request or answer is refused.
    Block,
}

impl Action {
    /// Its name in policies and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Mask => "mask",
            Self::Partial { .. } => "partial",
            Self::Hash => "hash",
            Self::Block => "block",
        }
    }

    const fn strength(self) -> Strength {
        match self {
            Self::Report => Strength::Report,
            Self::Mask | Self::Partial { .. } | Self::Hash => Strength::Replace,
            Self::Block => Strength::Block,
        }
    }
}

/// How strict an action is; of two findings that overlap the stricter is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    Report,
    Replace,
    Block,
}

/// What to look for, and what to do with it.
#[derive(Debug)]
pub struct Plan {
    /// By the entity's place in [`Entity::ALL`].
    actions: Vec<Option<Action>>,
    score_min: u8,
    /// Sorted.
    allowed: Vec<String>,
    pub(super) hash_key: Option<Secret>,
}

/// What an entry of `entities` may be written as.
const WORDS: &[(&str, Option<Action>)] = &[
    ("off", None),
    ("report", Some(Action::Report)),
    ("mask", Some(Action::Mask)),
    ("partial", Some(Action::Partial { keep_last: 4 })),
    ("hash", Some(Action::Hash)),
    ("block", Some(Action::Block)),
];

impl Plan {
    /// One action for every entity.
    #[must_use]
    pub fn all(action: Action) -> Self {
        Self {
            actions: vec![Some(action); Entity::ALL.len()],
            score_min: SCORE_MIN,
            allowed: Vec::new(),
            hash_key: None,
        }
    }

    /// Reads the section. What is wrong is reported to `fields`.
    #[must_use]
    pub fn read(
        fields: &mut Fields<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let mut all = None;
        let mut groups = [None; Group::ALL.len()];
        let mut own = vec![None; Entity::ALL.len()];
        fields.require("entities", "use { all: mask } to mask whatever is found");
        fields.entries("entities", |name, fields| {
            let entity = Entity::ALL.iter().position(|entity| entity.name() == name);
            let group = Group::ALL.iter().position(|(group, _)| *group == name);
            let slot = match (name, group, entity) {
                ("all", ..) => Some(&mut all),
                (_, Some(at), _) => groups.get_mut(at),
                (_, _, Some(at)) => own.get_mut(at),
                _ => None,
            };
            let action = read_action(fields, name);
            let Some(slot) = slot else {
                fields.problem(name, "is no entity and no group; the reference lists them");
                return None;
            };
            *slot = Some(action?);
            Some(())
        });
        let score_min = fields.u32("score_min", 1..=100);
        let score_min = score_min.map_or(Some(SCORE_MIN), |score| u8::try_from(score).ok());
        let mut allowed = fields
            .list_of_secrets("allow", read_allowed)
            .unwrap_or_default();
        if allowed.len() > ALLOWED_MAX {
            fields.problem("allow", format!("has more than {ALLOWED_MAX} values"));
        }
        allowed.sort_unstable();
        let of_group = |entity: &Entity| {
            let at = Group::ALL
                .iter()
                .position(|(_, group)| *group == entity.group());
            at.and_then(|at| groups.get(at).copied()).flatten()
        };
        let pairs = Entity::ALL.iter().zip(own);
        let actions: Vec<Option<Action>> = pairs
            .map(|(entity, own)| own.or_else(|| of_group(entity)).or(all).flatten())
            .collect();
        let hash_key = read_hash_key(fields, variable);
        if actions.contains(&Some(Action::Hash)) && hash_key.is_none() {
            fields.problem(
                "hash_key_variable",
                "the action hash needs the name of a variable that holds a key of 16 bytes or more",
            );
            return None;
        }
        Some(Self {
            actions,
            score_min: score_min?,
            allowed,
            hash_key,
        })
    }

    /// What happens to a finding of this entity; nothing if it is not looked for.
    #[must_use]
    pub fn action(&self, entity: Entity) -> Option<Action> {
        self.actions
            .get(usize::from(entity as u8))
            .copied()
            .flatten()
    }

    /// How strictly a match is dealt with; nothing if it does not count.
    #[inline]
    pub(super) fn strength(&self, entity: Entity, score: u8) -> Option<Strength> {
        if !self.counts(score) {
            return None;
        }
        self.action(entity).map(Action::strength)
    }

    /// Whether a score is high enough.
    pub(super) const fn counts(&self, score: u8) -> bool {
        score >= self.score_min
    }

    /// Whether the admin lets this value through.
    pub(super) fn is_allowed(&self, value: &str) -> bool {
        let found = self
            .allowed
            .binary_search_by(|allowed| allowed.as_str().cmp(value));
        found.is_ok()
    }
}

/// `mask`, or `{ action: partial, keep_last: 4 }`.
fn read_action(fields: &mut Fields<'_>, name: &str) -> Option<Option<Action>> {
    if fields.kind(name) == Some(Kind::String) {
        return fields.one_of(name, WORDS);
    }
    fields.map(name, |fields| {
        let action = fields.require(
            "action",
            "use one of off, report, mask, partial, hash, block",
        );
        let action = action.one_of("action", WORDS)?;
        if let Some(Action::Partial { .. }) = action {
            let keep_last = fields.u32("keep_last", 1..=8).unwrap_or(KEEP_LAST);
            let keep_last = u8::try_from(keep_last).ok()?;
            return Some(Some(Action::Partial { keep_last }));
        }
        Some(action)
    })
}

fn read_allowed(value: &str) -> Result<String, &'static str> {
    match value.len() {
        0 => Err("must not be empty"),
        1..=ALLOWED_BYTES_MAX => Ok(value.to_owned()),
        _ => Err("is longer than 128 bytes"),
    }
}

fn read_hash_key(
    fields: &mut Fields<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    let name = fields.string("hash_key_variable")?;
    let key = variable(name).filter(|key| key.len() >= 16);
    key.map(Secret::new)
}
