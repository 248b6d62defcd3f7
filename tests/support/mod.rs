//! The support table in `docs/support.md`, made by sending each feature of `features.json` to
//! each kind of model and looking what becomes of it.
//!
//! A feature that the policy `parameters: reject` lets through is carried; one that only `warn` lets
//! through is left behind and named; the rest is refused. `UPDATE_SUPPORT=1` writes the table.
#![expect(
    clippy::disallowed_types,
    reason = "requests are put together from data, far from a hot path"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use crate::driver::{self, Message, Proxy, Sent, head};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate::client::sites::{self, Holds};
use tollgate::policy::Policy;

/// Public names of `golden/policy.json`, and what heads their column. Agents are models too.
const MODELS: &[(&str, &str)] = &[
    ("claude", "Claude 4.5"),
    ("claude-new", "Claude Opus 4.7"),
    ("nova", "Nova 2"),
    ("mistral", "Mistral"),
    ("gpt-oss-native", "gpt-oss, runtime's OpenAI endpoint"),
    ("gpt-mantle", "GPT-5.6, mantle"),
    ("agent", "InvokeAgent"),
    ("harness", "AgentCore harness"),
    ("runtime", "AgentCore runtime"),
    ("gpt", "Azure OpenAI"),
    ("gpt-openai", "OpenAI"),
    ("gpt-responses-only", "speaks responses only"),
    ("chat-only", "speaks chat only"),
];

#[derive(Deserialize)]
struct Section {
    path: String,
    title: String,
    base: Map<String, Value>,
    /// The columns, where they are not those of [`MODELS`].
    #[serde(default)]
    models: Vec<(String, String)>,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
    fields: Map<String, Value>,
}

impl Section {
    fn models(&self) -> Vec<(&str, &str)> {
        if self.models.is_empty() {
            return MODELS.to_vec();
        }
        let own = self.models.iter();
        own.map(|(name, title)| (name.as_str(), title.as_str()))
            .collect()
    }
}

#[test]
fn the_support_table_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let features = std::fs::read_to_string(root.join("tests/support/features.json")).unwrap();
    let sections: Vec<Section> = serde_json::from_str(&features).unwrap();
    let text = table(&sections);
    let path = root.join("docs/support.md");
    if std::env::var_os("UPDATE_SUPPORT").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written, text,
        "UPDATE_SUPPORT=1 cargo test --test golden writes it anew; read the diff"
    );
}

fn table(sections: &[Section]) -> String {
    let strict = policy("reject");
    let lenient = policy("warn");
    let mut out = String::from(HEAD);
    for section in sections {
        writeln!(out, "\n## {}: `POST {}`\n", section.title, section.path).unwrap();
        let models = section.models();
        let titles: Vec<_> = models.iter().map(|(_, title)| *title).collect();
        writeln!(out, "| | {} |", titles.join(" | ")).unwrap();
        writeln!(out, "|---|{}", "---|".repeat(models.len())).unwrap();
        for feature in &section.features {
            let cells: Vec<_> = models
                .iter()
                .map(|(model, _)| outcome(section, feature, model, &strict, &lenient))
                .collect();
            writeln!(out, "| {} | {} |", feature.name, cells.join(" | ")).unwrap();
        }
    }
    write_places(&mut out);
    out
}

/// Writes what each format's places hold.
fn write_places(out: &mut String) {
    out.push_str(REDACTED);
    let titles = [
        "Chat completions",
        "Responses",
        "Legacy completions",
        "Embeddings",
        "The agents API",
    ];
    let formats: Vec<_> = sites::all().collect();
    assert_eq!(formats.len(), titles.len(), "each format has a title");
    for (sites, title) in formats.into_iter().zip(titles) {
        writeln!(
            out,
            "\n### {title}\n\n| | in a request | in an answer |\n|---|---|---|"
        )
        .unwrap();
        for (name, is_shown) in HOLDS {
            let [request, answer] = [sites.request, sites.answer].map(|side| {
                let shown = side.iter().filter(|(_, holds)| is_shown(*holds));
                let places = shown.map(|(place, _)| format!("`{}`", place.replace('|', "\\|")));
                places.collect::<Vec<_>>().join(", ")
            });
            writeln!(out, "| {name} | {request} | {answer} |").unwrap();
        }
    }
}

type IsShown = fn(Holds) -> bool;

/// What places hold, as the table calls it.
const HOLDS: [(&str, IsShown); 6] = [
    ("text", |holds| {
        matches!(holds, Holds::Any | Holds::Text | Holds::Tokens)
    }),
    ("left alone unless selected", |holds| holds == Holds::Aside),
    ("JSON in a string", |holds| holds == Holds::Json),
    ("images, audio, files", |holds| {
        matches!(holds, Holds::Media(_))
    }),
    ("emptied", |holds| holds == Holds::Shadow),
    ("never touched", |holds| holds == Holds::Kept),
];

const REDACTED: &str = "
## What is redacted

The same for every model: redaction works on the app's own format. These are the standard places of a rule, as JSONPath; its
[`select`](../src/policy/README.md#redaction) adds to them or takes from them. Where two rows have a place the lower one holds. A stream's
events are parts of the answer and have its places; every string of an event that no format knows is text. What is never touched are strings: an
object or a list in such a place is looked into.
";

const HEAD: &str = "# What is carried where

Made by `UPDATE_SUPPORT=1 cargo test --test golden` from what the code does with one request for each row; do not edit it.

- **yes**: it reaches the model in the form that the provider knows.
- **left out**: the model gets the request without it. Under the policy's `parameters` that is told by the header
  `x-tollgate-dropped` (`warn`, the default), not told (`drop`), or refused with a 400 that names the field (`reject`).
- **400**: always refused, with the field and the reason: without it the request would say something else. A column of nothing else is a model
  that this API does not reach.

For Azure OpenAI, OpenAI and Bedrock's OpenAI endpoints the request passes but for what is known to be refused; whether the model takes the rest is the
provider's word. So it does for a model that speaks responses only or chat completions only, where the app speaks the same.
";

fn outcome(
    section: &Section,
    feature: &Feature,
    model: &str,
    strict: &Rc<Policy>,
    lenient: &Rc<Policy>,
) -> String {
    let mut body = section.base.clone();
    body.extend(feature.fields.clone());
    body.insert("model".to_owned(), json!(model));
    let body = serde_json::to_vec(&body).unwrap();
    let send = |policy| {
        let head = head(&section.path, &body);
        Proxy::new(policy).request(head, &body)
    };
    match (send(strict), send(lenient)) {
        (Sent::Call(_), _) => "yes".to_owned(),
        (_, Sent::Call(_)) => "left out".to_owned(),
        (_, Sent::Reply(reply)) => status(&reply, &feature.name),
    }
}

fn status(reply: &Message, feature: &str) -> String {
    let status = reply.headers.status();
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    // A row that fails for another reason says nothing of its feature.
    assert_eq!(status, 400, "{feature}: {error}");
    status.to_string()
}

/// The golden policy with one rule for every parameter.
fn policy(rule: &str) -> Rc<Policy> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy.json");
    let text = std::fs::read_to_string(path).expect("the golden cases have a policy");
    let mut policy: Value = serde_json::from_str(&text).unwrap();
    match policy.get_mut("parameters") {
        Some(parameters) => *parameters = json!({ "default": rule }),
        None => panic!("the golden policy has rules for parameters"),
    }
    driver::policy(&policy.to_string())
}
