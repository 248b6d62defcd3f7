//! What was found, counted: by entity and by what happened to it. No value, no place.

use core::fmt;

use super::plan::Plan;
use super::stream::Finding;

/// How often each entity was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(Vec<Count>);

/// One entity, one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The entity's name in policies.
    pub entity: Box<str>,
    /// The action's name in policies.
    pub action: &'static str,
    /// How often.
    pub times: u32,
}

impl Counts {
    /// Counts a finding.
    pub fn add(&mut self, plan: &Plan, finding: &Finding) {
        self.add_times(plan.name(finding.kind), finding.action.name(), 1);
    }

    fn add_times(&mut self, entity: &str, action: &'static str, times: u32) {
        let mut counts = self.0.iter_mut();
        match counts.find(|count| &*count.entity == entity && count.action == action) {
            Some(count) => count.times = count.times.saturating_add(times),
            None => self.0.push(Count {
                entity: entity.into(),
                action,
                times,
            }),
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for count in &other.0 {
            self.add_times(&count.entity, count.action, count.times);
        }
    }

    /// In the order of the first finding of each.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.0.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Counts {
    /// `email=2, us_ssn=1`: for a header.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, count) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(out, "{comma}{}={}", count.entity, count.times)?;
        }
        Ok(())
    }
}
