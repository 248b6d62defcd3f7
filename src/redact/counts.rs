//! What was found, counted: by entity and by what happened to it. No value, no place.

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
    pub action: Box<str>,
    /// How often.
    pub times: u32,
}

impl Counts {
    /// Counts a finding.
    pub fn add(&mut self, plan: &Plan, finding: &Finding) {
        self.add_times(plan.name(finding.kind), finding.action.name(), 1);
    }

    /// Counts what was found elsewhere.
    pub fn add_times(&mut self, entity: &str, action: &str, times: u32) {
        let mut counts = self.0.iter_mut();
        match counts.find(|count| &*count.entity == entity && *count.action == *action) {
            Some(count) => count.times = count.times.saturating_add(times),
            None => self.0.push(Count {
                entity: entity.into(),
                action: action.into(),
                times,
            }),
        }
    }

    /// In the order of the first finding of each.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.0.iter()
    }
}
