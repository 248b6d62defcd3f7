//! `inferenceConfig`: the limit of output tokens, temperature, top-p and stop sequences.
//!
//! - OpenAI's temperature goes to 2, Converse's to 1: what is above becomes 1, and `temperature` is told
//!   as not carried; or all are halved, where the target's quirks say so.
//! - Where the model takes no sampling, or only one of temperature and top-p (then temperature stays),
//!   the rest is not carried. The value 1 is OpenAI's default, so an app that sends it asks for nothing:
//!   it is left out without a word.
//! - A limit below the model's minimum becomes the minimum and is told as not carried.
//! - Where the model refuses blank stop sequences they are dropped and told as not carried.

use crate::codec::json::{is_blank, write_u64};
use crate::fault::Fault;
use crate::turn::{Escaped, Request, Uncarried};

use super::super::quirks::{Quirks, Sampling, Temperature};
use super::reasoning::Steering;
use super::section::Section;

/// Appends `inferenceConfig`, if there is anything in it.
pub(super) fn write(
    request: &Request<'_>,
    quirks: &Quirks,
    steering: &Steering,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut config = Section::new(out, "inferenceConfig");
    if let Some(limit) = request.max_tokens {
        if limit < quirks.max_tokens_min {
            uncarried.leave("max_tokens")?;
        }
        // A higher limit than the wire's integer holds is no limit at all.
        let limit = limit.max(quirks.max_tokens_min).min(WIRE_INTEGER_MAX);
        write_u64(config.member("maxTokens"), limit);
    }
    let (temperature, top_p) = numbers(request, quirks, *steering, uncarried)?;
    let halved = match quirks.temperature {
        Temperature::Cut => None,
        Temperature::Halved => temperature.map(|number| (value(number) / 2.0).to_string()),
    };
    let mut temperature = halved.as_deref().or(temperature);
    if temperature.is_some_and(|number| value(number) > 1.0) {
        uncarried.leave("temperature")?;
        temperature = Some("1");
    }
    for (name, number) in [("temperature", temperature), ("topP", top_p)] {
        if let Some(number) = number {
            config.member(name).extend_from_slice(number.as_bytes());
        }
    }
    write_stop(request, quirks, uncarried, &mut config)?;
    config.close();
    Ok(())
}

const WIRE_INTEGER_MAX: u64 = 2_147_483_647;

/// The temperature and the top-p to send.
fn numbers<'a>(
    request: &Request<'a>,
    quirks: &Quirks,
    steering: Steering,
    uncarried: &mut Uncarried<'_>,
) -> Result<(Option<&'a str>, Option<&'a str>), Fault> {
    let taken = if steering.takes_sampling() {
        quirks.sampling
    } else {
        Sampling::None
    };
    let mut temperature = request.temperature.map(|raw| raw.get());
    let mut top_p = request.top_p.map(|raw| raw.get());
    if taken != Sampling::Both {
        temperature = temperature.filter(|number| !is_one(number));
        top_p = top_p.filter(|number| !is_one(number));
    }
    if taken == Sampling::None && temperature.take().is_some() {
        uncarried.leave("temperature")?;
    }
    if (taken == Sampling::None || taken == Sampling::One && temperature.is_some())
        && top_p.take().is_some()
    {
        uncarried.leave("top_p")?;
    }
    Ok((temperature, top_p))
}

fn is_one(number: &str) -> bool {
    (value(number) - 1.0).abs() < f64::EPSILON
}

fn value(number: &str) -> f64 {
    number.parse().unwrap_or_default()
}

