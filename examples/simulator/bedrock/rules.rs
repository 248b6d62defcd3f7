//! What Converse demands of every model beyond the shapes, in the service's own words where they are known.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use regex::Regex;
use serde_json::Value;

use super::prompt::list;

const DOCUMENTS_MAX: usize = 5;
const CACHE_POINTS_MAX: usize = 4;

pub(crate) fn check(body: &Value) -> Result<(), String> {
    let messages = list(&body["messages"]);
    check_roles(messages)?;
    for (index, message) in messages.iter().enumerate() {
        check_content(message, &format!("messages.{index}"))?;
    }
    check_tool_use(body, messages)?;
    check_tools(&body["toolConfig"])?;
    check_documents(messages)?;
    check_cache_points(body)?;
    check_guardrail(&body["guardrailConfig"])?;
    if let Some(schema) =
        body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str()
        && !serde_json::from_str(schema).is_ok_and(|schema: Value| schema.is_object())
    {
        return Err("The value at outputConfig.textFormat.structure.jsonSchema.schema must be a JSON object.".to_owned());
    }
    Ok(())
}

fn check_roles(messages: &[Value]) -> Result<(), String> {
    let spoken: Vec<&Value> = messages
        .iter()
        .filter(|message| message["role"] != "system")
        .collect();
    if spoken
        .first()
        .is_none_or(|message| message["role"] != "user")
    {
        return Err("A conversation must start with a user message. Try again with a conversation that starts with a user message."
            .to_owned());
    }
    if spoken
        .windows(2)
        .any(|pair| pair[0]["role"] == pair[1]["role"])
    {
        return Err("A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
                    between user and assistant roles and try again."
            .to_owned());
    }
    Ok(())
}

fn check_content(message: &Value, place: &str) -> Result<(), String> {
    let content = list(&message["content"]);
    let role = message["role"].as_str().unwrap_or_default();
    if content.is_empty() {
        return Err(format!(
            "The content field in the Message object at {place} is empty. Add a ContentBlock object to the content field and try again."
        ));
    }
    for (index, block) in content.iter().enumerate() {
        let (kind, value) = block
            .as_object()
            .and_then(|block| block.iter().find(|(_, value)| !value.is_null()))
            .expect("a union");
        let place = format!("{place}.content.{index}");
        let roles: &[&str] = match kind.as_str() {
            "toolUse" | "reasoningContent" => &["assistant"],
            "toolResult" | "image" | "document" | "video" | "audio" | "guardContent"
            | "searchResult" => &["user"],
            "toolAddition" | "toolRemoval" => &["system"],
            "text" => &["user", "assistant"],
            _ => continue,
        };
        if !roles.contains(&role) {
            return Err(format!(
                "The {kind} field in the ContentBlock object at {place} is not supported for the {role} role."
            ));
        }
        check_block(kind, value, &place)?;
    }
    Ok(())
}

fn check_block(kind: &str, value: &Value, place: &str) -> Result<(), String> {
    match kind {
        "text" if is_blank(value) => Err(format!(
            "The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
        )),
        "toolUse" if !value["input"].is_object() => {
            Err(not_an_object(&format!("{place}.toolUse.input")))
        }
        "image" => check_image(value, place),
        "document" => check_document_name(value),
        "toolResult" => list(&value["content"])
            .iter()
            .enumerate()
            .try_for_each(|(index, part)| {
                let place = format!("{place}.toolResult.content.{index}");
                if part.get("json").is_some_and(|json| !json.is_object()) {
                    return Err(not_an_object(&format!("{place}.json")));
                }
                part.get("image")
                    .map_or(Ok(()), |image| check_image(image, &place))?;
                part.get("document").map_or(Ok(()), check_document_name)
            }),
        _ => Ok(()),
    }
}

fn is_blank(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.trim().is_empty())
}

fn not_an_object(place: &str) -> String {
    format!(
        "The format of the value at {place} is invalid. Provide a json object for the field and try again."
    )
}

fn check_image(image: &Value, place: &str) -> Result<(), String> {
    let Some(bytes) = image["source"]["bytes"].as_str() else {
        return Ok(());
    };
    let bytes = BASE64_STANDARD.decode(bytes).unwrap_or_default();
    let format = image["format"].as_str().unwrap_or_default();
    let is_right = match format {
        "png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "jpeg" => bytes.starts_with(b"\xFF\xD8\xFF"),
        "gif" => bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a"),
        "webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => true,
    };
    if is_right {
        return Ok(());
    }
    Err(format!(
        "The model returned the following errors: {place}.image.source.base64.data: The image was specified using the \
         image/{format} media type, but the image does not appear to be a {format} image"
    ))
}

