//! A body in one of OpenAI's formats, edited where it must be. Every other byte stays as the app wrote it:
//! prompt caches depend on it.
//!
//! - `model` becomes the upstream's name, where that differs.
//! - `max_tokens` becomes `max_completion_tokens` where the model refuses the older name. If the app
//!   wrote both, the newer one counts.
//! - A parameter that the model refuses is taken out.
//! - A stream is asked for its usage, whether the app wants to see it or not: metering needs it.

use super::MaxTokensName;
use crate::codec::json::{Edits, Error, Kind, Member, Members, Walk, span_of, write_string};
use crate::fault::Fault;
use crate::limits::MESSAGES_MAX;
use crate::turn::{Ask, SEAL};
use memchr::memmem;

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changes<'c> {
    /// The upstream's name of the model, if it goes into the body.
    pub(super) model: Option<&'c str>,
    /// What the model calls the limit of output tokens.
    pub(super) max_tokens: MaxTokensName,
    /// Whether a stream's usage has to be asked for.
    pub(super) include_usage: bool,
    /// Whether reasoning that this gateway sealed is taken out of `input`.
    pub(super) drops_sealed: bool,
    /// Parameters that it refuses.
    pub(super) refused: &'c [String],
}

impl Changes<'_> {
    /// Appends the edited body to `out`.
    ///
    /// # Errors
    /// The ask's members are none of its body's: a mistake of ours.
    pub(super) fn write(self, ask: &Ask<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let room = self.model.map_or(0, quoted_bytes_max);
        let items = if self.drops_sealed { MESSAGES_MAX } else { 0 };
        let edits_max = EDITS_MAX
            .saturating_add(items)
            .saturating_add(self.refused.len());
        let mut edits = Edits::new(edits_max, room.saturating_add(OWN_BYTES_MAX));
        self.collect(ask, &mut edits)
            .and_then(|()| edits.apply(ask.body.as_bytes(), out))
            .map_err(impossible)
    }

    fn collect(self, ask: &Ask<'_>, edits: &mut Edits) -> Result<(), Error> {
        if let (Some(model), Some(member)) = (self.model, ask.member("model"))
            && ask.model != model
        {
            let mut value = Vec::with_capacity(quoted_bytes_max(model));
            write_string(&mut value, model);
            edits.replace(member.value_span.clone(), &value)?;
        }
        if self.max_tokens == MaxTokensName::MaxCompletionTokens
            && let Some(older) = ask.member("max_tokens")
        {
            match ask.member("max_completion_tokens") {
                Some(newer) if newer.value != "null" => edits.remove_member(older)?,
                newer => {
                    if let Some(null) = newer {
                        edits.remove_member(null)?;
                    }
                    edits.replace(older.key_span.clone(), br#""max_completion_tokens""#)?;
                }
            }
        }
        for member in self.refused.iter().filter_map(|name| ask.member(name)) {
            edits.remove_member(member)?;
        }
        if self.include_usage {
            include_usage(ask, edits)?;
        }
        if self.drops_sealed {
            drop_sealed(ask, edits)?;
        }
        Ok(())
    }
}

/// The body was validated, and every span is of one of its members.
const fn impossible(_error: Error) -> Fault {
    Fault::Internal("an edit of a request")
}

/// At most six changes and removals are made.
const EDITS_MAX: usize = 8;
/// The bytes of our own names and values.
const OWN_BYTES_MAX: usize = 128;

/// A name with its quotes, if every byte of it is escaped.
const fn quoted_bytes_max(model: &str) -> usize {
    model.len().saturating_mul(6).saturating_add(2)
}

/// Takes reasoning items out of `input` that only Bedrock's models can read.
fn drop_sealed(ask: &Ask<'_>, edits: &mut Edits) -> Result<(), Error> {
    let Some(input) = ask.member("input") else {
        return Ok(());
    };
    if memmem::find(input.value.as_bytes(), SEAL.as_bytes()).is_none() {
        return Ok(());
    }
    let mut items = Walk::new(input.value);
    if items.kind() != Kind::Array {
        return Ok(());
    }
    items.open();
    // More than a model takes are left for the upstream to refuse.
    let mut left = MESSAGES_MAX;
    while left > 0 && items.next_item()? {
        let item = items.skip()?;
        let mut members = Members::new(item).map_while(Result::ok);
        let is_sealed = |member: Member<'_>| {
            member.key == "encrypted_content"
                && member
                    .value
                    .get(1..)
                    .is_some_and(|text| text.starts_with(SEAL))
        };
        if item.starts_with('{')
            && members.any(is_sealed)
            && let Some(span) = span_of(ask.body.as_bytes(), item.as_bytes())
        {
            edits.remove_item(span)?;
            left = left.saturating_sub(1);
        }
    }
    Ok(())
}

