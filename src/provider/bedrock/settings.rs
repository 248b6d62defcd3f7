//! What the admin says of every request to a target: guardrail, tier and latency.
//!
//! A guardrail is the admin's alone: no request can name another one or leave it out. The tier is the
//! admin's where the policy says one, and the app's where it does not; an app that asked for another one is
//! told so (`service_tier`). What the guardrail found is told by a header, to an app that asks for it, if
//! the policy has the trace on.

use crate::codec::json::write_string;
use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Request, ServiceTier, Uncarried};

/// The settings of one target.
#[derive(Debug, Default)]
pub(super) struct Settings {
    guardrail: Option<Guardrail>,
    service_tier: Option<ServiceTier>,
    latency: Option<&'static str>,
}

/// A guardrail in both of AWS's forms.
#[derive(Debug)]
struct Guardrail {
    /// As Converse's body has it, without its closing brace.
    json: Vec<u8>,
    stream_mode: Option<&'static str>,
    /// As the headers of the OpenAI endpoint have it.
    headers: Vec<(&'static str, String)>,
}

/// What an app writes to have a guardrail look at tagged pieces only.
pub(super) const GUARDRAIL_TAGS: &str = "amazon-bedrock-guardrailConfig";

impl Settings {
    /// Reads them from a target's fields.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            guardrail: fields.map("guardrail", read_guardrail),
            service_tier: fields.one_of("service_tier", SERVICE_TIER),
            latency: fields.one_of("latency", LATENCY),
        }
    }

    /// The name of one that is set.
    pub(super) const fn any(&self) -> Option<&'static str> {
        match self {
            Self {
                guardrail: Some(_), ..
            } => Some("guardrail"),
            Self {
                service_tier: Some(_),
                ..
            } => Some("service_tier"),
            Self {
                latency: Some(_), ..
            } => Some("latency"),
            Self { .. } => None,
        }
    }

    /// The path of one that only Converse takes: of a guardrail the runtime's OpenAI endpoint takes the rest.
    pub(super) fn of_converse(&self) -> Option<&'static str> {
        match self {
            Self {
                guardrail: Some(guardrail),
                ..
            } if guardrail.stream_mode.is_some() => Some("guardrail.stream"),
            Self {
                service_tier: Some(_),
                ..
            } => Some("service_tier"),
            Self {
                latency: Some(_), ..
            } => Some("latency"),
            Self { .. } => None,
        }
    }

    /// The guardrail as headers; none where there is no guardrail.
    pub(super) fn headers(&self) -> &[(&'static str, String)] {
        self.guardrail
            .as_ref()
            .map_or(&[], |guardrail| &guardrail.headers)
    }

    /// Appends what belongs into every body.
    pub(super) fn write(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if let Some(guardrail) = &self.guardrail {
            out.extend_from_slice(br#","guardrailConfig":"#);
            out.extend_from_slice(&guardrail.json);
            if let Some(mode) = guardrail.stream_mode
                && request.stream
            {
                out.extend_from_slice(br#","streamProcessingMode":""#);
                out.extend_from_slice(mode.as_bytes());
                out.push(b'"');
            }
            out.push(b'}');
        }
        if let Some(latency) = self.latency {
            out.extend_from_slice(br#","performanceConfig":{"latency":""#);
            out.extend_from_slice(latency.as_bytes());
            out.extend_from_slice(br#""}"#);
        }
        if self.service_tier.is_some()
            && request.service_tier.is_some()
            && self.service_tier != request.service_tier
        {
            uncarried.leave("service_tier")?;
        }
        if let Some(tier) = self.service_tier.or(request.service_tier) {
            let known = SERVICE_TIER.iter().find(|(_, known)| *known == tier);
            out.extend_from_slice(br#","serviceTier":{"type":""#);
            out.extend_from_slice(known.map_or("default", |(word, _)| word).as_bytes());
            out.extend_from_slice(br#""}"#);
        }
        Ok(())
    }
}

fn read_guardrail(fields: &mut Fields<'_>) -> Option<Guardrail> {
    let id = fields
        .require("id", "give the guardrail's id or ARN")
        .parsed("id", |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-".contains(&byte);
            let is_id = (1..=2048).contains(&text.len()) && text.bytes().all(is_plain);
            is_id
                .then(|| text.to_owned())
                .ok_or("not a guardrail's id or ARN")
        });
    let version =
        fields
            .require("version", "give a number, or DRAFT")
            .parsed("version", |text: &str| {
                let is_number = (1..=8).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && !text.starts_with('0');
                (is_number || text == "DRAFT")
                    .then(|| text.to_owned())
                    .ok_or("must be a number of up to 8 digits, in quotes, or DRAFT")
            });
    let trace = fields.one_of("trace", TRACE);
    let stream_mode = fields.one_of("stream", STREAM_MODE);
    let (id, version) = (id?, version?);
    let mut json = br#"{"guardrailIdentifier":"#.to_vec();
    write_string(&mut json, &id);
    json.extend_from_slice(br#","guardrailVersion":"#);
    write_string(&mut json, &version);
    let mut headers = vec![
        ("x-amzn-bedrock-guardrailidentifier", id),
        ("x-amzn-bedrock-guardrailversion", version),
    ];
    if let Some(trace) = trace {
        json.extend_from_slice(br#","trace":"#);
        write_string(&mut json, trace);
        headers.push(("x-amzn-bedrock-trace", trace.to_ascii_uppercase()));
    }
    Some(Guardrail {
        json,
        stream_mode,
        headers,
    })
}

/// AWS's words for tiers.
pub(super) const SERVICE_TIER: &[(&str, ServiceTier)] = &[
    ("default", ServiceTier::Default),
    ("flex", ServiceTier::Flex),
    ("priority", ServiceTier::Priority),
    ("reserved", ServiceTier::Reserved),
];
const LATENCY: &[(&str, &str)] = &[("standard", "standard"), ("optimized", "optimized")];
const TRACE: &[(&str, &str)] = &[
    ("disabled", "disabled"),
    ("enabled", "enabled"),
    ("enabled_full", "enabled_full"),
];
const STREAM_MODE: &[(&str, &str)] = &[("sync", "sync"), ("async", "async")];

#[cfg(test)]
mod tests {
    use super::super::encode::case::hello;
    use super::*;
    use crate::document;
    use crate::turn::{Parameters, Rule};

    fn read(target: &str) -> Result<Settings, String> {
        let root = document::parse(target.as_bytes()).unwrap();
        document::read(&root, |fields| Some(Settings::read(fields)))
            .map_err(|problems| problems.to_string())
    }

    #[track_caller]
    fn check(target: &str, request: &Request<'_>, want: &str, left: &[&str]) {
        let rules = Parameters {
            default: Some(Rule::Warn),
            named: Vec::new(),
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut out = Vec::new();
        let settings = read(target).unwrap();
        settings.write(request, &mut uncarried, &mut out).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap(), want);
        assert_eq!(uncarried.into_warned(), left);
    }

    #[test]
    fn a_guardrail_is_in_every_body() {
        let target =
            r#"{"guardrail":{"id":"gr1","version":"3","trace":"enabled","stream":"async"}}"#;
        let want = r#","guardrailConfig":{"guardrailIdentifier":"gr1","guardrailVersion":"3","trace":"enabled""#;
        check(target, &hello(), &format!("{want}}}"), &[]);
        let request = Request {
            stream: true,
            ..hello()
        };
        let want = format!(r#"{want},"streamProcessingMode":"async"}}"#);
        check(target, &request, &want, &[]);
    }

    #[test]
    fn a_guardrail_has_headers_for_the_openai_endpoint() {
        let headers = |target: &str| {
            let settings = read(target).unwrap();
            let headers = settings.headers().iter();
            let lines = headers.map(|(name, value)| format!("{name}={value} "));
            lines.collect::<String>()
        };
        let target = r#"{"guardrail":{"id":"gr1","version":"DRAFT","trace":"enabled_full"}}"#;
        assert_eq!(
            headers(target),
            "x-amzn-bedrock-guardrailidentifier=gr1 x-amzn-bedrock-guardrailversion=DRAFT \
             x-amzn-bedrock-trace=ENABLED_FULL "
        );
        assert_eq!(headers(r#"{"latency":"optimized"}"#), "");
    }

    #[test]
    fn what_only_converse_takes_is_known() {
        let only = |target: &str| read(target).unwrap().of_converse();
        assert_eq!(only(r#"{"guardrail":{"id":"g","version":"1"}}"#), None);
        let target = r#"{"guardrail":{"id":"g","version":"1","stream":"sync"}}"#;
        assert_eq!(only(target), Some("guardrail.stream"));
        assert_eq!(only(r#"{"service_tier":"flex"}"#), Some("service_tier"));
        assert_eq!(only(r#"{"latency":"standard"}"#), Some("latency"));
    }

    #[test]
    fn the_admins_tier_outweighs_the_apps() {
        let request = Request {
            service_tier: Some(ServiceTier::Priority),
            ..hello()
        };
        let tier = |word| format!(r#","serviceTier":{{"type":"{word}"}}"#);
        check("{}", &request, &tier("priority"), &[]);
        let target = r#"{"service_tier":"reserved"}"#;
        check(target, &request, &tier("reserved"), &["service_tier"]);
        check(target, &hello(), &tier("reserved"), &[]);
    }

    #[test]
    fn latency_is_the_admins() {
        let want = r#","performanceConfig":{"latency":"optimized"}"#;
        check(r#"{"latency":"optimized"}"#, &hello(), want, &[]);
    }

    #[track_caller]
    fn refuse(target: &str, want: &str) {
        let problems = read(target).unwrap_err();
        assert!(problems.contains(want), "{problems}");
    }

    #[test]
    fn wrong_settings_are_named() {
        refuse(r#"{"guardrail":{"version":"1"}}"#, "guardrail.id: ");
        refuse(
            r#"{"guardrail":{"id":"a b","version":"1"}}"#,
            "guardrail.id: ",
        );
        refuse(
            r#"{"guardrail":{"id":"a","version":"0"}}"#,
            "guardrail.version: ",
        );
        refuse(
            r#"{"guardrail":{"id":"a","version":"1","stream":"x"}}"#,
            "guardrail.stream: ",
        );
        refuse(r#"{"latency":"fast"}"#, "latency: ");
        refuse(r#"{"service_tier":"scale"}"#, "service_tier: ");
    }
}
