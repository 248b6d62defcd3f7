//! What happens to a finding, and how the policy says so.

use crate::document::{Fields, Kind as NodeKind};

const KEEP_LAST: u32 = 4;
/// The longest text that may stand in a value's place.
const WITH_BYTES_MAX: usize = 64;

/// What happens to a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is counted; the text stays.
    Report,
    /// `[EMAIL]` stands in its place, or the text that the policy gives.
    Mask,
    /// Letters and digits become `*`, but for the last ones.
    Partial {
        /// How many letters and digits stay. Never more than a quarter of them.
        keep_last: u8,
    },
    /// `[EMAIL_9f86d081884c7d65]`: the same for the same value under the same key, and no way back.
    Hash,
    /// `[EMAIL_DGFTQBWNLRCS]`: the same for the same value, and the answer gets the value back.
    Placeholder,
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
            Self::Placeholder => "placeholder",
            Self::Block => "block",
        }
    }

    pub(super) const fn strength(self) -> Strength {
        match self {
            Self::Report => Strength::Report,
            Self::Mask | Self::Partial { .. } | Self::Hash | Self::Placeholder => Strength::Replace,
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

/// What the policy says about one kind of finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Treatment {
    /// Nothing if it is not looked for.
    pub(super) action: Option<Action>,
    /// What `mask` writes, unless it is the kind's name.
    pub(super) with: Option<Box<str>>,
}

impl Treatment {
    /// Whether it is computed under the key.
    pub(super) fn is_keyed(&self) -> bool {
        matches!(self.action, Some(Action::Hash | Action::Placeholder))
    }
}

impl From<Action> for Treatment {
    fn from(action: Action) -> Self {
        Self {
            action: Some(action),
            with: None,
        }
    }
}

/// What an action may be written as.
const WORDS: &[(&str, Option<Action>)] = &[
    ("off", None),
    ("report", Some(Action::Report)),
    ("mask", Some(Action::Mask)),
    ("partial", Some(Action::Partial { keep_last: 4 })),
    ("hash", Some(Action::Hash)),
    ("placeholder", Some(Action::Placeholder)),
    ("block", Some(Action::Block)),
];

impl Treatment {
    /// Reads `mask`, or `{ action: partial, keep_last: 4 }`.
    pub(super) fn read(fields: &mut Fields<'_>, name: &str) -> Option<Self> {
        if fields.kind(name) == Some(NodeKind::String) {
            let action = fields.one_of(name, WORDS)?;
            return Some(Self { action, with: None });
        }
        fields.map(name, |fields| Self::read_members(fields))
    }

    /// Reads `action` and what belongs to it from among the members of a map.
    pub(super) fn read_members(fields: &mut Fields<'_>) -> Option<Self> {
        let remedy = "use one of off, report, mask, partial, hash, placeholder, block";
        let action = fields.require("action", remedy).one_of("action", WORDS)?;
        match action {
            Some(Action::Partial { .. }) => {
                let keep_last = fields.u32("keep_last", 1..=8).unwrap_or(KEEP_LAST);
                let keep_last = u8::try_from(keep_last).ok()?;
                Some(Action::Partial { keep_last }.into())
            }
            Some(Action::Mask) => {
                let with = fields.parsed("with", read_with);
                Some(Self { action, with })
            }
            _ => Some(Self { action, with: None }),
        }
    }
}

fn read_with(text: &str) -> Result<Box<str>, &'static str> {
    if text.len() > WITH_BYTES_MAX {
        return Err("is longer than 64 bytes");
    }
    Ok(text.into())
}