fn write_stop(
    request: &Request<'_>,
    quirks: &Quirks,
    uncarried: &mut Uncarried<'_>,
    config: &mut Section<'_>,
) -> Result<(), Fault> {
    if request.stop.is_empty() {
        return Ok(());
    }
    if !quirks.stop {
        return uncarried.leave("stop");
    }
    let is_blank_stop = |text: &&Escaped<'_>| !quirks.blank_stop && is_blank(text.as_str());
    if request.stop.iter().any(|text| is_blank_stop(&text)) {
        uncarried.leave("stop")?;
    }
    let mut texts = request.stop.iter().filter(|text| !is_blank_stop(text));
    let Some(first) = texts.next() else {
        return Ok(());
    };
    let out = config.member("stopSequences");
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(first.as_str().as_bytes());
    for text in texts {
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(text.as_str().as_bytes());
    }
    out.extend_from_slice(b"\"]");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::encode::case::{CLAUDE, UNKNOWN, check, hello, raw};
    use super::*;

    fn with<'a>(temperature: &'a str, top_p: &'a str) -> Request<'a> {
        Request {
            temperature: (!temperature.is_empty()).then(|| raw(temperature)),
            top_p: (!top_p.is_empty()).then(|| raw(top_p)),
            ..hello()
        }
    }

    fn with_stop<'a>(texts: &[&'a str]) -> Request<'a> {
        Request {
            stop: texts
                .iter()
                .map(|text| Escaped::from_content(text))
                .collect(),
            ..hello()
        }
    }

    fn with_limit<'a>(limit: u64) -> Request<'a> {
        Request {
            max_tokens: Some(limit),
            ..hello()
        }
    }

    #[test]
    fn numbers_are_copied_as_they_were_written() {
        check(
            &with("0.70", "9e-1"),
            UNKNOWN,
            r#","inferenceConfig":{"temperature":0.70,"topP":9e-1}"#,
            &[],
        );
    }

    #[test]
    fn a_temperature_above_one_becomes_one() {
        check(
            &with("1.5", ""),
            UNKNOWN,
            r#","inferenceConfig":{"temperature":1}"#,
            &["temperature"],
        );
    }

    #[test]
    fn where_only_one_is_taken_it_is_the_temperature() {
        check(
            &with("0.5", "0.9"),
            CLAUDE,
            r#","inferenceConfig":{"temperature":0.5}"#,
            &["top_p"],
        );
        check(
            &with("1", "0.9"),
            CLAUDE,
            r#","inferenceConfig":{"topP":0.9}"#,
            &[],
        );
    }

    #[test]
    fn a_model_without_sampling_leaves_both_but_defaults_silently() {
        let model = "anthropic.claude-opus-5";
        check(&with("0.5", "0.9"), model, "", &["temperature", "top_p"]);
        check(&with("1.0", "1"), model, "", &[]);
    }

    #[test]
    fn a_limit_is_carried_within_the_model_and_the_wire() {
        let gpt = "openai.gpt-5.6";
        check(
            &with_limit(5),
            UNKNOWN,
            r#","inferenceConfig":{"maxTokens":5}"#,
            &[],
        );
        check(
            &with_limit(5),
            gpt,
            r#","inferenceConfig":{"maxTokens":16}"#,
            &["max_tokens"],
        );
        check(
            &with_limit(u64::MAX),
            UNKNOWN,
            r#","inferenceConfig":{"maxTokens":2147483647}"#,
            &[],
        );
    }

    #[test]
    fn stop_sequences_are_copied_escaped() {
        check(
            &with_stop(&[r"a\n", "b"]),
            UNKNOWN,
            r#","inferenceConfig":{"stopSequences":["a\n","b"]}"#,
            &[],
        );
    }

    #[test]
    fn blank_stop_sequences_are_told_as_left_where_the_model_refuses_them() {
        const CLAUDE: &str = "anthropic.claude-opus-4-5";
        check(
            &with_stop(&[r"\n\n", "b"]),
            CLAUDE,
            r#","inferenceConfig":{"stopSequences":["b"]},"additionalModelResponseFieldPaths":["/stop_sequence"]"#,
            &["stop"],
        );
        check(
            &with_stop(&[r"\n"]),
            CLAUDE,
            r#","additionalModelResponseFieldPaths":["/stop_sequence"]"#,
            &["stop"],
        );
        check(
            &with_stop(&[r"\n\n", "b"]),
            UNKNOWN,
            r#","inferenceConfig":{"stopSequences":["\n\n","b"]}"#,
            &[],
        );
    }

    #[test]
    fn a_model_without_stop_sequences_leaves_them() {
        check(&with_stop(&["b"]), "openai.gpt-5.6", "", &["stop"]);
    }
}
