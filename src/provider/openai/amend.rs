//! Two habits that some models have at Bedrock's OpenAI endpoints, undone in answers that pass otherwise.
//!
//! - **Inline reasoning.** The text begins with `<reasoning>..</reasoning>`, once or in many pieces, and
//!   the tags may be cut by chunks. What is between them becomes `reasoning_content`, the field that
//!   DeepSeek, vLLM and most tools read. Once other text has come, tags are text.
//!   ```text
//!   Start -- <reasoning> --> Reasoning -- </reasoning> --> Start -- anything else --> Text
//!   ```
//! - **Positional ids.** Tool calls are `call_0`, `call_1` in every answer, so a conversation has two of
//!   them. They get a part of the answer's own id, which no other answer has.
//!
//! Text is read as it is escaped. These models give one choice; another than the first stays as it is.

use std::borrow::Cow;
use std::ops::Range;

use crate::codec::json::{Edits, Members, Walk, span_of, string_content};
use crate::limits::{ADMIN_BYTES_MAX, TOOL_CALLS_MAX};

/// Undoes the habits in one answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Amend {
    split: Option<Split>,
    has_positional_ids: bool,
}

/// Parts reasoning from text.
#[derive(Debug, Clone, Default)]
struct Split {
    mode: Mode,
    /// The beginning of a tag whose end has not come: shorter than the longer tag.
    held: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Start,
    Reasoning,
    Text,
}

const OPEN: &str = "<reasoning>";
const CLOSE: &str = "</reasoning>";

/// Three for each tool call and the text's.
const EDITS_MAX: usize = TOOL_CALLS_MAX + 8;

impl Amend {
    pub(super) fn new(inline_reasoning: bool, positional_ids: bool) -> Self {
        Self {
            split: inline_reasoning.then(Split::default),
            has_positional_ids: positional_ids,
        }
    }

    /// The answer or chunk as the app gets it; nothing where it stays. `text` is a JSON object; `part` is
    /// `message` or `delta`.
    pub(super) fn write(&mut self, text: &str, part: &str) -> Option<Vec<u8>> {
        let is_watching = self
            .split
            .as_ref()
            .is_some_and(|split| split.mode != Mode::Text);
        let has_calls = self.has_positional_ids && text.contains("tool_calls");
        if !is_watching && !has_calls {
            return None;
        }
        let mut edits = Edits::new(EDITS_MAX, ADMIN_BYTES_MAX);
        self.collect(text, part, &mut edits)?;
        if edits.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        edits.apply(text.as_bytes(), &mut out).ok()?;
        Some(out)
    }

    fn collect(&mut self, text: &str, part: &str, edits: &mut Edits) -> Option<()> {
        let mut id = "";
        let mut choice = None;
        for member in Members::new(text) {
            let member = member.ok()?;
            match &*member.key {
                "id" => id = member.value,
                "choices" => choice = first_item(text, member.value),
                _ => {}
            }
        }
        let choice = choice?;
        let mut is_last = part == "message";
        let mut said = None;
        for member in Members::within(text, choice) {
            let member = member.ok()?;
            if *member.key == *part && member.value.starts_with('{') {
                said = Some(member.value_span.clone());
            }
            let is_open = matches!(member.value, "null" | "\"\"");
            is_last |= member.key == "finish_reason" && !is_open;
        }
        let said = said?;
        let start = said.start.checked_add(1)?;
        let mut content = None;
        for member in Members::within(text, said.clone()) {
            let member = member.ok()?;
            match &*member.key {
                "content" if member.value.starts_with('"') => content = Some(member.value_span),
                "tool_calls" if self.has_positional_ids && member.value.starts_with('[') => {
                    rename_calls(text, member.value, &salt(id), edits)?;
                }
                _ => {}
            }
        }
        if let Some(split) = self.split.as_mut().filter(|split| split.mode != Mode::Text) {
            let is_empty = Members::within(text, said).next().is_none();
            split.edit(text, start, is_empty, content, is_last, edits)?;
        }
        Some(())
    }
}

/// Where the first item of an array of objects is.
fn first_item(text: &str, array: &str) -> Option<Range<usize>> {
    array.strip_prefix('[')?;
    let mut items = Walk::new(array);
    items.open();
    items.next_item().ok().filter(|has_item| *has_item)?;
    let item = items.skip().ok()?;
    item.strip_prefix('{')?;
    span_of(text.as_bytes(), item.as_bytes())
}

/// The letters and digits at the end of an answer's id, of which no two answers have the same.
fn salt(id: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric();
    let mut letters: Vec<char> = id.chars().rev().filter(is_plain).take(SALT_MAX).collect();
    letters.reverse();
    letters.into_iter().collect()
}

const SALT_MAX: usize = 20;