/// Sets `stream_options.include_usage`.
fn include_usage(ask: &Ask<'_>, edits: &mut Edits) -> Result<(), Error> {
    let Some(options) = ask.member("stream_options") else {
        let Some(stream) = ask.member("stream") else {
            return Ok(());
        };
        return edits.insert(
            stream.value_span.end,
            br#","stream_options":{"include_usage":true}"#,
        );
    };
    if options.value == "null" {
        return edits.replace(options.value_span.clone(), br#"{"include_usage":true}"#);
    }
    if !options.value.starts_with('{') {
        // The upstream says what is wrong with it.
        return Ok(());
    }
    let mut is_empty = true;
    // Where a key comes twice, readers take the last.
    let mut found: Option<Member<'_>> = None;
    for member in Members::within(ask.body, options.value_span.clone()) {
        is_empty = false;
        found = Some(member?)
            .filter(|member| member.key == "include_usage")
            .or(found);
    }
    match found {
        Some(member) if member.value == "true" => Ok(()),
        Some(member) => edits.replace(member.value_span, b"true"),
        None => {
            let added: &[u8] = match is_empty {
                true => br#""include_usage":true"#,
                false => br#""include_usage":true,"#,
            };
            edits.insert(options.value_span.start.saturating_add(1), added)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::ask;
    use super::*;

    #[track_caller]
    fn check(body: &str, want: &str) {
        let changes = Changes {
            model: Some("up"),
            max_tokens: MaxTokensName::MaxCompletionTokens,
            include_usage: true,
            drops_sealed: false,
            refused: &["n".to_owned(), "logit_bias".to_owned()],
        };
        let mut out = Vec::new();
        let ask = ask(body);
        let include_usage = ask.stream;
        let changes = Changes {
            include_usage,
            ..changes
        };
        changes.write(&ask, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn a_body_that_fits_passes_unchanged() {
        let body = "{ \"model\" : \"u\\u0070\",\n\"x\":[1e2, \"\\/\"], \"stream\":false }";
        check(body, body);
    }

    #[test]
    fn sealed_reasoning_is_taken_out() {
        let check = |body: &str, want: &str| {
            let changes = Changes {
                model: None,
                max_tokens: MaxTokensName::AsWritten,
                include_usage: false,
                drops_sealed: true,
                refused: &[],
            };
            let mut out = Vec::new();
            changes.write(&ask(body), &mut out).unwrap();
            assert_eq!(str::from_utf8(&out).unwrap(), want);
        };
        let sealed = r#"{"type":"reasoning","encrypted_content":"tollgate1.s.x"}"#;
        let theirs = r#"{"type":"reasoning","encrypted_content":"gAAA"}"#;
        check(
            &format!(r#"{{"input":[{sealed}, {sealed},{theirs},"tollgate1.",{sealed}]}}"#),
            &format!(r#"{{"input":[{theirs},"tollgate1."]}}"#),
        );
        check(
            r#"{"input":"tollgate1.s.x"}"#,
            r#"{"input":"tollgate1.s.x"}"#,
        );
        check("{}", "{}");
    }

    #[test]
    fn only_the_models_name_changes() {
        check(
            r#"{ "a":1,"model" : "m" ,"b":{ } }"#,
            r#"{ "a":1,"model" : "up" ,"b":{ } }"#,
        );
    }

    #[test]
    fn the_models_name_is_escaped() {
        let model = "\u{1}\"".repeat(100);
        let changes = Changes {
            model: Some(&model),
            max_tokens: MaxTokensName::AsWritten,
            include_usage: false,
            drops_sealed: false,
            refused: &[],
        };
        let mut out = Vec::new();
        changes
            .write(&ask(r#"{"model":"m","max_tokens":1}"#), &mut out)
            .unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(ask(&out).model, *model);
        assert!(out.ends_with(r#","max_tokens":1}"#));
    }

    #[test]
    fn max_tokens_is_renamed_in_its_place() {
        check(
            r#"{"model":"up","max_tokens" : 5,"o":1}"#,
            r#"{"model":"up","max_completion_tokens" : 5,"o":1}"#,
        );
    }

    #[test]
    fn of_two_limits_the_newer_counts_unless_it_is_null() {
        check(
            r#"{"max_tokens":5, "max_completion_tokens":6,"model":"up"}"#,
            r#"{"max_completion_tokens":6,"model":"up"}"#,
        );
        check(
            r#"{"model":"up","max_tokens":5,"max_completion_tokens":null}"#,
            r#"{"model":"up","max_completion_tokens":5}"#,
        );
        check(
            r#"{"max_completion_tokens":null,"max_tokens":5,"model":"up"}"#,
            r#"{"max_completion_tokens":5,"model":"up"}"#,
        );
    }

    #[test]
    fn a_stream_is_asked_for_its_usage() {
        let want = |options: &str| format!(r#"{{"stream":true,"stream_options":{options}}}"#);
        check(r#"{"stream":true}"#, &want(r#"{"include_usage":true}"#));
        for (options, wanted) in [
            ("null", r#"{"include_usage":true}"#),
            ("{}", r#"{"include_usage":true}"#),
            ("{ }", r#"{"include_usage":true }"#),
            (r#"{"include_usage":true}"#, r#"{"include_usage":true}"#),
            (
                r#"{ "include_usage" : false }"#,
                r#"{ "include_usage" : true }"#,
            ),
            (r#"{"include_usage":null}"#, r#"{"include_usage":true}"#),
            (
                r#"{"include_obfuscation":false}"#,
                r#"{"include_usage":true,"include_obfuscation":false}"#,
            ),
            (
                r#"{"include_usage":true,"include_usage":false}"#,
                r#"{"include_usage":true,"include_usage":true}"#,
            ),
            ("7", "7"),
        ] {
            check(&want(options), &want(wanted));
        }
    }

    #[test]
    fn an_answer_in_one_piece_has_its_usage_anyway() {
        check(r#"{"stream":false}"#, r#"{"stream":false}"#);
        check(r#"{"stream_options":null}"#, r#"{"stream_options":null}"#);
    }

    #[test]
    fn what_the_model_refuses_is_taken_out() {
        check(
            r#"{"n":2,"model":"up","logit_bias":{}}"#,
            r#"{"model":"up"}"#,
        );
        check(r#"{"n":2, "logit_bias":{"1":2},"a":1}"#, r#"{"a":1}"#);
    }

    #[test]
    fn all_changes_go_together() {
        check(
            r#"{"model":"m","stream":true , "max_tokens":5,"max_completion_tokens":6}"#,
            r#"{"model":"up","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":6}"#,
        );
    }
}
