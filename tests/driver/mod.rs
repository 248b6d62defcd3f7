//! Drives an `Exchange` as a proxy does: holds what it is told to hold, applies effects in order.
//!
//! Time and entropy are fixed, so the same input gives the same bytes.

use std::cell::Cell;
use std::rc::Rc;

use tollgate::budget::Shared;
use tollgate::exchange::{Body, Dispatch, Effect, Exchange, Flow, Host, Input, Lost};
use tollgate::policy::{Placement, Policy};
use tollgate::turn::{Headers, Now};

/// 2026-11-23T12:00:00Z.
pub(crate) const NOW: Now = Now {
    unix_ms: 1_795_435_200_000,
};

/// The environment of the VM.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = match name {
        "AWS_ACCESS_KEY_ID" => "AKIDGOLDEN",
        "AWS_SECRET_ACCESS_KEY" => "golden-secret",
        "AZURE_OPENAI_API_KEY" => "golden-azure-key",
        "OPENAI_API_KEY" => "golden-openai-key",
        "REDACTION_KEY" => "golden-redaction-key",
        "BEDROCK_KEY" => "golden-bedrock-key",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Compiles a policy, or says what is wrong with it.
pub(crate) fn policy(text: &str) -> Rc<Policy> {
    match Policy::compile(text.as_bytes(), Placement::Single, &variable) {
        Ok(policy) => Rc::new(policy),
        Err(problems) => panic!("{problems}"),
    }
}

/// A host without properties.
pub(crate) struct FixedHost;

impl Host for FixedHost {
    fn now(&self) -> Now {
        NOW
    }

    fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
        None
    }

    fn shared(&self) -> &dyn Shared {
        &NoMemory
    }

    fn entropy(&self) -> [u64; 2] {
        [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]
    }
}

/// Memory that forgets at once.
struct NoMemory;

impl Shared for NoMemory {
    fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
        true
    }
}

/// Bytes in a proxy's buffer.
pub(crate) struct Buffer<'b> {
    bytes: &'b [u8],
    /// How often they were read: each read is a copy.
    pub(crate) reads: Cell<usize>,
}

impl<'b> Buffer<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            reads: Cell::new(0),
        }
    }
}

impl Body for Buffer<'_> {
    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn read(&self) -> Vec<u8> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.to_vec()
    }
}

/// A head and a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left for an upstream.
    Call(Message),
    /// The filter answered itself.
    Reply(Message),
}

/// One exchange and the proxy around it.
pub(crate) struct Proxy {
    exchange: Exchange,
    effects: Vec<Effect>,
    /// The answer's head while the filter holds it.
    held_head: Option<Headers>,
    held_body: Vec<u8>,
    /// What the filter's own calls are answered with, the first of them first.
    pub(crate) further: Vec<Message>,
    /// Those calls that wait for their answer, and those that have it.
    pending: Vec<Dispatch>,
    pub(crate) calls: Vec<Dispatch>,
    /// What the app has got.
    pub(crate) client: Message,
}

impl Proxy {
    pub(crate) fn new(policy: &Rc<Policy>) -> Self {
        Self {
            exchange: Exchange::new(Placement::Single, policy.clone()),
            effects: Vec::new(),
            held_head: None,
            held_body: Vec::new(),
            further: Vec::new(),
            pending: Vec::new(),
            calls: Vec::new(),
            client: Message::default(),
        }
    }

    /// Sends a request with its whole body.
    pub(crate) fn request(&mut self, headers: Headers, body: &[u8]) -> Sent {
        let input = Input::RequestHead {
            headers: headers.clone(),
            ends: body.is_empty(),
            host: &FixedHost,
        };
        let flow = self.exchange.handle(input, &mut self.effects);
        if let Some(reply) = self.reply() {
            return Sent::Reply(reply);
        }
        if body.is_empty() {
            assert_eq!(flow, Flow::Continue, "nothing is left to wait for");
            return self.sent(headers, body);
        }
        assert_eq!(flow, Flow::Hold, "a head waits for its body");
        let buffer = Buffer::new(body);
        let input = Input::RequestBody {
            body: &buffer,
            ends: true,
            host: &FixedHost,
        };
        let flow = self.exchange.handle(input, &mut self.effects);
        if let Some(reply) = self.reply() {
            return Sent::Reply(reply);
        }
        assert_eq!(flow, Flow::Continue);
        self.sent(headers, body)
    }

