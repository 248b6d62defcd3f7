//! The list of models, which the gateway answers itself from its policy.

use crate::codec::json::{write_string, write_u64};

/// Appends OpenAI's list of the models, each an id and its owner.
pub fn write_models<'m>(
    models: impl IntoIterator<Item = (&'m str, &'m str)>,
    created: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    let mut is_first = true;
    for (id, owner) in models {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        write_model(id, owner, created, out);
    }
    out.extend_from_slice(b"]}");
}

/// Appends one model, as `GET /v1/models/{id}` answers.
pub fn write_model(id: &str, owner: &str, created: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    write_string(out, id);
    out.extend_from_slice(b",\"object\":\"model\",\"created\":");
    write_u64(out, created);
    out.extend_from_slice(b",\"owned_by\":");
    write_string(out, owner);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(models: &[(&str, &str)], want: &str) {
        let mut out = Vec::new();
        write_models(models.iter().copied(), 7, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn models_are_listed_in_order() {
        check(
            &[("claude", "bedrock"), ("a\"b", "azure")],
            r#"{"object":"list","data":[{"id":"claude","object":"model","created":7,"owned_by":"bedrock"},{"id":"a\"b","object":"model","created":7,"owned_by":"azure"}]}"#,
        );
    }

    #[test]
    fn there_may_be_none() {
        check(&[], r#"{"object":"list","data":[]}"#);
    }
}
