//! The members of a body in one of OpenAI's formats, and what both formats write alike.

use crate::codec::json::{write_escaped, write_string};
use crate::fault::Fault;
use crate::turn::{Escaped, Request, Schema, ServiceTier, TEXT_INPUT, Uncarried};

/// A body being written. Its first member stands already.
pub(super) struct Body<'b, 'p> {
    out: &'b mut Vec<u8>,
    /// Parameters that the model refuses.
    refused: &'b [String],
    uncarried: &'b mut Uncarried<'p>,
}

impl<'b, 'p> Body<'b, 'p> {
    /// Begins the body with the model's name.
    pub(super) fn begin(
        model: &str,
        refused: &'b [String],
        uncarried: &'b mut Uncarried<'p>,
        out: &'b mut Vec<u8>,
    ) -> Self {
        out.extend_from_slice(b"{\"model\":");
        write_string(out, model);
        Self {
            out,
            refused,
            uncarried,
        }
    }

    /// Begins a member whose value the caller writes; nothing where the model refuses it.
    pub(super) fn member(&mut self, name: &str) -> Result<Option<&mut Vec<u8>>, Fault> {
        if self.refused.iter().any(|refused| refused == name) {
            self.uncarried.leave(name)?;
            return Ok(None);
        }
        Ok(Some(self.always(name)))
    }

    /// Begins a member without which the request is another.
    pub(super) fn always(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(b',');
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Writes a member as it is written.
    pub(super) fn raw(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if let Some(out) = self.member(name)? {
            out.extend_from_slice(value.as_bytes());
        }
        Ok(())
    }

    /// Leaves a parameter behind, as the policy says.
    pub(super) fn leave(&mut self, name: &str) -> Result<(), Fault> {
        self.uncarried.leave(name)
    }

    /// Writes sampling, and those parameters without a place in the pivot that both formats have.
    pub(super) fn write_shared(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        for (name, number) in [
            ("temperature", request.temperature),
            ("top_p", request.top_p),
        ] {
            if let Some(number) = number {
                self.raw(name, number.get())?;
            }
        }
        if let Some(is) = request.parallel_tool_calls
            && !request.tools.is_empty()
        {
            self.raw("parallel_tool_calls", if is { "true" } else { "false" })?;
        }
        match request.service_tier {
            None => {}
            Some(ServiceTier::Default) => self.raw("service_tier", "\"default\"")?,
            Some(ServiceTier::Flex) => self.raw("service_tier", "\"flex\"")?,
            Some(ServiceTier::Priority) => self.raw("service_tier", "\"priority\"")?,
            Some(ServiceTier::Reserved) => self.leave("service_tier")?,
        }
        for other in &request.others {
            match other.value.filter(|_| SHARED.contains(&&*other.name)) {
                Some(value) => self.raw(&other.name, value)?,
                // Where it goes differs.
                None if &*other.name == VERBOSITY => {}
                None => self.leave(&other.name)?,
            }
        }
        if request.cache_life.minutes.is_some() {
            self.leave("prompt_cache_options")?;
        }
        Ok(())
    }

    /// Ends the body.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Parameters that mean the same in both formats, by the same name.
const SHARED: &[&str] = &[
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
];

/// How many words an answer has: beside the others in chat completions, in `text` in responses.
pub(super) const VERBOSITY: &str = "verbosity";

/// The value of `verbosity`, if the app set it.
pub(super) fn verbosity<'a>(request: &Request<'a>) -> Option<&'a str> {
    let mut others = request.others.iter();
    others.find(|other| &*other.name == VERBOSITY)?.value
}

/// Appends a schema's members but `strict`, which the formats take for granted differently.
pub(super) fn write_schema(out: &mut Vec<u8>, schema: &Schema<'_>) {
    write_after(out, "\"name\":", &schema.name);
    if let Some(description) = schema.description {
        out.extend_from_slice(b",\"description\":");
        write_escaped(out, description.as_str());
    }
    out.extend_from_slice(b",\"schema\":");
    out.extend_from_slice(schema.schema.get().as_bytes());
}

/// Appends the start of an object that holds a text, escaped as a string's content.
pub(super) fn open_text(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\\\"");
    out.extend_from_slice(TEXT_INPUT.as_bytes());
    out.extend_from_slice(b"\\\":\\\"");
}

/// Appends `before`, which ends where a string begins, and the string.
pub(super) fn write_after(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    write_string(out, text);
}

/// Appends a `data:` URL as a string. Neither half needs an escape but a media type that is an app's.
pub(super) fn write_data_url(out: &mut Vec<u8>, media_type: &str, base64: &str) {
    out.extend_from_slice(b"\"data:");
    crate::codec::json::write_string_content(out, media_type);
    out.extend_from_slice(b";base64,");
    out.extend_from_slice(base64.as_bytes());
    out.push(b'"');
}

/// Appends texts as one string, each on lines of its own.
pub(super) fn write_lines<'e>(out: &mut Vec<u8>, texts: impl Iterator<Item = Escaped<'e>>) {
    out.push(b'"');
    let mut is_first = true;
    for text in texts.filter(|text| !text.is_empty()) {
        if !std::mem::take(&mut is_first) {
            out.extend_from_slice(b"\\n");
        }
        out.extend_from_slice(text.as_str().as_bytes());
    }
    out.push(b'"');
}
