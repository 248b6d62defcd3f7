//! Who is calling, and which models they may use.
//!
//! A request is tried against three tables, in this order: API keys, claims that Envoy's `jwt_authn`
//! verified, headers that the gateway set. The first match is the caller. A credential that no table
//! knows is no match, so it is as good as none: SDKs always send some key.
//!
//! The policy holds digests of keys and never a key, and no message repeats what stands where a digest
//! or a header's value should: it may be a key that was pasted by mistake.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::rc::Rc;

use super::names::{self, Clash, Names};
use crate::document::{Fields, Node};
use crate::glob::Glob;
use crate::secret::Digest;
use crate::turn::Headers;

/// Somebody that the policy knows.
#[derive(Debug)]
pub struct Consumer {
    /// Unique, and fit to be a metric's label.
    pub name: String,
    /// Whom it belongs to, for budgets.
    pub team: Option<String>,
    /// The models it may use; all without a list.
    models: Option<Vec<Glob>>,
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A consumer of the policy.
    Known(Rc<Consumer>),
    /// Nobody that the policy knows, but it lets them in.
    Anonymous,
}

impl Caller {
    /// The consumer's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Known(consumer) => Some(&consumer.name),
            Self::Anonymous => None,
        }
    }

    /// Whether there are models that it may not use.
    #[must_use]
    pub fn has_list(&self) -> bool {
        match self {
            Self::Known(consumer) => consumer.models.is_some(),
            Self::Anonymous => false,
        }
    }

    /// The consumer's team.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        match self {
            Self::Known(consumer) => consumer.team.as_deref(),
            Self::Anonymous => None,
        }
    }

    /// Whether the model of this public name is on the consumer's list.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        match self {
            Self::Known(consumer) => consumer
                .models
                .as_ref()
                .is_none_or(|models| models.iter().any(|glob| glob.matches(model))),
            Self::Anonymous => true,
        }
    }
}

/// Everything that identifies a consumer.
#[derive(Default)]
pub(super) struct Register {
    keys: BTreeMap<Digest, Rc<Consumer>>,
    claims: Vec<Claim>,
    headers: Vec<Header>,
}

/// The values of one claim of a verified token.
struct Claim {
    payload: String,
    claim: String,
    values: Names<Rc<Consumer>>,
}

/// The values of one header.
struct Header {
    name: String,
    values: BTreeMap<String, Rc<Consumer>>,
}

impl fmt::Debug for Register {
    /// Tells sizes: a header's value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("keys", &self.keys.len())
            .field("claims", &self.claims.len())
            .field("headers", &self.headers.len())
            .finish()
    }
}

/// Longer keys are not looked up, so that a hostile header costs no digest. Nobody issues longer ones.
const KEY_BYTES_MAX: usize = 1_024;
/// Where Envoy puts the claims that it verified.
pub(super) const JWT_AUTHN: [&str; 3] = [
    "metadata",
    "filter_metadata",
    "envoy.filters.http.jwt_authn",
];

impl Register {
    /// The consumer that a request identifies. `property` is asked only where claims can identify one.
    pub(super) fn find(
        &self,
        headers: &Headers,
        property: &dyn Fn(&[&str]) -> Option<Vec<u8>>,
    ) -> Option<&Rc<Consumer>> {
        self.by_key(headers)
            .or_else(|| self.by_claim(property))
            .or_else(|| self.by_header(headers))
    }

    fn by_key(&self, headers: &Headers) -> Option<&Rc<Consumer>> {
        if self.keys.is_empty() {
            return None;
        }
        let bearer = headers.bytes("authorization").and_then(bearer);
        [bearer, headers.bytes("api-key")]
            .into_iter()
            .flatten()
            .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
            .find_map(|key| self.keys.get(&Digest::of(key)))
    }

