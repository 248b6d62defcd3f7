//! The "model": a few plain rules that make an answer from a question, always the same one.

use serde_json::Value;

use crate::schema;

#[derive(Default)]
pub(crate) struct Prompt {
    /// The text of the last user message.
    pub(crate) user_text: String,
    /// Not empty if the last message answers tool calls.
    pub(crate) tool_results: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) is_one_call: bool,
    /// Structured output: the schema, or `{}` for just any object.
    pub(crate) json_schema: Option<Value>,
    pub(crate) is_reasoning: bool,
    pub(crate) input_bytes: usize,
    pub(crate) output_tokens_max: Option<u64>,
    pub(crate) stop_sequences: Vec<String>,
    /// Answer with so many words and nothing else.
    pub(crate) words: Option<Words>,
}

#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) count: usize,
    pub(crate) word: String,
}

pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Default)]
pub(crate) enum Choice {
    None,
    #[default]
    Auto,
    Any,
    Named(String),
}

pub(crate) struct Output {
    pub(crate) reasoning: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) stop: Stop,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

pub(crate) struct Call {
    /// The same for the same question; each cloud adds its own prefix.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) input: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Tool,
    Length,
    Sequence(String),
}

/// Roughly English: four bytes are a token.
pub(crate) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

impl Prompt {
    pub(crate) fn answer(&self) -> Output {
        let mut output = self.say();
        if self.words.is_none() {
            self.cut(&mut output);
        }
        let text_bytes = output.text.as_ref().map_or(0, String::len);
        let reasoning_bytes = output.reasoning.as_ref().map_or(0, String::len);
        let calls_bytes: usize = output
            .calls
            .iter()
            .map(|call| call.input.to_string().len() + call.name.len())
            .sum();
        output.input_tokens = tokens(self.input_bytes);
        output.output_tokens = tokens(text_bytes + reasoning_bytes + calls_bytes);
        output
    }

    fn say(&self) -> Output {
        let calls = self.calls();
        let text = if let Some(words) = &self.words {
            Some(format!("{} ", words.word).repeat(words.count))
        } else if !calls.is_empty() {
            None
        } else if let Some(schema) = &self.json_schema {
            let instance = schema::instance(schema);
            Some(if instance.is_object() {
                instance.to_string()
            } else {
                "{}".to_owned()
            })
        } else if !self.tool_results.is_empty() {
            Some(format!(
                "The tools answered: {}",
                self.tool_results.join("; ")
            ))
        } else {
            Some(format!("You said: {}", self.user_text))
        };
        Output {
            reasoning: self.is_reasoning.then(|| {
                format!(
                    "The user wrote {} bytes. I repeat them.",
                    self.user_text.len()
                )
            }),
            text,
            stop: if calls.is_empty() {
                Stop::End
            } else {
                Stop::Tool
            },
            calls,
            input_tokens: 0,
            output_tokens: 0,
        }
    }

    fn calls(&self) -> Vec<Call> {
        if self.words.is_some() || !self.tool_results.is_empty() {
            return Vec::new();
        }
        let is_mentioned = |tool: &&Tool| self.user_text.contains(&tool.name);
        let called: Vec<&Tool> = match &self.choice {
            Choice::None => Vec::new(),
            Choice::Auto => self.tools.iter().filter(is_mentioned).collect(),
            Choice::Any => {
                let mentioned: Vec<&Tool> = self.tools.iter().filter(is_mentioned).collect();
                if mentioned.is_empty() {
                    self.tools.iter().take(1).collect()
                } else {
                    mentioned
                }
            }
            Choice::Named(name) => self
                .tools
                .iter()
                .filter(|tool| tool.name == *name)
                .collect(),
        };
        let count = if self.is_one_call { 1 } else { called.len() };
        let calls = called.into_iter().take(count).enumerate();
        calls
            .map(|(index, tool)| Call {
                id: fingerprint(&format!(
                    "{index}{}{}{}",
                    self.input_bytes, tool.name, self.user_text
                )),
                name: tool.name.clone(),
                input: schema::instance(&tool.schema),
            })
            .collect()
    }

    /// Ends the text where the client wants it to end.
    fn cut(&self, output: &mut Output) {
        let Some(text) = &mut output.text else { return };
        let stops = self
            .stop_sequences
            .iter()
            .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop)));
        if let Some((at, stop)) = stops.min() {
            text.truncate(at);
            output.stop = Stop::Sequence(stop.clone());
        }
        let chars_max = self
            .output_tokens_max
            .and_then(|most| usize::try_from(most.saturating_mul(4)).ok());
        if let Some((at, _)) = chars_max.and_then(|most| text.char_indices().nth(most)) {
            text.truncate(at);
            output.stop = Stop::Length;
        }
    }
}

/// Nine letters and digits: what the strictest models (Mistral's) want an id to be.
fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("{hash:016x}").chars().take(9).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompt(text: &str) -> Prompt {
        let tool = |name: &str| Tool {
            name: name.to_owned(),
            schema: json!({"type": "object"}),
        };
        Prompt {
            user_text: text.to_owned(),
            tools: vec![tool("weather"), tool("time")],
            ..Prompt::default()
        }
    }

    #[track_caller]
    fn check(prompt: &Prompt, text: Option<&str>, calls: &[&str], stop: &Stop) {
        let output = prompt.answer();
        let names: Vec<&str> = output.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(
            (output.text.as_deref(), names.as_slice(), &output.stop),
            (text, calls, stop)
        );
    }

    #[test]
    fn it_repeats_the_user() {
        check(&prompt("hello"), Some("You said: hello"), &[], &Stop::End);
    }

    #[test]
    fn a_tool_is_called_by_its_name() {
        check(
            &prompt("weather and time"),
            None,
            &["weather", "time"],
            &Stop::Tool,
        );
        check(
            &Prompt {
                choice: Choice::Any,
                ..prompt("x")
            },
            None,
            &["weather"],
            &Stop::Tool,
        );
        check(
            &Prompt {
                choice: Choice::None,
                ..prompt("time")
            },
            Some("You said: time"),
            &[],
            &Stop::End,
        );
    }

    #[test]
    fn limits_end_the_text() {
        check(
            &Prompt {
                output_tokens_max: Some(2),
                ..prompt("hello")
            },
            Some("You said"),
            &[],
            &Stop::Length,
        );
        let stop = Stop::Sequence(" ".to_owned());
        check(
            &Prompt {
                stop_sequences: vec![" ".to_owned()],
                ..prompt("hello")
            },
            Some("You"),
            &[],
            &stop,
        );
    }
}
