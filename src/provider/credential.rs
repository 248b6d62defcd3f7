//! The `auth` setting of a provider: which credential, and the environment variables that hold it.
//!
//! A policy never holds a secret. A variable that is not set is no error of the policy, for the same
//! policy is checked where there are no secrets: the provider's requests fail instead, and say which
//! variables are missing.

use crate::auth::{self, Auth, Credentials, Outgoing, Scope, Signer, UnixSeconds};
use crate::document::Fields;
use crate::fault::{Fault, Policy};
use crate::secret::Secret;
use crate::turn::Now;

use super::{Call, Environment};

/// How a provider's requests prove who sends them.
#[derive(Debug)]
pub(super) enum Credential {
    /// As `auth` says.
    Ready(Auth),
    /// The variables that would hold it are not set.
    Missing {
        /// The provider's name.
        provider: String,
        /// The variables, for the admin.
        variables: String,
    },
}

/// What is tried where a policy names no `auth`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default<'d> {
    /// `Authorization: Bearer` from this variable.
    Bearer(&'static str),
    /// `api-key` from this variable.
    ApiKey(&'static str),
    /// A Bedrock API key if there is one, else SigV4 from AWS's own variables, in this scope.
    Aws {
        /// The provider's region.
        region: &'d str,
        /// The service's signing name.
        service: &'static str,
    },
    /// SigV4 from AWS's own variables, in this scope: the service takes no Bedrock API key.
    SigV4 {
        /// The provider's region.
        region: &'d str,
        /// The service's signing name.
        service: &'static str,
    },
}

/// AWS's own variables for SigV4.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// AWS's own variable for Bedrock's API keys.
const BEDROCK_API_KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";
/// The usual variable of a token for an agent that its own authorizer checks. AWS has no name for it.
const AGENT_TOKEN: &str = "AGENTCORE_BEARER_TOKEN";

#[derive(Debug, Clone, Copy)]
enum Kind {
    None,
    Bearer,
    ApiKey,
    SigV4,
}

const KINDS: &[(&str, Kind)] = &[
    ("sigv4", Kind::SigV4),
    ("bearer", Kind::Bearer),
    ("api_key", Kind::ApiKey),
    ("none", Kind::None),
];

impl Credential {
    /// Reads the field `auth`.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        environment: &Environment<'_>,
        default: Default<'_>,
    ) -> Option<Self> {
        if !fields.has("auth") {
            return Some(Self::by_default(fields, environment, default));
        }
        fields.map("auth", |auth| {
            let kind = auth
                .require("type", "say sigv4, bearer, api_key or none")
                .one_of("type", KINDS);
            match kind {
                Some(Kind::None) => Some(Self::Ready(Auth::None)),
                Some(Kind::Bearer) => {
                    let variable = variable(auth, "env", default.variable());
                    Some(key(auth, environment, variable, Auth::Bearer))
                }
                Some(Kind::ApiKey) => {
                    let variable = variable(auth, "env", default.variable());
                    Some(key(auth, environment, variable, Auth::ApiKeyHeader))
                }
                Some(Kind::SigV4) => sigv4(auth, environment, default),
                None => {
                    auth.skip_rest();
                    None
                }
            }
        })
    }

    fn by_default(
        fields: &mut Fields<'_>,
        environment: &Environment<'_>,
        default: Default<'_>,
    ) -> Self {
        match default {
            Default::Bearer(variable) => key(fields, environment, variable, Auth::Bearer),
            Default::ApiKey(variable) => key(fields, environment, variable, Auth::ApiKeyHeader),
            Default::Aws { region, service } => {
                // A variable that is set to nothing is as good as none: compose files pass such on.
                if value(environment, BEDROCK_API_KEY).is_some() {
                    return key(fields, environment, BEDROCK_API_KEY, Auth::Bearer);
                }
                let variables = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];
                match signer(fields, environment, variables, region, service) {
                    Self::Missing { provider, .. } => Self::Missing {
                        provider,
                        variables: format!(
                            "{BEDROCK_API_KEY}, or {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}"
                        ),
                    },
                    ready @ Self::Ready(_) => ready,
                }
            }
            Default::SigV4 { region, service } => {
                let variables = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];
                signer(fields, environment, variables, region, service)
            }
        }
    }

    /// Adds the credential to a call that is otherwise complete.
    ///
    /// # Errors
    /// There is none, or the call holds what cannot be signed.
    pub(super) fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        let auth = match self {
            Self::Ready(auth) => auth,
            Self::Missing {
                provider,
                variables,
            } => {
                return Err(Fault::from(Policy::Credential {
                    provider: provider.clone(),
                    variables: variables.clone(),
                }));
            }
        };
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        // A request without a body has none.
        let content_type = call.headers.text("content-type");
        let signed = content_type.map(|value| ("content-type", value));
        let mut added = Vec::new();
        let outgoing = Outgoing {
            method: call.method.as_str(),
            host: &call.authority,
            path,
            query,
            headers: signed.as_slice(),
            body: &call.body,
        };
        auth.apply(
            UnixSeconds(now.unix_seconds()),
            &outgoing,
            &mut |name, value| {
                added.push((name, value.to_owned()));
            },
        )
        .map_err(|error| Fault::Internal(unsignable(error)))?;
        for (name, value) in added {
            call.headers.set(name, value);
        }
        Ok(())
    }
}

