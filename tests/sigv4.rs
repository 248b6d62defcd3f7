//! Signs what botocore signed and compares. `tests/vectors/sigv4.py` wrote the vectors.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use serde::Deserialize;
use tollgate::auth::{Credentials, Outgoing, Scope, Signer, UnixSeconds};
use tollgate::secret::Secret;

#[derive(Deserialize)]
struct Vector {
    now: u64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: String,
    method: String,
    host: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    want: Want,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Want {
    x_amz_date: String,
    x_amz_security_token: Option<String>,
    authorization: String,
}

impl Vector {
    fn signer(&self) -> Signer {
        let credentials = Credentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: Secret::new(self.secret_access_key.as_str()),
            session_token: self.session_token.as_deref().map(Secret::new),
        };
        let scope = Scope {
            region: self.region.clone(),
            service: self.service.clone(),
        };
        Signer::new(credentials, scope).unwrap()
    }

    fn sign(&self, signer: &Signer) -> Want {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let outgoing = Outgoing {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let mut signed = Want::default();
        let result = signer.sign(
            UnixSeconds(self.now),
            &outgoing,
            &mut |name, value| match name {
                "x-amz-date" => signed.x_amz_date = value.to_owned(),
                "x-amz-security-token" => signed.x_amz_security_token = Some(value.to_owned()),
                "authorization" => signed.authorization = value.to_owned(),
                _ => panic!("{name} is not expected"),
            },
        );
        assert_eq!(
            result,
            Ok(()),
            "{} {} {:?}",
            self.path,
            self.query,
            self.headers
        );
        signed
    }
}

fn vectors() -> Vec<Vector> {
    let lines = include_str!("vectors/sigv4.jsonl").lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_vector_gets_the_signature_that_botocore_gave() {
    let vectors = vectors();
    assert!(vectors.len() >= 240);
    for vector in &vectors {
        let signed = vector.sign(&vector.signer());
        assert_eq!(
            signed, vector.want,
            "{} {} {:?}",
            vector.path, vector.query, vector.headers
        );
    }
}

/// Whatever it signed before, another day or a longer request, leaves no trace.
#[test]
fn a_signer_that_has_signed_signs_the_same() {
    let vectors = vectors();
    for first in &vectors {
        let signer = first.signer();
        let same = |other: &&Vector| {
            other.access_key_id == first.access_key_id
                && other.region == first.region
                && other.service == first.service
        };
        for vector in vectors.iter().filter(same) {
            assert_eq!(vector.sign(&signer), vector.want);
        }
    }
}
