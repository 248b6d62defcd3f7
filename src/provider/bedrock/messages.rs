//! `messages` and `system`: the conversation.
//!
//! - System and developer messages become `system`, in their order, wherever they stood. Where there is
//!   nothing else, they are what the model shall answer: then they are the user's.
//! - Neighbours of one side are one message: user and tool messages are the user's side.
//! - AWS refuses blank text and empty messages: blank text is dropped, and so is a message in which
//!   nothing is left. A blank tool result says that it is empty, for its call must be answered.
//! - AWS wants the user to speak first: a conversation that the assistant opens gets a greeting before
//!   it. It may end with the assistant only where the model goes on from there.
//! - A tool's result stays text even if it is JSON: nothing is lost and nothing is guessed. Chat
//!   completions has no mark for a failed tool, so no `status` is sent.
//! - Reasoning goes back only with the provider's proof, and only to a family that gave it: signed
//!   thoughts to Claude, unreadable ones to Claude and OpenAI's. Whatever else an app replays of it is
//!   for people. It stands before something else that the assistant said, or is left out: AWS refuses a
//!   message that ends in it.
//! - A message with documents needs a text; where there is none, a short one is added.

use std::collections::BTreeMap;

use crate::codec::json::{is_blank, unescape, validate, write_string};
use crate::fault::{Fault, Invalid};
use crate::turn::{
    Document, DocumentSource, ENCRYPTED, Escaped, Image, Message, Part, Request, Role,
    SearchResult, ToolOutput,
};

use super::super::quirks::{Quirks, Reasoning};
use super::cache::{self, Points};
use super::tools;

const GREETING: &str = "Hello.";
const EMPTY_RESULT: &str = "(empty)";
const SEE_DOCUMENT: &str = "See the attached document.";