impl Default<'_> {
    /// The variable of a key whose `env` the policy leaves out.
    const fn variable(self) -> &'static str {
        match self {
            Self::Bearer(variable) | Self::ApiKey(variable) => variable,
            Self::Aws { .. } => BEDROCK_API_KEY,
            Self::SigV4 { .. } => AGENT_TOKEN,
        }
    }
}

/// The name of a variable that the policy says in `field`. What is none may be the credential itself, pasted
/// by mistake, and names go into errors: so it is refused and never repeated.
fn variable<'n>(auth: &mut Fields<'n>, field: &str, default: &'static str) -> &'n str {
    let is_legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let name = auth.secret(field, |text| {
        match (1..=VARIABLE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_legal) {
            true => Ok(text),
            false => Err(
                "name an environment variable: 1 to 64 capital letters, digits and _; if this is the \
                 credential itself, replace it, for it has been in a configuration",
            ),
        }
    });
    name.unwrap_or(default)
}

const VARIABLE_BYTES_MAX: usize = 64;

fn value(environment: &Environment<'_>, variable: &str) -> Option<String> {
    (environment.variable)(variable).filter(|value| !value.is_empty())
}

fn key(
    fields: &mut Fields<'_>,
    environment: &Environment<'_>,
    variable: &str,
    make: impl FnOnce(Secret) -> Auth,
) -> Credential {
    match value(environment, variable) {
        Some(value) => checked(fields, make(Secret::new(value))),
        None => Credential::Missing {
            provider: environment.name.to_owned(),
            variables: variable.to_owned(),
        },
    }
}

fn sigv4(
    auth: &mut Fields<'_>,
    environment: &Environment<'_>,
    default: Default<'_>,
) -> Option<Credential> {
    let (own_region, own_service) = match default {
        Default::Aws { region, service } | Default::SigV4 { region, service } => (region, service),
        Default::Bearer(_) | Default::ApiKey(_) => {
            auth.problem("type", "sigv4 signs for AWS; use bearer or api_key here");
            auth.skip_rest();
            return None;
        }
    };
    let region = auth.string("region").unwrap_or(own_region);
    let service = auth.string("service").unwrap_or(own_service);
    let variables = [
        variable(auth, "access_key_id_env", ACCESS_KEY_ID),
        variable(auth, "secret_access_key_env", SECRET_ACCESS_KEY),
        variable(auth, "session_token_env", SESSION_TOKEN),
    ];
    Some(signer(auth, environment, variables, region, service))
}

fn signer(
    fields: &mut Fields<'_>,
    environment: &Environment<'_>,
    variables: [&str; 3],
    region: &str,
    service: &str,
) -> Credential {
    let read = |variable| value(environment, variable);
    let [id, secret, token] = variables;
    let (Some(access_key_id), Some(secret_access_key)) = (read(id), read(secret)) else {
        return Credential::Missing {
            provider: environment.name.to_owned(),
            variables: format!("{id} and {secret}"),
        };
    };
    let credentials = Credentials {
        access_key_id,
        secret_access_key: Secret::new(secret_access_key),
        session_token: read(token).map(Secret::new),
    };
    let scope = Scope {
        region: region.to_owned(),
        service: service.to_owned(),
    };
    match Signer::new(credentials, scope) {
        Ok(signer) => checked(fields, Auth::SigV4(Box::new(signer))),
        Err(error) => refused(fields, error),
    }
}

