//! Answers for benchmarks, made once: no checks, no records, no parsing.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::cuts::Cuts;
use crate::exchange::{Body, Dialect, Reply, Step, Upstream};
use crate::model::{Prompt, Words};
use crate::openai::answer::Style;

pub(crate) struct Quick {
    bedrock: Answers,
    azure: Answers,
    openai: Answers,
}

struct Answers {
    whole: Bytes,
    content_type: &'static str,
    /// As many writes as were asked for.
    stream: Vec<Bytes>,
}

impl Quick {
    pub(crate) fn new(words: usize, writes: usize) -> Self {
        let chat = |is_azure| {
            Dialect::Chat(Style {
                is_azure,
                model: "simulator".to_owned(),
                include_usage: true,
                choices: 1,
                is_gpt_oss: false,
            })
        };
        Self {
            bedrock: Answers::new(
                &Dialect::Converse {
                    model: "simulator".to_owned(),
                    has_stop_path: false,
                },
                words,
                writes,
            ),
            azure: Answers::new(&chat(true), words, writes),
            openai: Answers::new(&chat(false), words, writes),
        }
    }

    pub(crate) async fn answer(
        &self,
        upstream: Upstream,
        path: &str,
        body: hyper::body::Incoming,
    ) -> Reply {
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let is_stream = match upstream {
            Upstream::Bedrock => path.ends_with("-stream"),
            Upstream::Mantle | Upstream::Azure | Upstream::OpenAi => asks_for_stream(&body),
        };
        let answers = match upstream {
            Upstream::Bedrock => &self.bedrock,
            Upstream::Azure => &self.azure,
            Upstream::Mantle | Upstream::OpenAi => &self.openai,
        };
        match answers.stream.as_slice() {
            _ if !is_stream => Reply::whole(200, "application/json", answers.whole.clone()),
            [whole] => Reply::whole(200, answers.content_type, whole.clone()),
            pieces => {
                let mut reply = Reply::whole(200, answers.content_type, Bytes::new());
                reply.body = Body::steps(pieces.iter().cloned().map(Step::Bytes));
                reply
            }
        }
    }
}

impl Answers {
    fn new(dialect: &Dialect, count: usize, writes: usize) -> Self {
        let prompt = Prompt {
            words: Some(Words {
                count,
                word: "word".to_owned(),
            }),
            ..Prompt::default()
        };
        let mut cuts = Cuts::new(1, 0);
        cuts.is_by_word = true;
        let answer = dialect.answer(&prompt);
        let wire = dialect.wire();
        let events: Vec<Bytes> = dialect
            .events(&answer, &mut cuts)
            .iter()
            .map(|event| wire.event(event))
            .collect();
        let events_per_write = events.len().div_ceil(writes.max(1));
        let stream = events.chunks(events_per_write).map(|events| {
            let run: BytesMut = events
                .iter()
                .flat_map(|event| event.iter().copied())
                .collect();
            run.freeze()
        });
        Self {
            whole: Bytes::from(answer.to_string()),
            content_type: wire.content_type(),
            stream: stream.collect(),
        }
    }
}

fn asks_for_stream(body: &[u8]) -> bool {
    let found = memchr::memmem::find(body, br#""stream""#).and_then(|at| body.get(at + 8..));
    found.is_some_and(|rest| {
        rest.trim_ascii_start()
            .strip_prefix(b":")
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
    })
}