    fn by_claim(&self, property: &dyn Fn(&[&str]) -> Option<Vec<u8>>) -> Option<&Rc<Consumer>> {
        let [metadata, filter_metadata, jwt_authn] = JWT_AUTHN;
        self.claims.iter().find_map(|claim| {
            let path = [
                metadata,
                filter_metadata,
                jwt_authn,
                &claim.payload,
                &claim.claim,
            ];
            let value = property(&path)?;
            // A list or a map arrives in protobuf's wire form: a pattern must not match inside of it.
            let value = str::from_utf8(&value)
                .ok()
                .filter(|value| !value.is_empty() && !value.contains(char::is_control))?;
            claim.values.find(value)
        })
    }

    fn by_header(&self, headers: &Headers) -> Option<&Rc<Consumer>> {
        self.headers.iter().find_map(|header| {
            let mut values = headers
                .iter()
                .filter_map(|(name, value)| (name == header.name).then_some(value));
            // A header that came twice was set by the gateway and by somebody else: whose is the first?
            let (Some(value), None) = (values.next(), values.next()) else {
                return None;
            };
            header.values.get(str::from_utf8(value).ok()?)
        })
    }
}

/// The token of an `authorization` header with the scheme `Bearer`, in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b" ");
    is_bearer.then(|| token.trim_ascii())
}

impl Register {
    /// Reads the field `consumers`. Everybody may come in without a name where `is_open`.
    pub(super) fn read(
        &mut self,
        fields: &mut Fields<'_>,
        models: &Names<usize>,
        is_open: bool,
    ) -> Vec<Rc<Consumer>> {
        let mut known = BTreeMap::new();
        fields.maps("consumers", |index, fields| {
            let name = fields
                .require("name", "logs and metrics call the consumer so")
                .parsed("name", names::plain);
            if let Some(name) = &name {
                let first = *known.entry(name.clone()).or_insert(index);
                if first != index {
                    fields.problem(
                        "name",
                        format!("consumers[{first}] has this name; choose a new one"),
                    );
                }
            }
            let team = fields.parsed("team", names::plain);
            let models = read_allowed(fields, models, is_open);
            let consumer = Rc::new(Consumer {
                name: name.unwrap_or_default(),
                team,
                models,
            });
            self.read_identities(fields, &consumer);
            Some(consumer)
        })
    }

    fn read_identities(&mut self, fields: &mut Fields<'_>, consumer: &Rc<Consumer>) {
        let has_no_key = fields
            .node("api_key_sha256")
            .is_none_or(|keys| keys.as_list().is_some_and(<[Node]>::is_empty));
        if has_no_key && !fields.has("jwt") && !fields.has("header") {
            fields.problem(
                "",
                "nothing identifies this consumer; add api_key_sha256, jwt or header",
            );
        }
        fields.list_of_secrets("api_key_sha256", |text| {
            match self.keys.entry(read_digest(text)?) {
                Entry::Occupied(_) => {
                    Err("listed already; a key identifies one consumer, so keep it once")
                }
                Entry::Vacant(place) => {
                    place.insert(Rc::clone(consumer));
                    Ok(())
                }
            }
        });
        fields.map("jwt", |fields| self.read_claim(fields, consumer));
        fields.map("header", |fields| self.read_header(fields, consumer));
    }

    fn read_claim(&mut self, fields: &mut Fields<'_>, consumer: &Rc<Consumer>) -> Option<()> {
        let remedy = "repeat the payload_in_metadata of Envoy's jwt_authn";
        let payload = fields.required_string("payload", remedy);
        let claim = fields.required_string("claim", "name the claim that tells the consumer");
        let value = fields
            .require("value", "write what the claim holds, or a pattern for it")
            .parsed("value", str::parse::<Glob>);
        let (payload, claim, value) = (payload?, claim?, value?);
        let known = self
            .claims
            .iter()
            .position(|known| known.payload == payload && known.claim == claim);
        let at = known.unwrap_or(self.claims.len());
        if known.is_none() {
            self.claims.push(Claim {
                payload: payload.to_owned(),
                claim: claim.to_owned(),
                values: Names::default(),
            });
        }
        let values = &mut self.claims.get_mut(at)?.values;
        match values.insert(value, Rc::clone(consumer)) {
            Ok(()) => {}
            Err(Clash::Twice(other)) => fields.problem(
                "value",
                format!("identifies consumer '{}' already", other.name),
            ),
            Err(Clash::Covered(other)) => fields.problem(
                "value",
                format!(
                    "never used, for the pattern of consumer '{}' before it matches all that it \
                     matches; put it first",
                    other.name
                ),
            ),
        }
        Some(())
    }