fn rename_calls(text: &str, calls: &str, salt: &str, edits: &mut Edits) -> Option<()> {
    if salt.is_empty() {
        return Some(());
    }
    let mut items = Walk::new(calls);
    items.open();
    while items.next_item().ok()? {
        let call = items.skip().ok()?;
        if !call.starts_with('{') {
            continue;
        }
        let span = span_of(text.as_bytes(), call.as_bytes())?;
        for member in Members::within(text, span) {
            let member = member.ok()?;
            let number = string_content(member.value).and_then(|id| id.strip_prefix("call_"));
            let is_position = |number: &&str| {
                (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
            };
            if member.key == "id"
                && let Some(number) = number.filter(is_position)
            {
                let id = format!("\"call_{salt}_{number}\"");
                edits.replace(member.value_span, id.as_bytes()).ok()?;
            }
        }
    }
    Some(())
}

impl Split {
    /// Writes the content at `content`, if there is one, as text and reasoning. `start` is behind the brace
    /// that opens the part; `is_last` says that nothing follows, so that nothing is held back.
    fn edit(
        &mut self,
        text: &str,
        start: usize,
        is_empty: bool,
        content: Option<Range<usize>>,
        is_last: bool,
        edits: &mut Edits,
    ) -> Option<()> {
        let raw = content.clone().and_then(|span| text.get(span));
        let written = raw.and_then(string_content).unwrap_or_default();
        let (reasoning, said) = self.take(&with_plain_tags(written), is_last);
        let comma = |is_alone: bool| if is_alone { "" } else { "," };
        if !reasoning.is_empty() {
            let added = format!("\"reasoning_content\":\"{reasoning}\"{}", comma(is_empty));
            edits.insert(start, added.as_bytes()).ok()?;
        }
        match content {
            Some(span) if said != written => {
                let said = format!("\"{said}\"");
                edits.replace(span, said.as_bytes()).ok()?;
            }
            None if !said.is_empty() => {
                // The reasoning, if there is any, has no comma behind it where it is the last.
                let before = comma(!is_empty || reasoning.is_empty());
                let added = format!("{before}\"content\":\"{said}\"{}", comma(is_empty));
                edits.insert(start, added.as_bytes()).ok()?;
            }
            Some(_) | None => {}
        }
        Some(())
    }

    /// Parts the next piece; what is held comes first.
    fn take(&mut self, piece: &str, is_last: bool) -> (String, String) {
        let whole = std::mem::take(&mut self.held) + piece;
        let mut rest = whole.as_str();
        let mut reasoning = String::new();
        let mut said = String::new();
        loop {
            match self.mode {
                Mode::Text => {
                    said.push_str(rest);
                    break;
                }
                Mode::Start => {
                    if let Some(after) = rest.strip_prefix(OPEN) {
                        self.mode = Mode::Reasoning;
                        rest = after;
                    } else if OPEN.starts_with(rest) && !is_last {
                        rest.clone_into(&mut self.held);
                        break;
                    } else {
                        self.mode = Mode::Text;
                    }
                }
                Mode::Reasoning => {
                    if let Some((before, after)) = rest.split_once(CLOSE) {
                        reasoning.push_str(before);
                        self.mode = Mode::Start;
                        rest = after;
                    } else {
                        let cut = if is_last { rest.len() } else { tag_start(rest) };
                        let (told, held) = rest.split_at_checked(cut).unwrap_or((rest, ""));
                        reasoning.push_str(told);
                        held.clone_into(&mut self.held);
                        break;
                    }
                }
            }
        }
        (reasoning, said)
    }
}

/// Where a closing tag begins that may go on in the next piece.
fn tag_start(text: &str) -> usize {
    let at = text.rfind('<').unwrap_or(text.len());
    let tail = text.get(at..).unwrap_or_default();
    if CLOSE.starts_with(tail) {
        at
    } else {
        text.len()
    }
}

/// A string's content in which no character of a tag is escaped.
fn with_plain_tags(content: &str) -> Cow<'_, str> {
    if !content.contains('\\') {
        return Cow::Borrowed(content);
    }
    let mut plain = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let tag = ESCAPED
            .iter()
            .find(|(escape, _)| starts_with_any_case(after, escape));
        let (letter, taken) = match tag {
            Some((escape, letter)) => (Some(*letter), escape.len()),
            None => (None, after.chars().next().map_or(0, char::len_utf8)),
        };
        let (escape, tail) = after.split_at_checked(taken).unwrap_or((after, ""));
        match letter {
            Some(letter) => plain.push(letter),
            None => {
                plain.push('\\');
                plain.push_str(escape);
            }
        }
        rest = tail;
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

const ESCAPED: &[(&str, char)] = &[("u003c", '<'), ("u003e", '>'), ("/", '/')];

fn starts_with_any_case(text: &str, start: &str) -> bool {
    let head = text.get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::validate;
    use crate::codec::random::Random;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Delta {
        reasoning_content: Option<String>,
        content: Option<String>,
    }

    /// The reasoning and the text of these pieces.
    fn parted<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let mut amend = Amend::new(true, false);
        let (mut reasoning, mut said) = (String::new(), String::new());
        let pieces = pieces.into_iter().map(Some).chain([None]);
        for piece in pieces {
            let end = match piece {
                None => r#""stop""#,
                Some(piece) if piece.len() % 2 == 0 => r#""""#,
                Some(_) => "null",
            };
            let content = piece.map_or(String::new(), |piece| format!(r#""content":"{piece}""#));
            let chunk =
                format!(r#"{{"choices":[{{"delta":{{{content}}},"finish_reason":{end}}}]}}"#);
            let out = amend.write(&chunk, "delta");
            let out = out.map_or(chunk, |out| String::from_utf8(out).unwrap());
            validate(out.as_bytes()).unwrap();
            let (_, delta) = out.split_once(r#""delta":"#).unwrap();
            let mut read = serde_json::Deserializer::from_str(delta);
            let delta = Delta::deserialize(&mut read).unwrap();
            reasoning += &delta.reasoning_content.unwrap_or_default();
            said += &delta.content.unwrap_or_default();
        }
        (reasoning, said)
    }

    #[track_caller]
    fn check(content: &str, reasoning: &str, said: &str) {
        let want = (reasoning.to_owned(), said.to_owned());
        assert_eq!(parted([content]), want);
        let each: Vec<_> = content.split_inclusive(|_: char| true).collect();
        if !content.contains('\\') {
            assert_eq!(parted(each), want);
        }
    }

    #[test]
    fn reasoning_is_parted_from_the_text() {
        check("<reasoning>a < b</reasoning>c", "a < b", "c");
        check(
            "<reasoning>a</reasoning><reasoning>b</reasoning>c",
            "ab",
            "c",
        );
        check("<reasoning></reasoning>", "", "");
    }

    #[test]
    fn tags_in_the_text_are_text() {
        check("a<reasoning>b</reasoning>", "", "a<reasoning>b</reasoning>");
        check("<reasoning>a</reasoning>b<reasoning>", "a", "b<reasoning>");
        check("</reasoning>a", "", "</reasoning>a");
    }

    #[test]
    fn an_answer_that_ends_in_a_tag_loses_nothing() {
        check("<reason", "", "<reason");
        check("<reasoning>a</reas", "a</reas", "");
        check("", "", "");
    }

    #[test]
    fn tags_may_be_escaped() {
        check(
            r"\u003creasoning\u003Ea\\u003c\n<\/reasoning>\u003cb",
            "a\\u003c\n",
            "<b",
        );
    }

    #[track_caller]
    fn check_write(text: &str, part: &str, want: Option<&str>) {
        let out = Amend::new(true, true).write(text, part);
        let out = out.map(|out| String::from_utf8(out).unwrap());
        assert_eq!(out.as_deref(), want);
    }

    #[test]
    fn ids_get_a_part_of_the_answers_own() {
        check_write(
            r#"{"id":"chatcmpl-1a-2b","choices":[{"message":{"content":null,"tool_calls":[{"id":"call_0"},{"id":"call_12"},{"id":"call_Abc"}]}}]}"#,
            "message",
            Some(
                r#"{"id":"chatcmpl-1a-2b","choices":[{"message":{"content":null,"tool_calls":[{"id":"call_chatcmpl1a2b_0"},{"id":"call_chatcmpl1a2b_12"},{"id":"call_Abc"}]}}]}"#,
            ),
        );
    }

    #[test]
    fn a_whole_answer_is_parted_in_its_place() {
        check_write(
            r#"{ "choices": [ {"message": {"role":"assistant", "content": "<reasoning>r</reasoning>t"}, "index":0} ] }"#,
            "message",
            Some(
                r#"{ "choices": [ {"message": {"reasoning_content":"r","role":"assistant", "content": "t"}, "index":0} ] }"#,
            ),
        );
    }

    #[test]
    fn what_has_no_such_habit_stays() {
        for text in [
            r#"{"choices":[{"message":{"content":"t"}}]}"#,
            r#"{"choices":[{"message":{"content":null}}]}"#,
            r#"{"choices":[{"message":[0]}]}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":7}"#,
            "{}",
        ] {
            check_write(text, "message", None);
        }
    }

    #[test]
    fn random_cuts_change_nothing() {
        let whole = "<reasoning>naïve</reasoning><reasoning> 漢<b></reasoning>字</reasoning>";
        let want = parted([whole]);
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let mut random = Random::new(3);
        for _ in 0..300 {
            let mut pieces = vec![String::new()];
            for letter in &letters {
                if random.below(4) == 0 {
                    pieces.push(String::new());
                }
                pieces.last_mut().unwrap().push_str(letter);
            }
            assert_eq!(parted(pieces.iter().map(String::as_str)), want);
        }
    }
}
