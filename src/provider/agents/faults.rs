//! What is wrong with an answer that no frame tells.

use crate::fault::{Fault, Upstream};
use crate::provider::bedrock::refusal;

/// An answer of status 200 without an event stream: an error in spite of its status, or half an answer.
pub(super) fn not_a_stream(body: &[u8]) -> Fault {
    let error = refusal::Error::parse(body);
    if !error.is_some() {
        return Fault::from(Upstream::truncated());
    }
    let name = error.name.as_deref().unwrap_or_default();
    refusal::fault(name, 0, &error)
}

pub(super) fn unreadable() -> Fault {
    Fault::from(Upstream::broken(
        "upstream_corrupt",
        "the agent's answer cannot be read",
    ))
}

pub(super) fn too_large(limit: usize) -> Fault {
    let message = format!("the agent's answer holds back more than {limit} bytes");
    Fault::from(Upstream::broken("upstream_too_large", message))
}
