//! What an admin wrote, as a tree that knows its paths.
//!
//! It serves the policy and the model table, at configuration time only, so it prefers clear messages to speed. It knows JSON
//! and people's mistakes; it does not know what any field means.
//!
//! - Nothing is skipped in silence. A name that comes twice is a problem.

mod node;
mod problem;

pub use node::{Kind, Node, Number, parse};
pub use problem::{Problem, Problems};