fn checked(fields: &mut Fields<'_>, auth: Auth) -> Credential {
    match auth.check() {
        Ok(()) => Credential::Ready(auth),
        Err(error) => refused(fields, error),
    }
}

/// A credential that can never work is a problem of the configuration, told at once.
fn refused(fields: &mut Fields<'_>, error: auth::Error) -> Credential {
    fields.problem("", format!("the credential cannot be used: {error}"));
    Credential::Ready(Auth::None)
}

/// Says what of a call cannot be signed. Providers encode paths and queries, so none of it happens.
const fn unsignable(error: auth::Error) -> &'static str {
    match error {
        auth::Error::Credential => "the credential cannot be used",
        auth::Error::Scope => "the region or service cannot be signed for",
        auth::Error::Time => "the host's clock cannot be signed with",
        auth::Error::Method => "the method cannot be signed",
        auth::Error::Host => "the host cannot be signed",
        auth::Error::Path => "the path cannot be signed",
        auth::Error::Query => "the query cannot be signed",
        auth::Error::HeaderName | auth::Error::HeaderReserved | auth::Error::HeaderValue => {
            "a header cannot be signed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{parse, read};
    use crate::limits::Limits;

    const AWS: Default<'_> = Default::Aws {
        region: "us-east-1",
        service: "bedrock",
    };
    const KEYS: &[(&str, &str)] = &[(ACCESS_KEY_ID, "AKID"), (SECRET_ACCESS_KEY, "secret")];

    /// What a call gets: the scheme of its `authorization`, the fault, or the policy's problems.
    fn signed(settings: &str, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let environment = Environment {
            name: "p",
            variable: &variable,
            limits: Limits::default(),
            catalogue: &std::rc::Rc::new(crate::provider::Catalogue::shipped().unwrap()),
        };
        let root = parse(settings.as_bytes()).unwrap();
        let credential = match read(&root, |fields| Credential::read(fields, &environment, AWS)) {
            Ok(credential) => credential,
            Err(problems) => return problems.to_string(),
        };
        let mut call = Call {
            authority: "h".to_owned(),
            path: "/".to_owned(),
            ..Call::default()
        };
        if let Err(fault) = credential.sign(Now { unix_ms: 0 }, &mut call) {
            return fault.to_string();
        }
        let header = call.headers.text("authorization").unwrap_or("none");
        header.split(' ').next().unwrap().to_owned()
    }

    #[track_caller]
    fn check(settings: &str, variables: &[(&str, &str)], want: &str) {
        let got = signed(settings, variables);
        assert!(got.contains(want), "{got}");
    }

    #[test]
    fn a_bedrock_key_comes_before_the_keys_of_aws() {
        let both = [&[(BEDROCK_API_KEY, "key")], KEYS].concat();
        check("{}", &both, "Bearer");
        check("{}", KEYS, "AWS4-HMAC-SHA256");
        check(r#"{"auth":{"type":"sigv4"}}"#, &both, "AWS4-HMAC-SHA256");
        check(r#"{"auth":{"type":"none"}}"#, &both, "none");
    }

    #[test]
    fn an_empty_variable_is_none() {
        let both = [&[(BEDROCK_API_KEY, "")], KEYS].concat();
        check("{}", &both, "AWS4-HMAC-SHA256");
        check("{}", &[(BEDROCK_API_KEY, "")], "no credential");
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            "{}",
            &[],
            "AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
        let settings = r#"{"auth":{"type":"bearer","env":"MY_KEY"}}"#;
        check(settings, &[], "has to set MY_KEY and");
    }

    #[test]
    fn a_credential_in_the_place_of_its_variable_is_not_repeated() {
        for field in [
            "env",
            "access_key_id_env",
            "secret_access_key_env",
            "session_token_env",
        ] {
            let kind = if field == "env" { "bearer" } else { "sigv4" };
            let settings = format!(r#"{{"auth":{{"type":"{kind}","{field}":"sk-private"}}}}"#);
            let got = signed(&settings, &[]);
            let want = format!("auth.{field}: name an environment variable");
            assert!(got.starts_with(&want) && !got.contains("private"), "{got}");
        }
    }

    #[test]
    fn a_credential_that_cannot_be_sent_is_a_problem() {
        check(
            "{}",
            &[(BEDROCK_API_KEY, "key\n")],
            "the credential cannot be used",
        );
    }
}
