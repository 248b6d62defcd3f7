//! How events travel: AWS's binary frames, or server-sent events. Framing is done by AWS's own crate.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use aws_smithy_types::str_bytes::StrBytes;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Frames,
    Sse,
}

/// An error in the middle of a stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// `throttlingException`, ..
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) form: ExceptionForm,
    /// More members of the payload, like `originalStatusCode`.
    #[serde(default)]
    pub(crate) extra: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExceptionForm {
    #[default]
    Exception,
    /// `:message-type: error` with `:error-code` and `:error-message`.
    Error,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Garbage {
    /// A frame with a wrong checksum; in SSE a line that is no JSON.
    #[default]
    Broken,
    Random,
}

impl Wire {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Frames => "application/vnd.amazon.eventstream",
            Self::Sse => "text/event-stream; charset=utf-8",
        }
    }

    /// A frame's event is an object with one member, its type; an SSE event is any JSON, and a string goes out as it is.
    pub(crate) fn event(self, event: &Value) -> Bytes {
        match (self, event) {
            (Self::Sse, Value::String(raw)) => Bytes::from(format!("data: {raw}\n\n")),
            // Events of responses have a type, and go by it.
            (Self::Sse, json) => match json["type"].as_str() {
                Some(kind) => Bytes::from(format!("event: {kind}\ndata: {json}\n\n")),
                None => Bytes::from(format!("data: {json}\n\n")),
            },
            (Self::Frames, event) => {
                let (kind, payload) = event
                    .as_object()
                    .and_then(|event| event.iter().next())
                    .expect("events have a type");
                let headers = [
                    (":event-type", kind.as_str()),
                    (":content-type", "application/json"),
                    (":message-type", "event"),
                ];
                frame(&headers, payload.to_string())
            }
        }
    }

    pub(crate) fn exception(self, exception: &Exception) -> Bytes {
        let Exception {
            kind,
            message,
            form,
            extra,
        } = exception;
        match (self, form) {
            (Self::Sse, _) => {
                let mut error =
                    json!({"message": message, "type": kind, "param": null, "code": kind});
                error
                    .as_object_mut()
                    .expect("an object")
                    .extend(extra.clone());
                self.event(&json!({"error": error}))
            }
            (Self::Frames, ExceptionForm::Error) => frame(
                &[
                    (":message-type", "error"),
                    (":error-code", kind),
                    (":error-message", message),
                ],
                String::new(),
            ),
            (Self::Frames, ExceptionForm::Exception) => {
                let mut payload = extra.clone();
                payload.insert("message".to_owned(), message.as_str().into());
                let headers = [
                    (":exception-type", kind.as_str()),
                    (":content-type", "application/json"),
                    (":message-type", "exception"),
                ];
                frame(&headers, Value::Object(payload).to_string())
            }
        }
    }

    pub(crate) fn garbage(self, garbage: Garbage) -> Bytes {
        match (self, garbage) {
            (_, Garbage::Random) => {
                let mut cuts = crate::cuts::Cuts::new(7, 0);
                (0..64)
                    .map(|_| u8::try_from(cuts.size(256) - 1).unwrap_or_default())
                    .collect()
            }
            (Self::Sse, Garbage::Broken) => {
                Bytes::from_static(b"data: {\"choices\":[{\"delta\"\n\n")
            }
            (Self::Frames, Garbage::Broken) => {
                let mut frame = self.whole_delta().to_vec();
                *frame.last_mut().expect("a frame has a checksum") ^= 0xFF;
                Bytes::from(frame)
            }
        }
    }

    /// The first half of an event whose second half never comes.
    pub(crate) fn half_event(self) -> Bytes {
        let whole = self.whole_delta();
        whole.slice(..whole.len() / 2)
    }

    fn whole_delta(self) -> Bytes {
        self.event(&match self {
            Self::Frames => json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "left over"}}}),
            Self::Sse => json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "left over"}}]}),
        })
    }
}

fn frame(headers: &[(&str, &str)], payload: String) -> Bytes {
    let headers = headers.iter().map(|(name, value)| {
        let value = HeaderValue::String(StrBytes::copy_from_str(value));
        Header::new(StrBytes::copy_from_str(name), value)
    });
    let message = Message::new_from_parts(headers.collect(), payload);
    let mut frame = Vec::new();
    write_message_to(&message, &mut frame).expect("a frame of ours is not too large");
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second reader of the frame, by the layout in Amazon's specification.
    fn read(frame: &[u8]) -> Option<&[u8]> {
        let word = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        let end = frame.len() - 4;
        let is_whole = word(0) as usize == frame.len()
            && word(8) == crc32fast::hash(&frame[..8])
            && word(end) == crc32fast::hash(&frame[..end]);
        is_whole.then(|| &frame[12 + word(4) as usize..end])
    }

    #[test]
    fn a_frame_has_its_lengths_and_checksums() {
        let frame = Wire::Frames.event(&json!({"messageStart": {"role": "assistant"}}));
        assert_eq!(read(&frame), Some(br#"{"role":"assistant"}"#.as_slice()));
    }

    #[test]
    fn a_broken_frame_fails_its_checksum_only() {
        let frame = Wire::Frames.garbage(Garbage::Broken);
        assert_eq!(read(&frame), None);
        assert_eq!(
            u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize,
            frame.len()
        );
    }

    #[test]
    fn an_sse_string_goes_out_as_it_is() {
        assert_eq!(Wire::Sse.event(&json!("[DONE]")), "data: [DONE]\n\n");
    }
}
