//! Embeddings that are written anew: one call, or several where the model takes fewer inputs at once.
//!
//! ```text
//!  request -- call 0 --> router --> provider ---- answer 0 --+-- all inputs answered --> the app
//!                                                            +-- calls 1, 2, .. -- answers --> the app
//! ```
//! The first call goes through the proxy's router as any request does. Only when it has succeeded do the
//! others leave, as calls of the filter's own, signed when they leave, a few at a time, to the same
//! provider. Meanwhile the first answer's head is held. So routing, retries and failover are the router's:
//! it costs one call to learn that a provider throttles, and where a later call fails, the held head
//! becomes its error, which the router may still retry elsewhere, all inputs anew. The first failure is the
//! request's; nothing partial is ever answered.
//!
//! The filter's own calls need a cluster that does not carry this filter: an upstream filter that called
//! its own cluster would enter its VM from within, which traps it (seen on Envoy 1.40). In the single
//! placement the provider's cluster is one; in a split the policy names it (`direct_cluster`).

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::Embeds;
use crate::fault::{Fault, Invalid, Upstream};
use crate::limits::{CALL_TIMEOUT_MS, CALLS_AT_ONCE, Limits};
use crate::provider::{Call, Embedder, Path, Target};
use crate::turn::{Ask, Encoding, Format, Headers, Uncarried, Usage};

use super::{Dispatch, Effect, Host, Lost, Turn};

/// A request for embeddings whose answer is awaited.
pub(super) struct Embedding {
    pub(super) turn: Turn,
    embeds: &'static dyn Embeds,
    encoding: Encoding,
    inputs: usize,
    inputs_per_call: usize,
    /// The calls that have not left, unsigned, in order.
    calls: VecDeque<Call>,
    direct: Direct,
    /// The calls that have left.
    sent: usize,
    /// The calls that have been answered.
    answered: usize,
    /// The vectors of each call, as the app gets them.
    vectors: Vec<Vec<u8>>,
    vector_bytes: usize,
    usage: Option<Usage>,
}

/// How the filter's own calls get to the provider.
pub(super) struct Direct {
    /// The cluster without this filter; where there is none, there can be but one call.
    pub(super) cluster: Option<String>,
    /// Headers of the app's that may leave.
    pub(super) passing: Headers,
}

impl Embedding {
    /// Writes all calls; the first is to go through the router.
    pub(super) fn begin(
        mut turn: Turn,
        ask: &Ask<'_>,
        mut uncarried: Uncarried<'_>,
        limits: Limits,
        direct: Direct,
    ) -> Result<(Self, Call), Fault> {
        let embeds = turn.client.embeds().ok_or(NO_EMBEDDINGS)?;
        let target = Rc::clone(&turn.target);
        let embedder = embedder(&*target)?;
        let embed = embeds.decode(ask)?;
        let inputs_per_call = embedder.inputs_max().max(1);
        let calls_max = match direct.cluster {
            Some(_) => limits.embedding_calls_max,
            None => 1,
        };
        let inputs_max = inputs_per_call.saturating_mul(calls_max);
        if embed.inputs.len() > inputs_max {
            return Err(too_many(inputs_max));
        }
        let mut calls = VecDeque::new();
        for inputs in embed.inputs.chunks(inputs_per_call) {
            let mut call = Call::default();
            embedder.encode(&embed, inputs, &mut uncarried, &mut call)?;
            calls.push_back(call);
        }
        turn.dropped = uncarried.into_warned();
        let count = calls.len();
        let first = calls.pop_front().ok_or(NO_EMBEDDINGS)?;
        let embedding = Self {
            turn,
            embeds,
            encoding: embed.encoding,
            inputs: embed.inputs.len(),
            inputs_per_call,
            calls,
            direct,
            sent: 1,
            answered: 0,
            vectors: vec![Vec::new(); count],
            vector_bytes: 0,
            usage: None,
        };
        Ok((embedding, first))
    }