static DOCUMENT_NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-zA-Z0-9\-()\[\]]+(?:\s[a-zA-Z0-9\-()\[\]]+)*$").expect("a pattern")
});

fn check_document_name(document: &Value) -> Result<(), String> {
    if document["name"]
        .as_str()
        .is_some_and(|name| DOCUMENT_NAME.is_match(name))
    {
        return Ok(());
    }
    Err("The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square \
         brackets. The name can't contain more than one consecutive whitespace character."
        .to_owned())
}

/// Every call is answered in the next message, all of them and nothing else.
fn check_tool_use(body: &Value, messages: &[Value]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message["role"] != "system")
    {
        let ids = |kind: &str| -> Vec<&str> {
            list(&message["content"])
                .iter()
                .filter_map(|block| block[kind]["toolUseId"].as_str())
                .collect()
        };
        let (calls, results) = (ids("toolUse"), ids("toolResult"));
        if !(calls.is_empty() && results.is_empty()) && body["toolConfig"].is_null() {
            return Err("The toolConfig field must be defined when using toolUse and toolResult content blocks.".to_owned());
        }
        let missing: Vec<&str> = open
            .iter()
            .filter(|id| !results.contains(id))
            .copied()
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
                missing.join(", ")
            ));
        }
        if results.len() > open.len() {
            return Err(format!(
                "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of previous turn."
            ));
        }
        if calls.iter().collect::<HashSet<_>>().len() != calls.len() {
            return Err(format!(
                "The toolUseId values at messages.{index}.content must be unique."
            ));
        }
        open = calls;
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Expected toolResult blocks at messages.{}.content for the following Ids: {}",
        messages.len(),
        open.join(", ")
    ))
}

fn check_tools(config: &Value) -> Result<(), String> {
    let mut names = HashSet::new();
    for (index, spec) in list(&config["tools"])
        .iter()
        .enumerate()
        .filter_map(|(index, tool)| Some((index, tool.get("toolSpec")?)))
    {
        let place = format!("toolConfig.tools.{index}.toolSpec");
        if !names.insert(spec["name"].as_str().unwrap_or_default()) {
            return Err(format!(
                "The tool name at {place}.name is not unique. Tool names must be unique."
            ));
        }
        if spec["inputSchema"]["json"]["type"] != "object" {
            return Err(format!(
                "The value at {place}.inputSchema.json.type must be one of the following: object."
            ));
        }
    }
    match config["toolChoice"]["tool"]["name"].as_str() {
        Some(name) if !names.contains(name) => Err(format!(
            "Tool '{name}' at toolConfig.toolChoice.tool.name is not defined in toolConfig.tools."
        )),
        _ => Ok(()),
    }
}

fn check_documents(messages: &[Value]) -> Result<(), String> {
    let mut names = HashSet::new();
    for message in messages {
        let content = list(&message["content"]);
        let documents: Vec<&Value> = content
            .iter()
            .filter_map(|block| block.get("document"))
            .collect();
        if !documents.is_empty() && !content.iter().any(|block| block["text"].is_string()) {
            return Err("A text block must be included when using documents.".to_owned());
        }
        for document in documents {
            if !names.insert(document["name"].as_str().unwrap_or_default()) {
                return Err("Messages contain duplicate document names. Give each document a unique name and try again.".to_owned());
            }
        }
    }
    if names.len() > DOCUMENTS_MAX {
        return Err(format!(
            "The number of documents exceeds the limit of {DOCUMENTS_MAX}."
        ));
    }
    Ok(())
}