    /// What leaves.
    fn sent(&mut self, mut headers: Headers, body: &[u8]) -> Sent {
        let mut sent = body.to_vec();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::RequestHeaders(new) => headers = new,
                Effect::RequestBody(new) => sent = new,
                Effect::Reroute | Effect::Remember(_) | Effect::Note(_) => {}
                other => panic!("{other:?} while a request passes"),
            }
        }
        Sent::Call(Message {
            headers,
            body: sent,
        })
    }

    fn reply(&mut self) -> Option<Message> {
        let replies = |effect: &Effect| matches!(effect, Effect::Reply { .. });
        let at = self.effects.iter().position(replies)?;
        let effect = self.effects.remove(at);
        self.effects.clear();
        let Effect::Reply {
            status,
            headers,
            body,
        } = effect
        else {
            return None;
        };
        assert_eq!(self.exchange.report(None).status, status, "what is logged");
        let mut all = Headers::new();
        all.push(":status", status.to_string());
        headers
            .iter()
            .for_each(|(name, value)| all.push(name.to_owned(), value));
        // A proxy says how long its own replies are.
        all.push("content-length", body.len().to_string());
        Some(Message { headers: all, body })
    }

    /// Delivers the answer's head.
    pub(crate) fn answer_head(&mut self, headers: &Headers, ends: bool) {
        let input = Input::AnswerHead {
            headers: headers.clone(),
            ends,
        };
        let flow = self.exchange.handle(input, &mut self.effects);
        if let Some(reply) = self.reply() {
            self.client = reply;
            return;
        }
        self.held_head = Some(headers.clone());
        self.apply();
        if flow == Flow::Continue {
            self.release();
        }
    }

    /// Delivers a piece of the answer's body.
    pub(crate) fn answer_body(&mut self, chunk: &[u8], ends: bool) {
        self.held_body.extend_from_slice(chunk);
        let held = std::mem::take(&mut self.held_body);
        let buffer = Buffer::new(&held);
        let input = Input::AnswerBody {
            body: &buffer,
            ends,
            host: &FixedHost,
        };
        let flow = self.exchange.handle(input, &mut self.effects);
        self.held_body = held;
        self.apply();
        if flow == Flow::Continue {
            self.release();
        }
        self.answer_calls();
        assert!(
            !ends || self.held_head.is_none(),
            "the end lets the head go"
        );
    }

    /// Answers the filter's own calls, the last one first: their order must not matter.
    fn answer_calls(&mut self) {
        while let Some(call) = self.pending.pop() {
            let answer = self.further.get(call.number - 1);
            let answer = answer.map(|answer| (answer.headers.clone(), answer.body.clone()));
            let input = Input::CallAnswer {
                number: call.number,
                answer: answer.ok_or(Lost::Unanswered),
                host: &FixedHost,
            };
            self.calls.push(call);
            let flow = self.exchange.handle(input, &mut self.effects);
            self.apply();
            if flow == Flow::Continue {
                self.release();
            }
        }
    }

    fn apply(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::AnswerHeaders(headers) => {
                    assert!(
                        self.held_head.is_some(),
                        "a head that has gone is not changed"
                    );
                    self.held_head = Some(headers);
                }
                Effect::AnswerBody(body) => self.held_body = body,
                Effect::Dispatch(call) => self.pending.push(call),
                other => panic!("{other:?} while an answer passes"),
            }
        }
    }

    fn release(&mut self) {
        if let Some(head) = self.held_head.take() {
            self.client.headers = head;
        }
        self.client.body.append(&mut self.held_body);
    }

    /// Delivers a whole answer cut into these pieces.
    pub(crate) fn answer<'c>(
        &mut self,
        headers: &Headers,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) {
        let mut chunks = chunks.into_iter().peekable();
        self.answer_head(headers, chunks.peek().is_none());
        while let Some(chunk) = chunks.next() {
            self.answer_body(chunk, chunks.peek().is_none());
        }
    }
}

/// Where apps post chat completions.
pub(crate) const CHAT: &str = "/v1/chat/completions";
/// Where apps post legacy completions.
pub(crate) const COMPLETIONS: &str = "/v1/completions";
/// Where apps post responses.
pub(crate) const RESPONSES: &str = "/v1/responses";
/// Where apps ask for embeddings.
pub(crate) const EMBEDDINGS: &str = "/v1/embeddings";

/// The head of an app's request to this path.
pub(crate) fn head(path: &str, body: &[u8]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in [
        (":method", "POST"),
        (":path", path),
        (":authority", "gateway.example"),
        (":scheme", "https"),
        ("authorization", "Bearer sk-golden"),
        ("content-type", "application/json"),
        ("accept-encoding", "gzip"),
        ("cookie", "session=1"),
        ("x-request-id", "golden-request"),
    ] {
        headers.push(name, value);
    }
    headers.push("content-length", body.len().to_string());
    headers
}

/// Small random numbers, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}