/// Appends both.
pub(super) fn write(
    request: &Request<'_>,
    quirks: &Quirks,
    points: &mut Points,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let is_system = |message: &&Message<'_>| message.role == Role::System;
    let has_others = !request.messages.iter().all(|message| is_system(&message));
    out.extend_from_slice(br#""messages":["#);
    let mut turns = Turns {
        out,
        quirks,
        open: None,
        names: BTreeMap::new(),
        arguments: String::new(),
        thoughts: Vec::new(),
        points,
    };
    for message in &request.messages {
        let side = match message.role {
            Role::System if has_others => continue,
            Role::System | Role::User | Role::Tool => Side::User,
            Role::Assistant => Side::Assistant,
        };
        turns.message(side, message)?;
    }
    turns.finish()?;
    out.push(b']');
    if has_others {
        let mut texts = request.messages.iter().filter(is_system).peekable();
        if texts.peek().is_some() {
            write_system(texts, points, out)?;
        }
    }
    Ok(())
}

fn write_system<'r, 'a: 'r>(
    messages: impl Iterator<Item = &'r Message<'a>>,
    points: &mut Points,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut before: &[u8] = br#","system":["#;
    let mut is_marked = true;
    for message in messages {
        let mut at = 0_usize;
        for part in &message.parts {
            if let Part::CacheBreakpoint(_) = part {
                if let Some(life) = points.system.next().flatten()
                    && !std::mem::replace(&mut is_marked, true)
                {
                    out.push(b',');
                    cache::write(life, out);
                }
                continue;
            }
            let (Part::Text(text) | Part::Refusal(text)) = part else {
                return Err(Fault::from(Invalid::value(
                    content_param(message.index, at),
                    "a system message holds text only; move the rest to a user message",
                )));
            };
            at = at.saturating_add(1);
            if is_blank(text.as_str()) {
                continue;
            }
            out.extend_from_slice(before);
            write_text(out, *text);
            before = b",";
            is_marked = false;
        }
    }
    if before == b"," {
        out.push(b']');
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    User,
    Assistant,
}

/// The messages being written.
struct Turns<'o, 'a> {
    out: &'o mut Vec<u8>,
    quirks: &'o Quirks,
    /// Blocks of reasoning that wait for what they led to.
    thoughts: Vec<&'o Part<'a>>,
    points: &'o mut Points,
    open: Option<Open>,
    /// Names of documents, which must not come twice in a request, each with the last number behind it.
    names: BTreeMap<String, usize>,
    /// Room for the arguments of a call.
    arguments: String,
}

/// Whether the model takes this part back as reasoning.
pub(super) fn is_thought(part: &Part<'_>, quirks: &Quirks) -> bool {
    let is_claude = matches!(
        quirks.reasoning,
        Reasoning::ClaudeBudget | Reasoning::ClaudeAdaptive
    );
    if let Part::Reasoning { signature, .. } = part {
        return is_claude && !signature.is_empty() && !signature.starts_with(ENCRYPTED);
    }
    let is_known = is_claude || quirks.reasoning == Reasoning::OpenAi;
    is_known && matches!(part, Part::Redacted(base64) if !base64.is_empty())
}

/// Appends a part that is a thought.
fn write_thought(part: &Part<'_>, out: &mut Vec<u8>) {
    if let Part::Reasoning { text, signature } = part {
        out.extend_from_slice(br#"{"reasoningContent":{"reasoningText":{"text":"#);
        write_string(out, text);
        out.extend_from_slice(br#","signature":"#);
        write_string(out, signature);
        out.extend_from_slice(b"}}}");
    }
    if let Part::Redacted(base64) = part {
        out.extend_from_slice(br#"{"reasoningContent":{"redactedContent":"#);
        write_string(out, base64);
        out.extend_from_slice(b"}}");
    }
}

/// The message that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    side: Side,
    has_text: bool,
    has_document: bool,
    has_call: bool,
    /// Its last block ends a prefix to cache.
    is_marked: bool,
}

impl<'o, 'a> Turns<'o, 'a> {
    fn message(&mut self, side: Side, message: &'o Message<'a>) -> Result<(), Fault> {
        let mut calls = 0_usize;
        let mut at = 0_usize;
        for part in &message.parts {
            match part {
                Part::CacheBreakpoint(_) => {
                    self.mark(side);
                    continue;
                }
                Part::Text(text) | Part::Refusal(text) => {
                    if !is_blank(text.as_str()) {
                        self.block(side).has_text = true;
                        write_text(self.out, *text);
                    }
                }
                Part::Image(image) => {
                    self.block(side);
                    let param = || format!("{}.image_url.url", content_param(message.index, at));
                    write_image(self.out, image, param)?;
                }
                Part::Document(document) => {
                    let param = || format!("{}.file", content_param(message.index, at));
                    self.document(side, document, param)?;
                }
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => {
                    self.block(side).has_call = true;
                    let (message, call) = (message.index, calls);
                    let param = || format!("messages[{message}].tool_calls[{call}].function");
                    self.call(id, name, *arguments, param)?;
                    calls = calls.saturating_add(1);
                }
                Part::TextCall { id, name, input } => {
                    self.block(side).has_call = true;
                    let (message, call) = (message.index, calls);
                    let param = || format!("messages[{message}].tool_calls[{call}].custom");
                    self.text_call(id, name, *input, param)?;
                    calls = calls.saturating_add(1);
                }
                Part::SearchResult(found) => {
                    self.block(side);
                    write_found(self.out, found);
                }
                Part::ToolResult { id, output } => {
                    self.result(side, id, output, message.index)?;
                }
                Part::Reasoning { .. } | Part::Redacted(_) => {
                    if is_thought(part, self.quirks) {
                        self.thoughts.push(part);
                    }
                    continue;
                }
            }
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// Ends a prefix to cache, if there is something in this message that it can stand behind.
    fn mark(&mut self, side: Side) {
        if let Some(life) = self.points.messages.next().flatten()
            && let Some(open) = &mut self.open
            && open.side == side
            && !std::mem::replace(&mut open.is_marked, true)
        {
            self.out.push(b',');
            cache::write(life, self.out);
        }
    }

    /// Begins a block, in a new message where the side changes.
    fn block(&mut self, side: Side) -> &mut Open {
        let open = match self.open.take() {
            Some(open) if open.side == side => {
                self.out.push(b',');
                Open {
                    is_marked: false,
                    ..open
                }
            }
            before => {
                match before {
                    Some(open) => {
                        self.close(open);
                        self.out.push(b',');
                    }
                    None if side == Side::Assistant => {
                        self.out.extend_from_slice(br#"{"role":"user","content":["#);
                        write_text(self.out, Escaped::from_content(GREETING));
                        self.out.extend_from_slice(b"]},");
                    }
                    None => {}
                }
                self.out.extend_from_slice(match side {
                    Side::User => br#"{"role":"user","content":["#,
                    Side::Assistant => br#"{"role":"assistant","content":["#,
                });
                Open {
                    side,
                    has_text: false,
                    has_document: false,
                    has_call: false,
                    is_marked: false,
                }
            }
        };
        for thought in self.thoughts.drain(..) {
            if side == Side::Assistant {
                write_thought(thought, self.out);
                self.out.push(b',');
            }
        }
        self.open.insert(open)
    }

    fn close(&mut self, open: Open) {
        if open.has_document && !open.has_text {
            self.out.push(b',');
            write_text(self.out, Escaped::from_content(SEE_DOCUMENT));
        }
        self.out.extend_from_slice(b"]}");
    }

    fn finish(mut self) -> Result<(), Fault> {
        let Some(open) = self.open.take() else {
            return Err(Fault::from(Invalid::value(
                "messages",
                "no message has any content; send at least one text that is not blank",
            )));
        };
        self.close(open);
        // Calls without results are told by AWS, in clearer words than these.
        if open.side == Side::Assistant && !open.has_call && !self.quirks.prefill {
            return Err(Fault::from(Invalid::value(
                "messages",
                "this model does not go on from an assistant message; end with a user message",
            )));
        }
        Ok(())
    }

    fn document(
        &mut self,
        side: Side,
        document: &Document<'_>,
        param: impl Fn() -> String,
    ) -> Result<(), Fault> {
        let DocumentSource::Inline { media_type, base64 } = &document.source else {
            return Err(Fault::from(Invalid::unsupported(
                format!("{}.file_id", param()),
                "this provider does not have the file; send its bytes as file_data",
            )));
        };
        let invalid = |problem| Invalid::value(format!("{}.file_data", param()), problem);
        if base64.is_empty() {
            return Err(Fault::from(invalid("the file is empty")));
        }
        let file_name = document.file_name.as_deref().unwrap_or_default();
        if let Some(format) = image_format(media_type) {
            self.block(side);
            write_bytes(self.out, br#"{"image":{"format":""#, format, base64);
        } else if let Some((kind, format)) = recording_format(media_type) {
            self.block(side);
            let before = match kind {
                Recording::Sound => br#"{"audio":{"format":""#.as_slice(),
                Recording::Film => br#"{"video":{"format":""#,
            };
            write_bytes(self.out, before, format, base64);
        } else if media_type.starts_with("audio/") || media_type.starts_with("video/") {
            return Err(Fault::from(Invalid::value(
                param().trim_end_matches(".file"),
                "the recording has none of the formats that this provider takes, such as mp3, wav, \
                 mp4 and webm",
            )));
        } else {
            let format = document_format(media_type, file_name).ok_or_else(|| {
                invalid(
                    "the file is none of pdf, csv, doc, docx, xls, xlsx, html, txt and md; name it \
                     in filename or in the data URL's media type",
                )
            })?;
            self.block(side).has_document = true;
            self.out.extend_from_slice(br#"{"document":{"name":""#);
            let name = self.document_name(file_name);
            self.out.extend_from_slice(name.as_bytes());
            if document.cited {
                self.out
                    .extend_from_slice(br#"","citations":{"enabled":true},"format":""#);
                write_bytes(self.out, b"", format, base64);
            } else {
                write_bytes(self.out, br#"","format":""#, format, base64);
            }
        }
        Ok(())
    }

    /// A name as AWS takes it, that no other document of the request has.
    fn document_name(&mut self, file_name: &str) -> String {
        let stem = file_name
            .rsplit_once('.')
            .map_or(file_name, |(stem, _)| stem);
        let mut name = String::new();
        for letter in stem.chars() {
            // AWS takes no two spaces in a row.
            let legal = letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
            let letter = if legal { letter } else { ' ' };
            if name.len() < NAME_BYTES_MAX && (legal || !name.is_empty() && !name.ends_with(' ')) {
                name.push(letter);
            }
        }
        let mut name = name.trim_end().to_owned();
        if name.is_empty() {
            "document".clone_into(&mut name);
        }
        let Some(last) = self.names.get(&name) else {
            self.names.insert(name.clone(), 1);
            return name;
        };
        // A number that was taken once is never tried again: many documents of one name stay cheap.
        let mut number = *last;
        let unique = loop {
            number = number.saturating_add(1);
            let numbered = format!("{name} ({number})");
            if !self.names.contains_key(&numbered) {
                break numbered;
            }
        };
        self.names.insert(name, number);
        self.names.insert(unique.clone(), 1);
        unique
    }

    fn call(
        &mut self,
        id: &str,
        name: &str,
        arguments: Escaped<'_>,
        param: impl Fn() -> String,
    ) -> Result<(), Fault> {
        let invalid = |problem| {
            let param = format!("{}.arguments", param());
            Fault::from(Invalid::value(param, problem))
        };
        tools::check_name(name, || format!("{}.name", param()))?;
        self.arguments.clear();
        unescape(arguments.as_str(), &mut self.arguments)
            .map_err(|_error| invalid("the arguments are no JSON text"))?;
        let several;
        let input = match self.arguments.trim() {
            // A call without arguments, as some models and apps write it.
            "" => "{}",
            text => match validate(text.as_bytes()) {
                Ok(text) if text.starts_with('{') => text,
                Ok(_) => return Err(invalid("the arguments are no JSON object")),
                Err(_) => {
                    several = tools::one_object(text)
                        .ok_or_else(|| invalid("the arguments are no valid JSON"))?;
                    &several
                }
            },
        };
        self.out.extend_from_slice(br#"{"toolUse":{"toolUseId":""#);
        tools::write_id(self.out, id, self.quirks.tool_id);
        self.out.extend_from_slice(br#"","name":""#);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(br#"","input":"#);
        self.out.extend_from_slice(input.as_bytes());
        self.out.extend_from_slice(b"}}");
        Ok(())
    }

    fn text_call(
        &mut self,
        id: &str,
        name: &str,
        input: Escaped<'_>,
        param: impl Fn() -> String,
    ) -> Result<(), Fault> {
        tools::check_name(name, || format!("{}.name", param()))?;
        self.out.extend_from_slice(br#"{"toolUse":{"toolUseId":""#);
        tools::write_id(self.out, id, self.quirks.tool_id);
        self.out.extend_from_slice(br#"","name":""#);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(br#"","input":"#);
        tools::write_text_input(input.as_str(), self.out);
        self.out.extend_from_slice(b"}}");
        Ok(())
    }

    /// Where the model takes no images in results, they follow the result.
    fn result(
        &mut self,
        side: Side,
        id: &str,
        output: &[ToolOutput<'_>],
        message: usize,
    ) -> Result<(), Fault> {
        let inside = self.quirks.tool_result_images;
        self.block(side);
        self.out
            .extend_from_slice(br#"{"toolResult":{"toolUseId":""#);
        tools::write_id(self.out, id, self.quirks.tool_id);
        self.out.extend_from_slice(br#"","content":"#);
        let mut before: &[u8] = b"[";
        for (at, piece) in output.iter().enumerate() {
            match piece {
                ToolOutput::Text(text) if is_blank(text.as_str()) => continue,
                ToolOutput::Image(_) if !inside => continue,
                ToolOutput::Text(text) => {
                    self.out.extend_from_slice(before);
                    write_text(self.out, *text);
                }
                ToolOutput::Image(image) => {
                    self.out.extend_from_slice(before);
                    write_image(self.out, image, || image_param(message, at))?;
                }
            }
            before = b",";
        }
        if before == b"[" {
            self.out.push(b'[');
            write_text(self.out, Escaped::from_content(EMPTY_RESULT));
        }
        self.out.extend_from_slice(b"]}}");
        for (at, piece) in output.iter().enumerate() {
            if let ToolOutput::Image(image) = piece
                && !inside
            {
                self.block(side);
                write_image(self.out, image, || image_param(message, at))?;
            }
        }
        Ok(())
    }
}

/// AWS's bound is 200; a number may follow.
const NAME_BYTES_MAX: usize = 180;

fn content_param(message: usize, part: usize) -> String {
    format!("messages[{message}].content[{part}]")
}

fn image_param(message: usize, part: usize) -> String {
    format!("{}.image_url.url", content_param(message, part))
}

fn write_text(out: &mut Vec<u8>, text: Escaped<'_>) {
    out.extend_from_slice(br#"{"text":""#);
    out.extend_from_slice(text.as_str().as_bytes());
    out.extend_from_slice(br#""}"#);
}

fn write_image(
    out: &mut Vec<u8>,
    image: &Image<'_>,
    param: impl FnOnce() -> String,
) -> Result<(), Fault> {
    let problem = match image {
        Image::Inline { media_type, base64 } => match image_format(media_type) {
            Some(format) if !base64.is_empty() => {
                write_bytes(out, br#"{"image":{"format":""#, format, base64);
                return Ok(());
            }
            Some(_) => "the image is empty",
            None => "the image is none of png, jpeg, gif and webp",
        },
        Image::Url(_) => {
            "this provider does not fetch images; send the bytes as a data URL: \
             data:image/png;base64,.."
        }
    };
    Err(Fault::from(Invalid::value(param(), problem)))
}

/// Writes the format and the bytes of an image or document, and closes it.
fn write_bytes(out: &mut Vec<u8>, before: &[u8], format: &str, base64: &str) {
    out.reserve(base64.len().saturating_add(64));
    out.extend_from_slice(before);
    out.extend_from_slice(format.as_bytes());
    out.extend_from_slice(br#"","source":{"bytes":"#);
    write_string(out, base64);
    out.extend_from_slice(b"}}}");
}

fn image_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recording {
    Sound,
    Film,
}

fn recording_format(media_type: &str) -> Option<(Recording, &'static str)> {
    let find = |formats: &[(&str, &'static str)], name: &str| {
        let format = formats.iter().find(|(known, _)| *known == name);
        format.map(|(_, format)| *format)
    };
    if let Some(name) = media_type.strip_prefix("audio/") {
        return find(SOUND_FORMATS, name).map(|format| (Recording::Sound, format));
    }
    let name = media_type.strip_prefix("video/")?;
    find(FILM_FORMATS, name).map(|format| (Recording::Film, format))
}

const SOUND_FORMATS: &[(&str, &str)] = &[
    ("mp3", "mp3"),
    ("mpeg", "mp3"),
    ("opus", "opus"),
    ("wav", "wav"),
    ("x-wav", "wav"),
    ("wave", "wav"),
    ("aac", "aac"),
    ("x-aac", "x-aac"),
    ("flac", "flac"),
    ("x-flac", "flac"),
    ("mp4", "mp4"),
    ("m4a", "m4a"),
    ("x-m4a", "m4a"),
    ("ogg", "ogg"),
    ("pcm", "pcm"),
    ("webm", "webm"),
    ("x-matroska", "mka"),
];
const FILM_FORMATS: &[(&str, &str)] = &[
    ("mp4", "mp4"),
    ("quicktime", "mov"),
    ("webm", "webm"),
    ("x-matroska", "mkv"),
    ("x-flv", "flv"),
    ("mpeg", "mpeg"),
    ("x-ms-wmv", "wmv"),
    ("3gpp", "three_gp"),
];

/// Blank texts are left out: AWS refuses them.
fn write_found(out: &mut Vec<u8>, found: &SearchResult<'_>) {
    out.extend_from_slice(br#"{"searchResult":{"source":""#);
    out.extend_from_slice(found.source.as_str().as_bytes());
    out.extend_from_slice(br#"","title":""#);
    out.extend_from_slice(found.title.as_str().as_bytes());
    out.extend_from_slice(br#"","content":["#);
    let texts = found.texts.iter().filter(|text| !is_blank(text.as_str()));
    for (text, at) in texts.zip(0_usize..) {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, *text);
    }
    out.push(b']');
    if found.cited {
        out.extend_from_slice(br#","citations":{"enabled":true}"#);
    }
    out.extend_from_slice(b"}}");
}

/// The media type decides; where it says nothing, the file name's extension.
fn document_format(media_type: &str, file_name: &str) -> Option<&'static str> {
    let known = DOCUMENT_FORMATS
        .iter()
        .find(|(known, _)| *known == media_type);
    if let Some((_, format)) = known {
        return Some(format);
    }
    let extension = file_name.rsplit_once('.')?.1;
    let mut formats = DOCUMENT_FORMATS.iter().map(|(_, format)| *format);
    formats.find(|format| extension.eq_ignore_ascii_case(format))
}

const DOCUMENT_FORMATS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

#[cfg(test)]
mod tests {
    use super::super::encode::case::{CLAUDE, UNKNOWN, ask, call, encoded, refuse, result, text};
    use super::*;
    use crate::limits::PARTS_MAX;

    #[track_caller]
    fn check_with(model: &str, messages: Vec<(Role, Vec<Part<'_>>)>, want: &str) {
        let (body, left) = encoded(&ask(messages), model).unwrap();
        // What stands for tools that are gone is tested there.
        let body = body.strip_prefix('{').unwrap();
        let before = body.split(r#","toolConfig""#).next().unwrap();
        assert_eq!(before.strip_suffix('}').unwrap_or(before), want);
        assert!(left.is_empty());
    }

    #[track_caller]
    fn check(messages: Vec<(Role, Vec<Part<'_>>)>, want: &str) {
        check_with(UNKNOWN, messages, want);
    }

    fn image(media_type: &str) -> Image<'_> {
        Image::Inline {
            media_type: media_type.into(),
            base64: "AAAA".into(),
        }
    }

    fn file<'a>(file_name: &'a str, media_type: &'a str) -> Part<'a> {
        Part::Document(Document {
            file_name: Some(file_name.into()),
            source: DocumentSource::Inline {
                media_type: media_type.into(),
                base64: "AAAA".into(),
            },
            cited: false,
        })
    }

    #[test]
    fn text_is_copied_as_it_was_escaped() {
        check(
            vec![(Role::User, vec![text(r#"a\n\u00e9 \" é"#)])],
            r#""messages":[{"role":"user","content":[{"text":"a\n\u00e9 \" é"}]}]"#,
        );
    }

    #[test]
    fn system_messages_go_first_in_their_order() {
        check(
            vec![
                (Role::System, vec![text("a"), text(" ")]),
                (Role::User, vec![text("hi")]),
                (Role::System, vec![text("b")]),
            ],
            r#""messages":[{"role":"user","content":[{"text":"hi"}]}],"system":[{"text":"a"},{"text":"b"}]"#,
        );
    }

    #[test]
    fn system_messages_alone_are_the_users() {
        check(
            vec![(Role::System, vec![text("write a haiku")])],
            r#""messages":[{"role":"user","content":[{"text":"write a haiku"}]}]"#,
        );
    }

    #[test]
    fn neighbours_of_one_side_are_one_message() {
        check(
            vec![
                (Role::User, vec![text("a")]),
                (Role::User, vec![text("b")]),
                (Role::Assistant, vec![text("c")]),
                (
                    Role::Assistant,
                    vec![Part::Refusal(Escaped::from_content("d"))],
                ),
                (Role::User, vec![text("e")]),
            ],
            r#""messages":[{"role":"user","content":[{"text":"a"},{"text":"b"}]},{"role":"assistant","content":[{"text":"c"},{"text":"d"}]},{"role":"user","content":[{"text":"e"}]}]"#,
        );
    }

    #[test]
    fn a_blank_message_is_left_out_and_its_neighbours_meet() {
        check(
            vec![
                (Role::User, vec![text("a")]),
                (Role::Assistant, vec![text(r" \n")]),
                (Role::User, vec![text("b")]),
            ],
            r#""messages":[{"role":"user","content":[{"text":"a"},{"text":"b"}]}]"#,
        );
    }

    #[test]
    fn nothing_at_all_is_refused() {
        refuse(&ask(vec![]), UNKNOWN, "messages");
        refuse(
            &ask(vec![
                (Role::System, vec![text("a")]),
                (Role::User, vec![text("")]),
            ]),
            UNKNOWN,
            "messages",
        );
    }

    #[test]
    fn a_conversation_that_the_assistant_opens_gets_a_greeting() {
        check(
            vec![
                (Role::Assistant, vec![text("welcome")]),
                (Role::User, vec![text("hi")]),
            ],
            r#""messages":[{"role":"user","content":[{"text":"Hello."}]},{"role":"assistant","content":[{"text":"welcome"}]},{"role":"user","content":[{"text":"hi"}]}]"#,
        );
    }

    #[test]
    fn the_assistant_may_end_it_where_the_model_goes_on() {
        let messages = || {
            vec![
                (Role::User, vec![text("hi")]),
                (Role::Assistant, vec![text("{")]),
            ]
        };
        let want = r#""messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"text":"{"}]}]"#;
        check_with(CLAUDE, messages(), want);
        refuse(&ask(messages()), "anthropic.claude-opus-4-6-v1", "messages");
    }

    #[test]
    fn calls_and_results_are_blocks() {
        check(
            vec![
                (Role::User, vec![text("hi")]),
                (
                    Role::Assistant,
                    vec![
                        text("ok"),
                        call("a", "f", r#"{\"x\": 1.0}"#),
                        call("b", "g", ""),
                    ],
                ),
                (Role::Tool, vec![result("a", r#"{\"y\":2}"#)]),
                (Role::Tool, vec![result("b", "")]),
                (Role::User, vec![text("so?")]),
            ],
            r#""messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"text":"ok"},{"toolUse":{"toolUseId":"a","name":"f","input":{"x": 1.0}}},{"toolUse":{"toolUseId":"b","name":"g","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"{\"y\":2}"}]}},{"toolResult":{"toolUseId":"b","content":[{"text":"(empty)"}]}},{"text":"so?"}]}]"#,
        );
    }

    #[test]
    fn arguments_that_are_no_object_are_refused_with_their_place() {
        for arguments in ["[1]", "{", "1", "null", r"\x"] {
            let messages = vec![
                (Role::User, vec![text("hi")]),
                (
                    Role::Assistant,
                    vec![text("a"), call("a", "f", "{}"), call("b", "f", arguments)],
                ),
            ];
            refuse(
                &ask(messages),
                UNKNOWN,
                "messages[1].tool_calls[1].function.arguments",
            );
        }
    }

    #[test]
    fn sound_and_films_are_blocks_of_their_own() {
        check(
            vec![(
                Role::User,
                vec![file("a", "audio/wav"), file("b", "video/quicktime")],
            )],
            r#""messages":[{"role":"user","content":[{"audio":{"format":"wav","source":{"bytes":"AAAA"}}},{"video":{"format":"mov","source":{"bytes":"AAAA"}}}]}]"#,
        );
    }

    #[test]
    fn a_called_name_that_aws_refuses_is_refused() {
        let messages = vec![(Role::Assistant, vec![call("a", "a.b", "{}")])];
        refuse(
            &ask(messages),
            UNKNOWN,
            "messages[0].tool_calls[0].function.name",
        );
    }

    #[test]
    fn images_have_a_format_and_bytes() {
        check(
            vec![(Role::User, vec![Part::Image(image("image/jpg"))])],
            r#""messages":[{"role":"user","content":[{"image":{"format":"jpeg","source":{"bytes":"AAAA"}}}]}]"#,
        );
    }

    #[test]
    fn images_that_aws_cannot_take_are_refused_with_their_place() {
        for image in [
            image("image/bmp"),
            Image::Url("https://example.com/a.png".into()),
            Image::Inline {
                media_type: "image/png".into(),
                base64: "".into(),
            },
        ] {
            let messages = vec![(Role::User, vec![text("a"), Part::Image(image)])];
            refuse(
                &ask(messages),
                UNKNOWN,
                "messages[0].content[1].image_url.url",
            );
        }
    }

    fn shown<'a>() -> Vec<(Role, Vec<Part<'a>>)> {
        let output = vec![
            ToolOutput::Image(image("image/png")),
            ToolOutput::Text(Escaped::from_content("x")),
        ];
        let id = "a".into();
        vec![
            (Role::User, vec![text("hi")]),
            (Role::Assistant, vec![call("a", "f", "")]),
            (Role::Tool, vec![Part::ToolResult { id, output }]),
        ]
    }

    #[test]
    fn images_of_a_result_are_inside_it_or_behind_it() {
        let png = r#"{"image":{"format":"png","source":{"bytes":"AAAA"}}}"#;
        let (body, _) = encoded(&ask(shown()), UNKNOWN).unwrap();
        let inside = format!(r#""content":[{png},{{"text":"x"}}]}}}}]"#);
        assert!(body.contains(&inside), "{body}");
        let (body, _) = encoded(&ask(shown()), "openai.gpt-5.6").unwrap();
        let behind = format!(r#""content":[{{"text":"x"}}]}}}},{png}]"#);
        assert!(body.contains(&behind), "{body}");
    }

    #[test]
    fn documents_get_legal_unique_names_and_a_text() {
        check(
            vec![(
                Role::User,
                vec![
                    file("Q3  report_(final).v2.pdf", "application/pdf"),
                    file("Q3 report (final) v2.PDF", ""),
                    file("...", "text/markdown"),
                ],
            )],
            r#""messages":[{"role":"user","content":[{"document":{"name":"Q3 report (final) v2","format":"pdf","source":{"bytes":"AAAA"}}},{"document":{"name":"Q3 report (final) v2 (2)","format":"pdf","source":{"bytes":"AAAA"}}},{"document":{"name":"document","format":"md","source":{"bytes":"AAAA"}}},{"text":"See the attached document."}]}]"#,
        );
    }

    /// Whoever takes the numbers of a name beforehand makes nobody try all of them for each document.
    #[test]
    fn many_documents_of_one_name_take_time_in_proportion() {
        let half = PARTS_MAX / 2;
        let taken: Vec<String> = (half..PARTS_MAX)
            .map(|at| format!("a ({at}).txt"))
            .collect();
        let taken = taken.iter().map(String::as_str);
        let names = taken.chain(std::iter::repeat_n("a.txt", half));
        let parts = names.map(|name| file(name, "")).collect();
        let (body, _) = encoded(&ask(vec![(Role::User, parts)]), UNKNOWN).unwrap();
        let names: std::collections::BTreeSet<_> = body.split(r#""name":""#).skip(1).collect();
        assert_eq!(names.len(), PARTS_MAX);
    }

    #[test]
    fn a_document_beside_text_needs_no_more() {
        check(
            vec![(Role::User, vec![text("read"), file("a", "text/csv")])],
            r#""messages":[{"role":"user","content":[{"text":"read"},{"document":{"name":"a","format":"csv","source":{"bytes":"AAAA"}}}]}]"#,
        );
    }

    #[test]
    fn an_image_in_a_file_is_an_image() {
        check(
            vec![(Role::User, vec![file("a.png", "image/png")])],
            r#""messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"AAAA"}}}]}]"#,
        );
    }

    #[test]
    fn files_that_aws_cannot_take_are_refused_with_their_place() {
        let messages = vec![(Role::User, vec![file("a.exe", "application/x-what")])];
        refuse(
            &ask(messages),
            UNKNOWN,
            "messages[0].content[0].file.file_data",
        );
        let stored = Part::Document(Document {
            file_name: None,
            source: DocumentSource::FileId("file-1".into()),
            cited: false,
        });
        refuse(
            &ask(vec![(Role::User, vec![stored])]),
            UNKNOWN,
            "messages[0].content[0].file.file_id",
        );
    }

    #[test]
    fn a_system_message_holds_text_only() {
        let messages = vec![
            (Role::System, vec![Part::Image(image("image/png"))]),
            (Role::User, vec![text("hi")]),
        ];
        refuse(&ask(messages), UNKNOWN, "messages[0].content[0]");
    }
}
