//! What a finding is: an entity of ours, or something that the admin described.

use super::entity::Entity;

/// What was found. [`super::Plan::name`] knows what policies and reports call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One of ours.
    Entity(Entity),
    /// The admin's own, by its place among them.
    Own(u16),
}

impl Kind {
    /// Its place among all that a plan looks for.
    #[inline]
    pub(super) fn place(self) -> usize {
        match self {
            Self::Entity(entity) => usize::from(entity as u8),
            Self::Own(place) => Entity::ALL.len().saturating_add(usize::from(place)),
        }
    }
}

impl From<Entity> for Kind {
    fn from(entity: Entity) -> Self {
        Self::Entity(entity)
    }
}