    /// Takes the answer to one of the calls.
    pub(super) fn take(
        &mut self,
        number: usize,
        head: &Headers,
        body: &[u8],
        limits: Limits,
    ) -> Result<(), Fault> {
        self.turn.refuse(head, body)?;
        let embeds = self.embeds;
        let vectors = self.vectors.get_mut(number).ok_or(NO_EMBEDDINGS)?;
        let first = number.saturating_mul(self.inputs_per_call);
        let due = self.inputs.saturating_sub(first).min(self.inputs_per_call);
        let bytes_max = limits
            .answer_body_bytes_max
            .saturating_sub(self.vector_bytes);
        let mut count = 0_usize;
        let tokens = embedder(&*self.turn.target)?.decode(head, body, &mut |numbers| {
            if count >= due {
                return Err(not_as_many());
            }
            embeds.write_vector(first.saturating_add(count), numbers, self.encoding, vectors)?;
            count = count.saturating_add(1);
            match vectors.len() > bytes_max {
                true => Err(super::answer::too_large()),
                false => Ok(()),
            }
        })?;
        if let Some(tokens) = tokens {
            let usage = self.usage.get_or_insert_default();
            usage.input_tokens = usage.input_tokens.saturating_add(tokens);
        }
        if count != due {
            return Err(not_as_many());
        }
        self.vector_bytes = self.vector_bytes.saturating_add(vectors.len());
        self.answered = self.answered.saturating_add(1);
        Ok(())
    }

    /// Sends as many of the calls as may be on their way at once.
    pub(super) fn send(&mut self, host: &dyn Host, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while self.sent.saturating_sub(self.answered) < CALLS_AT_ONCE
            && let Some(mut call) = self.calls.pop_front()
        {
            self.turn.target.sign(host.now(), &mut call)?;
            let mut headers = Headers::new();
            headers.push(":method", "POST");
            headers.push(":scheme", "https");
            headers.push(":authority", call.authority);
            headers.push(":path", call.path);
            headers.append(self.direct.passing.clone());
            headers.push("content-length", call.body.len().to_string());
            headers.append(call.headers);
            effects.push(Effect::Dispatch(Dispatch {
                number: self.sent,
                cluster: self.direct.cluster.clone().unwrap_or_default(),
                headers,
                body: call.body,
                timeout_ms: CALL_TIMEOUT_MS,
                is_grpc: false,
            }));
            self.sent = self.sent.saturating_add(1);
        }
        Ok(())
    }

    /// Whether every input has its vector.
    pub(super) const fn is_complete(&self) -> bool {
        self.answered == self.vectors.len()
    }

    /// What the calls that were answered have cost.
    pub(super) const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The whole answer. An upstream that says nothing of tokens costs the app none.
    pub(super) fn write(&self) -> Vec<u8> {
        let usage = self.usage.unwrap_or_default();
        let mut out = Vec::new();
        let model = &self.turn.opening.model;
        self.embeds
            .write_answer(model, &self.vectors, usage, &mut out);
        out
    }
}

fn embedder(target: &dyn Target) -> Result<&dyn Embedder, Fault> {
    match target.path(Format::Embeddings) {
        Some(Path::Embedded(embedder)) => Ok(embedder),
        Some(Path::Edited(_) | Path::Translated(_)) | None => Err(NO_EMBEDDINGS),
    }
}

const NO_EMBEDDINGS: Fault = Fault::Internal("embeddings out of step");

impl Lost {
    /// Why the request fails.
    pub(super) fn fault(self) -> Fault {
        match self {
            Self::Refused => Fault::Host(
                "the gateway could not make the further calls that this many inputs need; its admin has \
                 to check the provider's direct_cluster",
            ),
            Self::Unanswered => {
                let message = "the model's provider did not answer one of the calls in time";
                let mut lost = Upstream::broken("upstream_timeout", message);
                lost.status = 504;
                Fault::from(lost)
            }
            Self::TooLarge => super::answer::too_large(),
        }
    }
}

fn too_many(inputs_max: usize) -> Fault {
    let problem = format!(
        "this gateway takes at most {inputs_max} of them in one request for this model; send fewer at once"
    );
    Fault::from(Invalid::value("input", problem))
}

fn not_as_many() -> Fault {
    let message = "the provider's answer has not as many vectors as it was given texts";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}
