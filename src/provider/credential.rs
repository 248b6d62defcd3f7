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
}

/// AWS's own variables for SigV4.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// AWS's own variable for Bedrock's API keys.
const BEDROCK_API_KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";

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
                    let variable = auth.string("env").unwrap_or_else(|| default.variable());
                    Some(key(auth, environment, variable, Auth::Bearer))
                }
                Some(Kind::ApiKey) => {
                    let variable = auth.string("env").unwrap_or_else(|| default.variable());
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
                if (environment.variable)(BEDROCK_API_KEY).is_some() {
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
        let content_type = call.headers.text("content-type").unwrap_or_default();
        let signed = [("content-type", content_type)];
        let mut added = Vec::new();
        let outgoing = Outgoing {
            method: "POST",
            host: &call.authority,
            path,
            query,
            headers: &signed,
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
        }
    }
}

fn key(
    fields: &mut Fields<'_>,
    environment: &Environment<'_>,
    variable: &str,
    make: impl FnOnce(Secret) -> Auth,
) -> Credential {
    match (environment.variable)(variable).filter(|value| !value.is_empty()) {
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
        Default::Aws { region, service } => (region, service),
        Default::Bearer(_) | Default::ApiKey(_) => {
            auth.problem("type", "sigv4 signs for AWS; use bearer or api_key here");
            auth.skip_rest();
            return None;
        }
    };
    let region = auth.string("region").unwrap_or(own_region);
    let service = auth.string("service").unwrap_or(own_service);
    let variables = [
        auth.string("access_key_id_env").unwrap_or(ACCESS_KEY_ID),
        auth.string("secret_access_key_env")
            .unwrap_or(SECRET_ACCESS_KEY),
        auth.string("session_token_env").unwrap_or(SESSION_TOKEN),
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
    let read = |variable| (environment.variable)(variable).filter(|value| !value.is_empty());
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