    fn read_header(&mut self, fields: &mut Fields<'_>, consumer: &Rc<Consumer>) -> Option<()> {
        let name = fields
            .require("name", "name the header that Envoy sets")
            .parsed("name", header_name);
        let value = fields
            .require("value", "write the header's exact value")
            .secret("value", header_value);
        let (name, value) = (name?, value?);
        let known = self.headers.iter().position(|known| known.name == name);
        let at = known.unwrap_or(self.headers.len());
        if known.is_none() {
            self.headers.push(Header {
                name,
                values: BTreeMap::new(),
            });
        }
        match self.headers.get_mut(at)?.values.entry(value) {
            Entry::Occupied(other) => fields.problem(
                "value",
                format!("identifies consumer '{}' already", other.get().name),
            ),
            Entry::Vacant(place) => {
                place.insert(Rc::clone(consumer));
            }
        }
        Some(())
    }
}

/// Reads a consumer's list of models.
fn read_allowed(
    fields: &mut Fields<'_>,
    models: &Names<usize>,
    is_open: bool,
) -> Option<Vec<Glob>> {
    let written = fields.node("models")?;
    if written.as_list().is_some_and(<[Node]>::is_empty) {
        fields.problem(
            "models",
            "allows nothing; leave the field out to allow every model",
        );
    }
    if is_open {
        fields.problem(
            "models",
            "binds nobody while anonymous is allow, for who leaves the key out may use every model; \
             say anonymous: deny or leave the field out",
        );
    }
    fields.list_of_parsed("models", |text| {
        let glob = names::public(text)?;
        // Without any model, that is the problem, and it has been told.
        if models.is_empty() || models.may_meet(&glob) {
            Ok(glob)
        } else {
            Err("no model of this policy has such a name".to_owned())
        }
    })
}

/// Reads a digest, and says what else it may be; the text itself stays unsaid.
fn read_digest(text: &str) -> Result<Digest, &'static str> {
    if let Some(digest) = Digest::parse(text) {
        if digest == Digest::of(b"") {
            return Err("is the SHA-256 of nothing; the key was empty when this was made");
        }
        return Ok(digest);
    }
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    if Digest::parse(first).is_some() {
        return Err(
            "write the 64 hexadecimal digits only, without what sha256sum puts behind them",
        );
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(
            "a SHA-256 has 64 hexadecimal digits; make one with: printf %s KEY | sha256sum",
        );
    }
    Err(
        "this looks like a key, not its SHA-256; make one with: printf %s KEY | sha256sum, and \
         replace the key, for it has been in a configuration",
    )
}

pub(super) fn header_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > HEADER_BYTES_MAX || !name.bytes().all(is_token) {
        return Err("a header's name has 1 to 256 letters, digits, '-', '_' or '.'");
    }
    if matches!(name.as_str(), "authorization" | "api-key") {
        return Err("this header carries API keys; use api_key_sha256");
    }
    if name.starts_with("x-tollgate-") {
        return Err("names that begin with x-tollgate- are the gateway's own");
    }
    Ok(name)
}

fn header_value(text: &str) -> Result<String, &'static str> {
    let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || text.len() > HEADER_BYTES_MAX || !is_visible || text.trim() != text {
        return Err(
            "a header's value has 1 to 256 visible ASCII characters, and no space at its ends",
        );
    }
    Ok(text.to_owned())
}

