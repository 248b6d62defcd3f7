//! A body of chat completions or of legacy completions, edited where it must be. Every other byte stays as the app wrote it:
//! prompt caches depend on it.
//!
//! - `model` becomes the upstream's name, where that differs.
//! - `max_tokens` becomes `max_completion_tokens` where the model refuses the older name. If the app
//!   wrote both, the newer one counts.
//! - A parameter that the model refuses is taken out.
//! - A stream is asked for its usage, whether the app wants to see it or not: metering needs it.

use crate::codec::json::{Edits, Error, Member, Members, write_string};
use crate::fault::Fault;
use crate::turn::Ask;

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changes<'c> {
    /// The upstream's name of the model, if it goes into the body.
    pub(super) model: Option<&'c str>,
    /// Whether the model refuses `max_tokens`.
    pub(super) rename_max_tokens: bool,
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
        let edits_max = self.refused.len().saturating_add(EDITS_MAX);
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
        if self.rename_max_tokens
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
        if ask.stream {
            include_usage(ask, edits)?;
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
            rename_max_tokens: true,
            refused: &["n".to_owned(), "logit_bias".to_owned()],
        };
        let mut out = Vec::new();
        changes.write(&ask(body), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn a_body_that_fits_passes_unchanged() {
        let body = "{ \"model\" : \"u\\u0070\",\n\"x\":[1e2, \"\\/\"], \"stream\":false }";
        check(body, body);
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
            rename_max_tokens: false,
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
