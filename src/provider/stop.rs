//! Why a stream of server-sent events is read no further.

use crate::codec::sse;
use crate::fault::{Fault, Upstream};

/// Why the decoder stopped.
pub(super) enum Stop {
    /// The stream cannot be cut into events.
    Framing(sse::Error),
    /// Who takes the events takes no more.
    Fault(Fault),
}

impl Stop {
    /// The provider's fault, or that of who takes the events.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Framing(error) => {
                let code = match error {
                    sse::Error::TooLarge { .. } => "upstream_too_large",
                    sse::Error::Truncated { .. } => "upstream_truncated",
                };
                let message = format!("the provider's stream cannot be read: {error}");
                Upstream::broken(code, message).into()
            }
        }
    }
}

impl From<sse::Error> for Stop {
    fn from(error: sse::Error) -> Self {
        Self::Framing(error)
    }
}
