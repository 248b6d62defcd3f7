//! Embeddings of a server that speaks OpenAI's format: the model's name is edited, the answer passes.

use std::rc::Rc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::edit::Changes;
use super::{EMBEDDINGS, MaxTokensName, Traits, answer, refusal};
use crate::fault::{Fault, Upstream};
use crate::provider::{Call, Edit, Relay, Sink};
use crate::turn::{Ask, Event, Uncarried};

/// A model that is asked for embeddings.
#[derive(Debug)]
pub(super) struct Embeddings(pub(super) Rc<Traits>);

impl Edit for Embeddings {
    fn edit(
        &self,
        ask: &Ask<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        let Self(traits) = self;
        // A vector is never streamed, whatever the app asks.
        let model = traits.open(EMBEDDINGS, &ask.model, false, call);
        traits.leave_refused(ask, uncarried)?;
        let changes = Changes {
            model,
            max_tokens: MaxTokensName::AsWritten,
            include_usage: false,
            drops_sealed: false,
            refused: &traits.refused,
        };
        changes.write(ask, &mut call.body)
    }

    fn relay(&self, _show_usage: bool) -> Box<dyn Relay> {
        Box::new(Nothing)
    }

    fn inspect(&self, body: &[u8], _out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault> {
        inspect(body, sink)
    }
}

/// Nobody asks for a stream of vectors.
#[derive(Debug)]
struct Nothing;

impl Relay for Nothing {
    fn push(&mut self, _: &[u8], _: &mut Vec<u8>, _: Sink<'_>) -> Result<(), Fault> {
        Err(corrupt())
    }

    fn finish(&mut self, _: &mut Vec<u8>, _: Sink<'_>) -> Result<(), Fault> {
        Err(corrupt())
    }
}

/// The vectors are skipped, but checked to be JSON.
#[derive(Deserialize)]
struct Answer<'a> {
    data: Option<Vec<IgnoredAny>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn inspect(body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    let parsed = str::from_utf8(body)
        .ok()
        .filter(|_| is_object)
        .and_then(|text| serde_json::from_str::<Answer<'_>>(text).ok());
    let answer = parsed.ok_or_else(corrupt)?;
    if let Some(error) = answer.error {
        return Err(refusal::read_error(error));
    }
    if answer.data.is_none_or(|data| data.is_empty()) {
        return Err(corrupt());
    }
    match answer.usage.and_then(|raw| answer::read_usage(raw.get())) {
        Some(usage) => sink(Event::Usage(usage)),
        None => Ok(()),
    }
}

fn corrupt() -> Fault {
    let message = "the provider's answer is no list of embeddings";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::target;
    use super::*;
    use crate::codec::json::Members;
    use crate::provider::{Kind, Path, openai};
    use crate::turn::{Format, Parameters};

    /// What an answer tells, or its fault's code.
    #[track_caller]
    fn check(body: &str, want: &str) {
        let mut told = String::new();
        let result = inspect(body.as_bytes(), &mut |event| {
            if let Event::Usage(usage) = event {
                told = usage.input_tokens.to_string();
            }
            Ok(())
        });
        let got = result.map_or_else(|fault| fault.code().unwrap().to_owned(), |()| told);
        assert_eq!(got, want, "{body}");
    }

    #[test]
    fn usage_is_told() {
        check(
            r#"{"object":"list","data":[{"embedding":[1]}],"usage":{"prompt_tokens":7,"total_tokens":7}}"#,
            "7",
        );
        check(r#"{"data":[{"embedding":"AA=="}]}"#, "");
    }

    #[test]
    fn what_is_no_list_of_embeddings_is_corrupt() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"data":[]}"#,
            r#"{"data":7}"#,
            r#"{"data":[{}}"#,
        ] {
            check(body, "upstream_corrupt");
        }
    }

    #[test]
    fn an_error_of_status_200_is_an_error() {
        check(r#"{"error":{"message":"m","code":"quota"}}"#, "quota");
    }

    #[track_caller]
    fn check_call(kind: Kind, settings: &str, model: &str, want: &str) {
        let body = r#"{ "input":[1,2],"model":"m" ,"x":1}"#;
        let target = target(kind, settings, model).unwrap();
        let Some(Path::Edited(edit)) = target.path(Format::Embeddings) else {
            panic!("the format is the server's own");
        };
        let members: Vec<_> = Members::new(body).map(Result::unwrap).collect();
        let ask = Ask {
            format: Format::Embeddings,
            body,
            members,
            model: "m".into(),
            stream: false,
            include_usage: false,
        };
        let mut call = Call::default();
        let rules = Parameters::default();
        edit.edit(&ask, &mut Uncarried::new(&rules), &mut call)
            .unwrap();
        let body = String::from_utf8(call.body).unwrap();
        assert_eq!(format!("{} {body}", call.path), want);
    }

    #[test]
    fn only_the_path_and_the_model_change() {
        check_call(
            openai::KIND,
            "{}",
            r#"{"model":"up"}"#,
            r#"/v1/embeddings { "input":[1,2],"model":"up" ,"x":1}"#,
        );
        check_call(
            openai::KIND,
            r#"{"endpoint":"https://h/v1/chat/completions"}"#,
            "{}",
            r#"/v1/embeddings { "input":[1,2],"model":"m" ,"x":1}"#,
        );
    }

    #[test]
    fn azure_s_two_paths_are_served() {
        let kind = crate::provider::azure::KIND;
        check_call(
            kind,
            r#"{"endpoint":"https://h"}"#,
            r#"{"deployment":"d"}"#,
            r#"/openai/v1/embeddings { "input":[1,2],"model":"d" ,"x":1}"#,
        );
        check_call(
            kind,
            r#"{"endpoint":"https://h/openai/deployments/x/embeddings","api_version":"2024-10-21"}"#,
            r#"{"deployment":"d"}"#,
            r#"/openai/deployments/d/embeddings?api-version=2024-10-21 { "input":[1,2],"model":"m" ,"x":1}"#,
        );
    }
}
