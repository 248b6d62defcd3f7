//! Azure OpenAI and Azure AI Foundry: OpenAI's format at Azure's addresses.
//!
//! Settings: `endpoint`, `api_version`, `auth` (default: api-key from `AZURE_OPENAI_API_KEY`). The
//! endpoint may be any URL that Azure's portals show; what follows the resource (or the prefix of a
//! proxy before it) is taken off and written anew:
//! - A dated `api_version` is the deployments path: `/openai/deployments/{deployment}/..`; responses are at
//!   `/openai/responses` with the deployment in the body, from 2025-03-01 on.
//! - None, or `preview`, is the v1 path: `/openai/v1/..`, with `?api-version=preview` where asked.
//! - A version in the endpoint's query counts where the setting is absent, but not against a path
//!   that says v1. A Foundry project (`/api/projects/{project}`) has the v1 path only.
//!
//! A target's: `deployment` (absent: the name that the app asked for), `model` (what the deployment
//! holds, to look up its quirks; default: the deployment's name) and `quirks`. On the v1 path `model`
//! in the body becomes the deployment; on the deployments path the body's stays as the app wrote it.

use std::rc::Rc;

use super::credential::{Credential, Default};
use super::openai::{Address, CHAT, Model, RESPONSES, Server};
use super::{Endpoint, Environment, Kind, Provider, Target};
use crate::document::Fields;

/// The entry in the table of providers.
pub(super) const KIND: Kind = Kind {
    name: "azure",
    compile,
};

fn compile(fields: &mut Fields<'_>, environment: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    let endpoint =
        Endpoint::read(fields.require("endpoint", "use the URL that Azure's portal shows"));
    let version = match fields.has("api_version") {
        true => fields.parsed("api_version", Version::parse).map(Some),
        false => Some(None),
    };
    let credential = Credential::read(fields, environment, Default::ApiKey("AZURE_OPENAI_API_KEY"));
    let endpoint = endpoint?;
    let (address, responses) = match address(&endpoint, version?) {
        Ok(addresses) => addresses,
        Err(problem) => {
            fields.problem("endpoint", problem);
            return None;
        }
    };
    let server = Server {
        authority: endpoint.authority,
        address,
        responses,
        headers: Vec::new(),
        credential: Rc::new(credential?),
        event_bytes_max: environment.limits.event_bytes_max,
        catalogue: Rc::clone(environment.catalogue),
    };
    Some(Rc::new(Azure(Rc::new(server))))
}

/// What `api-version` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version<'a> {
    /// `2024-10-21`, `2025-04-01-preview`: the deployments path.
    Dated(&'a str),
    /// `v1`: the v1 path without a version.
    V1,
    /// The v1 path with `api-version=preview`.
    Preview,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        match text {
            "v1" => return Ok(Self::V1),
            "preview" => return Ok(Self::Preview),
            _ => {}
        }
        let date = text.strip_suffix("-preview").unwrap_or(text);
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        match is_date {
            true => Ok(Self::Dated(text)),
            false => Err("use a version like 2024-10-21 or 2025-04-01-preview, or preview"),
        }
    }
}

/// Where chat completions are, and where responses are if there are any.
fn address(
    endpoint: &Endpoint,
    setting: Option<Version<'_>>,
) -> Result<(Address, Option<String>), &'static str> {
    let mut of_query = None;
    let mut query = String::new();
    for parameter in endpoint.query.split('&').filter(|text| !text.is_empty()) {
        match parameter.strip_prefix("api-version=") {
            Some(version) => of_query = Some(Version::parse(version)?),
            // A proxy may want parameters of its own.
            None => push_parameter(&mut query, parameter),
        }
    }
    let (prefix, says_v1) = prefix(endpoint);
    let of_query = match of_query {
        Some(Version::Dated(_)) if says_v1 => None,
        other => other,
    };
    let is_project = matches!(
        prefix.rsplit('/').collect::<Vec<_>>().as_slice(),
        [_, "projects", "api", ..]
    );
    Ok(match setting.or(of_query).unwrap_or(Version::V1) {
        Version::Dated(version) if !is_project => {
            push_parameter(&mut query, &format!("api-version={version}"));
            let chat = Address::Deployment {
                before: format!("{prefix}/openai/deployments/"),
                query: query.clone(),
            };
            let has_responses = version
                .get(..10)
                .is_some_and(|date| date >= RESPONSES_SINCE);
            let responses = has_responses.then(|| format!("{prefix}/openai{RESPONSES}{query}"));
            (chat, responses)
        }
        Version::Preview => {
            push_parameter(&mut query, "api-version=preview");
            v1(prefix, query)
        }
        Version::V1 | Version::Dated(_) => v1(prefix, query),
    })
}

