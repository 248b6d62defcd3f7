//! Names of regions and models, checked once at configuration.

use std::fmt;
use std::str::FromStr;

use crate::provider::Endpoint;

/// An AWS region, such as `us-east-1` or `us-gov-west-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::provider) struct Region(String);

impl Region {
    pub(in crate::provider) fn as_str(&self) -> &str {
        &self.0
    }

    /// The region's own endpoint.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.host("bedrock-runtime")
    }

    /// The region's endpoint of another service.
    pub(in crate::provider) fn host(&self, service: &str) -> Endpoint {
        let suffix = DNS_SUFFIXES
            .iter()
            .find_map(|(prefix, suffix)| self.0.starts_with(prefix).then_some(*suffix));
        let suffix = suffix.unwrap_or("amazonaws.com");
        Endpoint {
            authority: format!("{service}.{}.{suffix}", self.0),
            path: String::new(),
            query: String::new(),
        }
    }
}

impl Region {
    /// The region's endpoint of mantle. All partitions have the same suffix (openai 3.54's
    /// `providers/bedrock.py`).
    pub(super) fn mantle(&self) -> Endpoint {
        Endpoint {
            authority: format!("bedrock-mantle.{}.api.aws", self.0),
            path: String::new(),
            query: String::new(),
        }
    }
}

/// The partitions that do not end in `amazonaws.com`, by the regions' prefixes (botocore's
/// `partitions.json`).
const DNS_SUFFIXES: &[(&str, &str)] = &[
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
];

impl FromStr for Region {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pieces = text.rsplit('-');
        let number = pieces.next().unwrap_or_default();
        let is_word =
            |piece: &str| !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_lowercase());
        let words = pieces.clone().count();
        let is_region = (2..=4).contains(&words)
            && pieces.all(is_word)
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_region {
            Ok(Self(text.to_owned()))
        } else {
            Err("no AWS region; use one like us-east-1")
        }
    }
}

/// What Converse takes as `modelId`: a foundation model, an inference profile, or the ARN of one, of a
/// provisioned, custom or imported model, of a prompt, a prompt router or a SageMaker endpoint.
///
/// Which of these a text is, is AWS's to judge; only what can be none of them is refused here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelId(String);

/// The bound of botocore's `ConversationalModelId`.
const MODEL_ID_BYTES_MAX: usize = 2048;

impl ModelId {
    pub(super) fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }

    pub(super) fn is_application_profile(&self) -> bool {
        self.is_arn() && self.0.contains(":application-inference-profile/")
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        if text.is_empty() {
            return Err(ModelIdError::Empty);
        }
        if text.len() > MODEL_ID_BYTES_MAX {
            return Err(ModelIdError::TooLong);
        }
        let is_legal = |letter: char| letter.is_ascii_alphanumeric() || "-._:/".contains(letter);
        if let Some(found) = text.chars().find(|&letter| !is_legal(letter)) {
            return Err(ModelIdError::Character(found));
        }
        if text.contains('/') && !text.starts_with("arn:") {
            return Err(ModelIdError::Slash);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a text is no model id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelIdError {
    Empty,
    TooLong,
    Character(char),
    Slash,
}

impl fmt::Display for ModelIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a model id is not empty"),
            Self::TooLong => write!(f, "a model id has at most {MODEL_ID_BYTES_MAX} bytes"),
            Self::Character(found) => write!(
                f,
                "a model id has no {found:?}; it has letters, digits and - . _ : and, in an ARN, /"
            ),
            Self::Slash => f.write_str(
                "only an ARN has a /; write an id like anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(region: &str, authority: &str) {
        let region: Region = region.parse().unwrap();
        assert_eq!(region.endpoint().authority, authority);
    }

    #[test]
    fn an_endpoint_ends_as_its_partition_does() {
        check("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com");
        check(
            "us-gov-west-1",
            "bedrock-runtime.us-gov-west-1.amazonaws.com",
        );
        check("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn");
        check(
            "eusc-de-east-1",
            "bedrock-runtime.eusc-de-east-1.amazonaws.eu",
        );
        check(
            "us-isob-east-1",
            "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov",
        );
    }

    #[test]
    fn what_is_no_region_is_refused() {
        for text in [
            "",
            "us",
            "us-east",
            "east-1",
            "US-EAST-1",
            "us-east-1a",
            "us-east-1.evil",
            "us--1",
        ] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_kind_of_id_is_taken() {
        for id in [
            "amazon.nova-lite-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "my_custom-name",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
            "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl",
            "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1/abcdefghijkl",
            "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:2",
            "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/meta.llama:1",
            "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint",
        ] {
            assert_eq!(id.parse::<ModelId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn what_can_be_no_id_is_refused() {
        assert_eq!("".parse::<ModelId>(), Err(ModelIdError::Empty));
        assert_eq!(
            "a".repeat(2049).parse::<ModelId>(),
            Err(ModelIdError::TooLong)
        );
        assert_eq!("a/b".parse::<ModelId>(), Err(ModelIdError::Slash));
        for found in [' ', '?', '#', '%', '\n', 'é', '~'] {
            let id = format!("a{found}b");
            assert_eq!(id.parse::<ModelId>(), Err(ModelIdError::Character(found)));
        }
    }
}
