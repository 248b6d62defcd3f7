//! What an admin wrote, as a tree that knows its paths, and a reader that collects every problem.
//!
//! It serves the policy and the model table, at configuration time only, so it prefers clear messages to speed. It knows JSON
//! and people's mistakes; it does not know what any field means.
//!
//! - Nothing is skipped in silence. A field that nobody read is a problem, and so is a name that comes twice.
//! - A reader that returns `None` has said why, or the field is absent. So callers read on and find the next problem.
//! - Read every field of a map before the first `?`: what comes after an early return would be reported as unknown.
//!
//! ```
//! use tollgate::document::{parse, read};
//!
//! let text = br#"{"name": "eu", "timeout_ms": 1e9, "regoin": "eu-west-1"}"#;
//! let provider = read(&parse(text).unwrap(), |fields| {
//!     let name = fields.required_string("name", "models refer to it");
//!     let region = fields.required_string("region", "use one like us-east-1");
//!     let timeout_ms = fields.u64("timeout_ms", 1..=60_000).unwrap_or(1_000);
//!     Some((name?.to_owned(), region?.to_owned(), timeout_ms))
//! });
//! assert_eq!(
//!     provider.unwrap_err().to_string(),
//!     "region: required; use one like us-east-1\n\
//!      timeout_ms: must be between 1 and 60000, found 1000000000\n\
//!      regoin: unknown field; did you mean 'region'? known here: name, region, timeout_ms"
//! );
//! ```

mod fields;
mod node;
mod problem;
mod protobuf;

pub use fields::{Fields, read};
pub use node::{Kind, Node, Number, parse};
pub use problem::{Problem, Problems};