/// Older versions have no responses.
const RESPONSES_SINCE: &str = "2025-03-01";

fn v1(prefix: &str, query: String) -> (Address, Option<String>) {
    let base = format!("{prefix}/openai/v1");
    let responses = format!("{base}{RESPONSES}{query}");
    (Address::Fixed { base, query }, Some(responses))
}

fn push_parameter(query: &mut String, parameter: &str) {
    query.push(if query.is_empty() { '?' } else { '&' });
    query.push_str(parameter);
}

/// The path before Azure's own part, and whether that part says v1. Azure's part is taken off piece
/// by piece from the end, so that one written twice goes as well.
fn prefix(endpoint: &Endpoint) -> (&str, bool) {
    let is_azure = endpoint.authority.ends_with(".azure.com");
    let mut path = endpoint.path.as_str();
    let mut says_v1 = false;
    loop {
        path = path.trim_end_matches('/');
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        path = match last {
            "" => return (path, says_v1),
            "completions" => path.strip_suffix(CHAT).unwrap_or(parent),
            "openai" | "responses" | "deployments" | "embeddings" => parent,
            // The prefix of somebody's proxy may end so too; at Azure it is an API's name.
            "models" if is_azure => parent,
            "v1" if parent.is_empty() || parent.ends_with("/openai") => {
                says_v1 = true;
                parent
            }
            _ if parent.ends_with("/openai/deployments") => parent,
            _ => return (path, says_v1),
        };
    }
}

#[derive(Debug)]
struct Azure(Rc<Server>);

impl Provider for Azure {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        const REMEDY: &str = "say the deployment's name, or leave it and model out to pass on \
                              the name that the app asked for";
        let has_name = fields.has("deployment") || fields.has("model");
        let deployment = match has_name {
            true => Some(fields.required_string("deployment", REMEDY)),
            false => None,
        };
        let base = fields.string("model");
        let name = match deployment {
            Some(deployment) => Some(deployment?),
            None => None,
        };
        let model = Model::read(Rc::clone(&self.0), name, base.or(name), fields);
        Some(Rc::new(model))
    }
}

#[cfg(test)]
mod tests {
    use super::super::openai::fixture::{call, target};
    use super::*;

    const HOST: &str = "acme.openai.azure.com";
    const V1: &str = "/openai/v1/chat/completions";
    const DATED: &str = "/openai/deployments/d/chat/completions?api-version=2024-10-21";