fn check_cache_points(body: &Value) -> Result<(), String> {
    let messages = list(&body["messages"])
        .iter()
        .flat_map(|message| list(&message["content"]));
    let blocks = list(&body["system"])
        .iter()
        .chain(list(&body["toolConfig"]["tools"]))
        .chain(messages);
    let count = blocks
        .clone()
        .filter(|block| block.get("cachePoint").is_some())
        .count();
    if count > CACHE_POINTS_MAX {
        return Err(format!(
            "The model returned the following errors: A maximum of {CACHE_POINTS_MAX} blocks with cache_control may be provided. \
             Found {count}."
        ));
    }
    let lists = list(&body["messages"])
        .iter()
        .map(|message| list(&message["content"]));
    let lists = lists.chain([list(&body["system"]), list(&body["toolConfig"]["tools"])]);
    for blocks in lists {
        let points: Vec<bool> = blocks
            .iter()
            .map(|block| block.get("cachePoint").is_some())
            .collect();
        if points.first() == Some(&true) || points.windows(2).any(|pair| pair == [true, true]) {
            return Err("A cachePoint block must follow a block with content.".to_owned());
        }
    }
    let is_hour = |block: &Value| block["cachePoint"]["ttl"] == "1h";
    let tools = list(&body["toolConfig"]["tools"]).iter();
    let messages = list(&body["messages"])
        .iter()
        .flat_map(|message| list(&message["content"]));
    let ordered = tools.chain(list(&body["system"])).chain(messages);
    let lives: Vec<bool> = ordered
        .filter(|block| block.get("cachePoint").is_some())
        .map(is_hour)
        .collect();
    if lives.windows(2).any(|pair| pair == [false, true]) {
        return Err("The model returned the following errors: a ttl='1h' cache_control block must not come after a \
                    ttl='5m' cache_control block."
            .to_owned());
    }
    Ok(())
}

fn check_guardrail(guardrail: &Value) -> Result<(), String> {
    if guardrail.is_null()
        || (guardrail["guardrailIdentifier"].is_string()
            && guardrail["guardrailVersion"].is_string())
    {
        return Ok(());
    }
    Err("The guardrailIdentifier and guardrailVersion fields must be defined together.".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_messages(messages: Value, want: &str) {
        let tools = json!({"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]});
        check_body(&json!({"messages": messages, "toolConfig": tools}), want);
    }

    #[track_caller]
    fn check_body(body: &Value, want: &str) {
        let got = check(body).err().unwrap_or_default();
        assert!(
            if want.is_empty() {
                got.is_empty()
            } else {
                got.contains(want)
            },
            "{got:?} has no {want:?}"
        );
    }

    fn user(block: Value) -> Value {
        json!({"role": "user", "content": [block]})
    }

    fn call(id: &str) -> Value {
        json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": id, "name": "t", "input": {}}}]})
    }

    fn result(id: &str) -> Value {
        user(json!({"toolResult": {"toolUseId": id, "content": [{"text": "x"}]}}))
    }

    #[test]
    fn users_speak_first_and_in_turns() {
        let hello = user(json!({"text": "hello"}));
        check_messages(json!([hello]), "");
        check_messages(json!([]), "must start with a user");
        check_messages(json!([hello, hello]), "must alternate");
        check_messages(
            json!([user(json!({"text": " \n"}))]),
            "messages.0.content.0 is blank",
        );
    }

    #[test]
    fn calls_and_results_come_in_pairs() {
        let hello = user(json!({"text": "hello"}));
        check_messages(json!([hello, call("a"), result("a")]), "");
        check_messages(
            json!([hello, call("a"), hello]),
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        );
        check_messages(json!([hello, call("a")]), "following Ids: a");
        check_messages(json!([result("a")]), "exceeds the number of toolUse");
        check_body(
            &json!({"messages": [hello, call("a"), result("a")]}),
            "toolConfig field must be defined",
        );
    }

    #[test]
    fn a_tool_result_is_text_or_an_object() {
        let hello = user(json!({"text": "hello"}));
        let list = user(json!({"toolResult": {"toolUseId": "a", "content": [{"json": [1]}]}}));
        check_messages(
            json!([hello, call("a"), list]),
            "toolResult.content.0.json is invalid",
        );
    }

    #[test]
    fn an_image_is_what_it_says() {
        let image =
            |bytes: &str| user(json!({"image": {"format": "png", "source": {"bytes": bytes}}}));
        check_messages(json!([image("iVBORw0KGgo=")]), "");
        check_messages(json!([image("/9j/4AAQ")]), "image/png");
    }

    #[test]
    fn a_document_needs_words_and_a_name_of_its_own() {
        let document =
            json!({"document": {"format": "txt", "name": "a", "source": {"bytes": "YQ=="}}});
        check_messages(
            json!([user(document.clone())]),
            "A text block must be included",
        );
        let message = json!({"role": "user", "content": [{"text": "x"}, document, document]});
        check_messages(json!([message]), "duplicate document names");
        let named =
            json!({"document": {"format": "txt", "name": "a.txt", "source": {"bytes": "YQ=="}}});
        check_messages(
            json!([{"role": "user", "content": [{"text": "x"}, named]}]),
            "file name",
        );
    }
}