const HEADER_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::{Placement, Policy, sample};
    use super::*;
    use crate::document::Problems;
    use crate::fault::{Client, Fault};
    use std::cell::Cell;

    /// SHA-256 of `sk-a` and of `sk-b`.
    const A: &str = "a4a6d307ad00fa67176e1099fdbc4f4a09bb527a7f24718a5030f2f173d11f7f";
    const B: &str = "18519d64d0d18b0e84e43301547425933dc0394576666e8da1ef1790fb64ca9f";

    fn compile(consumers: &str) -> Result<Policy, Problems> {
        compile_with("deny", consumers)
    }

    fn compile_with(anonymous: &str, consumers: &str) -> Result<Policy, Problems> {
        let consumers = consumers.replace("$A", A).replace("$B", B);
        let yaml = format!(
            "version: 1\nanonymous: {anonymous}\nproviders: [{{ name: o, kind: openai }}]\n\
             models: [{{ name: gpt, targets: [{{ provider: o }}] }}, \
             {{ name: claude, targets: [{{ provider: o }}] }}, \
             {{ name: 'nova-*', targets: [{{ provider: o }}] }}]\n\
             consumers:\n {consumers}"
        );
        sample::compile(&yaml, Placement::Single)
    }

    const MIXED: &str = "
        - { name: a, api_key_sha256: [$A], header: { name: X-Who, value: A one } }
        - { name: b, api_key_sha256: [$B], jwt: { payload: p, claim: sub, value: 'b-*' } }
        - { name: c, header: { name: x-who, value: c } }
        - { name: d, jwt: { payload: p, claim: sub, value: b-d } }";

    fn headers(lines: &[&str]) -> Headers {
        let pairs = lines.iter().map(|line| line.split_once(": ").unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[track_caller]
    fn check_with(lines: &[&str], claim: Option<&[u8]>, want: Option<&str>) {
        let policy = compile(MIXED).unwrap();
        let property = |path: &[&str]| {
            let jwt = [
                "metadata",
                "filter_metadata",
                "envoy.filters.http.jwt_authn",
                "p",
                "sub",
            ];
            assert_eq!(path, jwt);
            claim.map(<[u8]>::to_vec)
        };
        let caller = policy.identify(&headers(lines), &property);
        match want {
            Some(name) => assert_eq!(caller.unwrap().name(), Some(name)),
            None => assert_eq!(caller.unwrap_err(), Fault::from(Client::Unauthenticated)),
        }
    }

    #[track_caller]
    fn check(lines: &[&str], want: Option<&str>) {
        check_with(lines, None, want);
    }

    #[track_caller]
    fn check_refused(consumers: &str, want: &[&str]) {
        let problems = compile(consumers).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    #[test]
    fn a_key_comes_as_bearer_or_as_api_key() {
        check(&["authorization: Bearer sk-a"], Some("a"));
        check(&["authorization: bEARER   sk-a "], Some("a"));
        check(&["api-key: sk-b"], Some("b"));
    }

    #[test]
    fn a_key_in_another_form_is_none() {
        for line in [
            "authorization: sk-a",
            "authorization: Bearersk-a",
            "authorization: Basic sk-a",
            "authorization: Bearer",
            "authorization: Bearer ",
            "authorization: Bearer SK-A",
            "api-key: Bearer sk-a",
            "api-key: ",
            "x-api-key: sk-a",
        ] {
            check(&[line], None);
        }
    }

    #[test]
    fn the_other_header_is_tried_when_the_first_key_is_unknown() {
        let lines = ["api-key: sk-b", "authorization: Bearer sk-x"];
        check(&lines, Some("b"));
        check(&["api-key: sk-b", "authorization: Bearer sk-a"], Some("a"));
    }

    #[test]
    fn a_key_beats_a_claim_and_a_claim_beats_a_header() {
        let lines = ["authorization: Bearer sk-a", "x-who: c"];
        check_with(&lines, Some(b"b-1"), Some("a"));
        check_with(&["x-who: c"], Some(b"b-1"), Some("b"));
        check_with(&["x-who: c"], Some(b"x"), Some("c"));
    }

    #[test]
    fn an_exact_claim_beats_a_pattern_before_it() {
        check_with(&[], Some(b"b-d"), Some("d"));
    }

    #[test]
    fn a_claim_that_is_no_plain_text_matches_nothing() {
        for claim in [&b""[..], b"b-\x01", b"b-\xff", b"\x0a\x05b-one"] {
            check_with(&[], Some(claim), None);
        }
    }

    #[test]
    fn properties_are_not_read_without_need() {
        let policy = compile(MIXED).unwrap();
        let reads = Cell::new(0);
        let property = |_: &[&str]| {
            reads.set(reads.get() + 1);
            None
        };
        let lines = headers(&["authorization: Bearer sk-a"]);
        policy.identify(&lines, &property).unwrap();
        assert_eq!(reads.get(), 0);
        policy.identify(&Headers::new(), &property).unwrap_err();
        assert_eq!(reads.get(), 1);
    }

    #[test]
    fn a_header_matches_exactly_and_once() {
        check(&["x-who: c"], Some("c"));
        check(&["x-who: A one"], Some("a"));
        check(&["x-who: C"], None);
        check(&["x-who: c "], None);
        check(&["x-who: c", "x-who: c"], None);
        check(&["x-who: c", "x-who: x"], None);
    }

    #[test]
    fn where_anonymous_is_allowed_an_unknown_key_is_anonymous() {
        let policy = compile_with("allow", MIXED).unwrap();
        let identify = |line| policy.identify(&headers(&[line]), &|_| None).unwrap();
        assert_eq!(identify("authorization: Bearer sk-a").name(), Some("a"));
        assert_eq!(identify("authorization: Bearer sk-x").name(), None);
        assert!(identify("accept: */*").may_use("gpt"));
    }

    #[test]
    fn a_very_long_key_is_not_looked_up() {
        let key = "x".repeat(KEY_BYTES_MAX + 1);
        check(&[&format!("api-key: {key}")], None);
    }

    #[test]
    fn a_consumer_sees_and_uses_what_its_list_has() {
        let consumers = "- { name: a, api_key_sha256: [$A], models: [claude, 'nova-p*'] }";
        let policy = compile(consumers).unwrap();
        let caller = policy.identify(&headers(&["api-key: sk-a"]), &|_| None);
        let caller = caller.unwrap();
        assert!(policy.models_of(&caller).eq(["claude"]));
        assert!(policy.model(&caller, "nova-pro").is_ok());
        for name in ["gpt", "nova-lite", "claude-2"] {
            let fault = policy.model(&caller, name).unwrap_err();
            assert_eq!(fault, Fault::from(Client::UnknownModel));
        }
        assert!(policy.route("gpt").is_some());
    }

    #[test]
    fn a_list_of_models_names_some_that_exist() {
        check_refused(
            "
            - { name: a, api_key_sha256: [$A], models: [] }
            - { name: b, api_key_sha256: [$B], models: [gpt, cluade, 'gpt-*', 'nova-?'] }",
            &[
                "consumers[0].models: allows nothing; leave the field out to allow every model",
                "consumers[1].models[1]: cannot take 'cluade': no model of this policy has such a name",
                "consumers[1].models[3]: cannot take 'nova-?': ? is not supported in a pattern; only * \
                 is special",
            ],
        );
    }

    #[test]
    fn a_list_that_binds_nobody_is_refused() {
        let consumers = "- { name: a, api_key_sha256: [$A], models: [gpt] }";
        let problems = compile_with("allow", consumers).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "consumers[0].models: binds nobody while anonymous is allow, for who leaves the key out may \
             use every model; say anonymous: deny or leave the field out"
        );
    }

    #[test]
    fn a_consumer_is_identified_by_something() {
        let want = "nothing identifies this consumer; add api_key_sha256, jwt or header";
        check_refused(
            "[{ name: a }, { name: b, api_key_sha256: [] }]",
            &[
                &format!("consumers[0]: {want}"),
                &format!("consumers[1]: {want}"),
            ],
        );
        let both = "- { name: a, api_key_sha256: [], header: { name: x, value: y } }";
        assert!(compile(both).is_ok());
    }

    #[test]
    fn a_name_comes_once() {
        check_refused(
            "
            - { name: a, api_key_sha256: [$A] }
            - { name: a, api_key_sha256: [$B] }
            - { name: 'a b', header: { name: x, value: y } }",
            &[
                "consumers[1].name: consumers[0] has this name; choose a new one",
                "consumers[2].name: cannot take 'a b': a name has 1 to 64 letters, digits, '_', '-' or \
                 '.'",
            ],
        );
    }

    #[test]
    fn whatever_identifies_one_consumer_identifies_no_other() {
        check_refused(
            "
            - { name: a, api_key_sha256: [$A, $B], header: { name: x, value: y } }
            - { name: b, api_key_sha256: [$B], header: { name: X, value: y } }
            - { name: c, jwt: { payload: p, claim: sub, value: 'a*' } }
            - { name: d, jwt: { payload: p, claim: sub, value: 'a*' } }
            - { name: e, jwt: { payload: p, claim: sub, value: 'a-*' } }
            - { name: f, jwt: { payload: p, claim: team, value: 'a-*' } }",
            &[
                "consumers[1].api_key_sha256[0]: listed already; a key identifies one consumer, so keep \
                 it once",
                "consumers[1].header.value: identifies consumer 'a' already",
                "consumers[3].jwt.value: identifies consumer 'c' already",
                "consumers[4].jwt.value: never used, for the pattern of consumer 'c' before it matches \
                 all that it matches; put it first",
            ],
        );
    }

    #[test]
    fn a_digest_that_is_none_is_explained_and_never_repeated() {
        let consumers = "
            - name: a
              api_key_sha256:
              - sk-hunter2
              - abc123
              - '$A  -'
              - e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
              - 7";
        check_refused(
            consumers,
            &[
                "consumers[0].api_key_sha256[0]: this looks like a key, not its SHA-256; make one with: \
                 printf %s KEY | sha256sum, and replace the key, for it has been in a configuration",
                "consumers[0].api_key_sha256[1]: a SHA-256 has 64 hexadecimal digits; make one with: \
                 printf %s KEY | sha256sum",
                "consumers[0].api_key_sha256[2]: write the 64 hexadecimal digits only, without what \
                 sha256sum puts behind them",
                "consumers[0].api_key_sha256[3]: is the SHA-256 of nothing; the key was empty when this \
                 was made",
                "consumers[0].api_key_sha256[4]: must be a string, found a number; put it in quotes",
            ],
        );
    }

    #[test]
    fn headers_and_claims_are_complete_and_legal() {
        check_refused(
            "
            - { name: a, header: { name: Authorization, value: x } }
            - { name: b, header: { name: ':path', value: ' x' } }
            - { name: c, header: { name: X-Tollgate-Cluster } }
            - { name: d, jwt: { payload: '', value: '[' } }",
            &[
                "consumers[0].header.name: cannot take 'Authorization': this header carries API keys; \
                 use api_key_sha256",
                "consumers[1].header.name: cannot take ':path': a header's name has 1 to 256 letters, \
                 digits, '-', '_' or '.'",
                "consumers[1].header.value: a header's value has 1 to 256 visible ASCII characters, and \
                 no space at its ends",
                "consumers[2].header.name: cannot take 'X-Tollgate-Cluster': names that begin with \
                 x-tollgate- are the gateway's own",
                "consumers[2].header.value: required; write the header's exact value",
                "consumers[3].jwt.payload: must not be empty; repeat the payload_in_metadata of Envoy's \
                 jwt_authn",
                "consumers[3].jwt.claim: required; name the claim that tells the consumer",
                "consumers[3].jwt.value: cannot take '[': [ is not supported in a pattern; only * is \
                 special",
            ],
        );
    }

    #[test]
    fn printing_a_policy_shows_no_header_value() {
        let policy = compile(MIXED).unwrap();
        assert!(!format!("{policy:?}").contains("A one"));
    }
}