    /// The URL that an endpoint and a version (none if empty) become.
    #[track_caller]
    fn check(endpoint: &str, version: &str, want: &str) {
        let version = match version {
            "" => String::new(),
            _ => format!(r#","api_version":"{version}""#),
        };
        let settings = format!(r#"{{"endpoint":"{endpoint}"{version}}}"#);
        let call = call(KIND, &settings, r#"{"deployment":"d"}"#, r#"{"model":"m"}"#);
        assert_eq!(
            format!("{}{}", call.authority, call.path),
            want,
            "{endpoint} {version}"
        );
    }

    #[test]
    fn any_spelling_of_the_endpoint_will_do() {
        for path in [
            "",
            "/",
            "/openai",
            "/openai/",
            "/openai/v1",
            "/openai/v1/",
            "/v1",
            "/openai/v1/openai/v1",
            "/openai/v1/chat/completions",
            "/openai/responses",
            "/openai/deployments/x",
            "/openai/deployments/x/",
            "/openai/deployments/x/chat/completions",
        ] {
            let endpoint = format!("https://{HOST}{path}");
            check(&endpoint, "", &format!("{HOST}{V1}"));
            check(&endpoint, "v1", &format!("{HOST}{V1}"));
            check(&endpoint, "2024-10-21", &format!("{HOST}{DATED}"));
            check(
                &endpoint,
                "preview",
                &format!("{HOST}{V1}?api-version=preview"),
            );
        }
    }

    #[test]
    fn the_endpoints_own_version_counts_where_there_is_no_setting() {
        let endpoint =
            format!("https://{HOST}/openai/deployments/x/chat/completions?api-version=2024-10-21");
        check(&endpoint, "", &format!("{HOST}{DATED}"));
        check(&endpoint, "v1", &format!("{HOST}{V1}"));
        check(
            &format!("https://{HOST}?api-version=preview"),
            "",
            &format!("{HOST}{V1}?api-version=preview"),
        );
        check(
            &format!("https://{HOST}/openai/v1?api-version=2024-10-21"),
            "",
            &format!("{HOST}{V1}"),
        );
    }

    #[test]
    fn other_hosts_of_azure_are_alike() {
        for host in [
            "res.services.ai.azure.com",
            "res.cognitiveservices.azure.com",
        ] {
            check(&format!("https://{host}"), "", &format!("{host}{V1}"));
            check(
                &format!("https://{host}/openai"),
                "2024-10-21",
                &format!("{host}{DATED}"),
            );
            check(
                &format!("https://{host}/models"),
                "",
                &format!("{host}{V1}"),
            );
        }
    }

    #[test]
    fn a_foundry_project_has_the_v1_path_only() {
        let host = "res.services.ai.azure.com";
        for path in [
            "",
            "/",
            "/openai",
            "/openai/v1",
            "/openai/v1/chat/completions",
        ] {
            for version in ["", "2024-10-21"] {
                check(
                    &format!("https://{host}/api/projects/p{path}"),
                    version,
                    &format!("{host}/api/projects/p{V1}"),
                );
            }
        }
    }

    #[test]
    fn a_proxys_prefix_and_parameters_stay() {
        check("https://h/llm/azure", "", &format!("h/llm/azure{V1}"));
        check(
            "https://h:8443/llm/v1/openai?team=a",
            "2024-10-21",
            "h:8443/llm/v1/openai/deployments/d/chat/completions?team=a&api-version=2024-10-21",
        );
        check("https://h/models", "", &format!("h/models{V1}"));
        check("http://127.0.0.1:9001", "", &format!("127.0.0.1:9001{V1}"));
    }

    #[track_caller]
    fn calls(version: &str, target: &str, path: &str, body: &str) {
        let settings = format!(r#"{{"endpoint":"https://{HOST}","api_version":"{version}"}}"#);
        let call = call(KIND, &settings, target, r#"{"model":"a/b","max_tokens":1}"#);
        assert_eq!(call.path, path);
        assert_eq!(String::from_utf8(call.body).unwrap(), body);
    }

    #[test]
    fn the_deployment_goes_into_the_path_or_into_the_body() {
        calls(
            "2024-10-21",
            r#"{"deployment":"my d"}"#,
            "/openai/deployments/my%20d/chat/completions?api-version=2024-10-21",
            r#"{"model":"a/b","max_tokens":1}"#,
        );
        calls(
            "v1",
            r#"{"deployment":"my d"}"#,
            V1,
            r#"{"model":"my d","max_tokens":1}"#,
        );
    }

    #[test]
    fn a_target_without_a_deployment_passes_the_asked_name_on() {
        calls(
            "2024-10-21",
            "{}",
            "/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21",
            r#"{"model":"a/b","max_tokens":1}"#,
        );
    }

    #[test]
    fn quirks_are_those_of_the_base_model() {
        calls(
            "v1",
            r#"{"deployment":"d","model":"gpt-5"}"#,
            V1,
            r#"{"model":"d","max_completion_tokens":1}"#,
        );
        calls(
            "v1",
            r#"{"deployment":"gpt-5"}"#,
            V1,
            r#"{"model":"gpt-5","max_completion_tokens":1}"#,
        );
    }

    #[test]
    fn the_key_goes_into_azures_header_or_is_a_bearer() {
        let settings = format!(r#"{{"endpoint":"https://{HOST}"}}"#);
        let own = call(KIND, &settings, "{}", r#"{"model":"m"}"#);
        let want = Some("value-of-AZURE_OPENAI_API_KEY");
        assert_eq!(own.headers.text("api-key"), want);
        let settings =
            format!(r#"{{"endpoint":"https://{HOST}","auth":{{"type":"bearer","env":"TOKEN"}}}}"#);
        let entra = call(KIND, &settings, "{}", r#"{"model":"m"}"#);
        let want = Some("Bearer value-of-TOKEN");
        assert_eq!(entra.headers.text("authorization"), want);
    }

    #[track_caller]
    fn refuse(settings: &str, model: &str, want: &str) {
        let problems = target(KIND, settings, model).unwrap_err();
        assert!(problems.starts_with(want), "{problems}");
    }

    #[test]
    fn wrong_settings_are_named() {
        refuse("{}", "{}", "endpoint: required");
        refuse(r#"{"endpoint":"acme"}"#, "{}", "endpoint: ");
        refuse(
            r#"{"endpoint":"https://h","api_version":"2024"}"#,
            "{}",
            "api_version: ",
        );
        refuse(
            r#"{"endpoint":"https://h?api-version=latest"}"#,
            "{}",
            "endpoint: ",
        );
        refuse(
            r#"{"endpoint":"https://h"}"#,
            r#"{"model":"gpt-5"}"#,
            "deployment: required",
        );
    }
}
