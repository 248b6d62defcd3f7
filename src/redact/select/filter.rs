//! Filters of selectors: `?@.role=='user' && !@.name`.
//!
//! A filter looks at one child of the value it stands at, as it is written. A member that comes twice has no value:
//! two readers of the document may take different ones.

use core::cmp::Ordering;

use crate::codec::json::{Kind, Walk, string_content, unescape};

/// Whether a child is picked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(Query),
    Compare(Query, Operator, Literal),
}

/// At most one place below the child.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query(pub(super) Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Name(String),
    Index(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

impl Filter {
    /// Whether the child with this text is picked.
    pub(super) fn picks(&self, child: &str) -> bool {
        match self {
            Self::Any(filters) => filters.iter().any(|filter| filter.picks(child)),
            Self::All(filters) => filters.iter().all(|filter| filter.picks(child)),
            Self::Not(filter) => !filter.picks(child),
            Self::Exists(query) => query.find(child).is_some(),
            Self::Compare(query, operator, literal) => {
                operator.holds(query.find(child).and_then(|value| compare(value, literal)))
            }
        }
    }
}

impl Query {
    fn find<'c>(&self, child: &'c str) -> Option<&'c str> {
        self.0.iter().try_fold(child, |value, part| match part {
            Part::Name(name) => member(value, name),
            Part::Index(index) => item(value, *index),
        })
    }
}

fn member<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let mut walk = Walk::new(value);
    if walk.kind() != Kind::Object {
        return None;
    }
    walk.open();
    let mut found = None;
    while let Ok(Some(key)) = walk.next_key() {
        let member = walk.skip().ok()?;
        if key == *name {
            if found.is_some() {
                return None;
            }
            found = Some(member);
        }
    }
    found
}

fn item(value: &str, index: usize) -> Option<&str> {
    let mut walk = Walk::new(value);
    if walk.kind() != Kind::Array {
        return None;
    }
    walk.open();
    for _ in 0..index {
        if !walk.next_item().ok()? {
            return None;
        }
        walk.skip().ok()?;
    }
    if walk.next_item().ok()? {
        return walk.skip().ok();
    }
    None
}

/// How a value stands to a literal; nothing where the two have no order, nor are equal.
fn compare(value: &str, literal: &Literal) -> Option<Ordering> {
    let order = |same: bool| same.then_some(Ordering::Equal);
    match (Walk::new(value).kind(), literal) {
        (Kind::Null, Literal::Null) => order(true),
        (Kind::Bool, Literal::Bool(wanted)) => order((value == "true") == *wanted),
        (Kind::Number, Literal::Number(wanted)) => value.parse::<f64>().ok()?.partial_cmp(wanted),
        (Kind::String, Literal::Text(wanted)) => {
            let mut text = String::new();
            unescape(string_content(value)?, &mut text).ok()?;
            Some(text.as_str().cmp(wanted.as_str()))
        }
        _ => None,
    }
}

impl Operator {
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// The same with its sides changed.
    pub(super) const fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}
