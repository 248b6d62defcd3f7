//! `requestMetadata`: what the app notes about a request, as AWS takes it into its own logs.
//!
//! AWS takes up to 16 pairs of up to 256 characters, of ASCII letters, digits, blanks and `_:@$#=/+,-.`.
//! What else there is becomes `_`, what is longer is cut, a pair without a key or whose key is the same as
//! an earlier one's by then is left out; each of it is told as `metadata`.

use std::borrow::Cow;

use crate::codec::json::{Text, write_string};
use crate::fault::Fault;
use crate::turn::Uncarried;

const CHARACTERS_MAX: usize = 256;
const PAIRS_MAX: usize = 16;

/// Appends it.
pub(super) fn write(
    pairs: &[(Text<'_>, Text<'_>)],
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut legal: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(pairs.len());
    let mut is_changed = false;
    for (key, value) in pairs {
        let pair = (legalised(key), legalised(value));
        is_changed |= matches!(pair, (Cow::Owned(_), _) | (_, Cow::Owned(_)));
        let is_new = !pair.0.is_empty() && legal.iter().all(|(known, _)| *known != pair.0);
        if is_new && legal.len() < PAIRS_MAX {
            legal.push(pair);
        } else {
            is_changed = true;
        }
    }
    if is_changed {
        uncarried.leave("metadata")?;
    }
    let mut before: &[u8] = br#","requestMetadata":{"#;
    for (key, value) in &legal {
        out.extend_from_slice(before);
        write_string(out, key);
        out.push(b':');
        write_string(out, value);
        before = b",";
    }
    if !legal.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

fn legalised(text: &str) -> Cow<'_, str> {
    let is_legal = |letter: char| {
        letter.is_ascii_alphanumeric() || letter == ' ' || "_:@$#=/+,-.".contains(letter)
    };
    if text.len() <= CHARACTERS_MAX && text.chars().all(is_legal) {
        return Cow::Borrowed(text);
    }
    let letters = text.chars().take(CHARACTERS_MAX);
    Cow::Owned(
        letters
            .map(|letter| if is_legal(letter) { letter } else { '_' })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Parameters, Rule};

    #[track_caller]
    fn check(pairs: &[(&str, &str)], want: &str, is_told: bool) {
        let rules = Parameters {
            default: Some(Rule::Warn),
            named: Vec::new(),
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut out = Vec::new();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (Text::from(*key), Text::from(*value)))
            .collect();
        write(&pairs, &mut uncarried, &mut out).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap(), want);
        assert_eq!(!uncarried.into_warned().is_empty(), is_told);
    }

    #[test]
    fn legal_pairs_are_carried() {
        check(
            &[("team", "a b/c"), ("note", "")],
            r#","requestMetadata":{"team":"a b/c","note":""}"#,
            false,
        );
    }

    #[test]
    fn others_are_made_legal() {
        check(
            &[("tëam", "\"x\"")],
            r#","requestMetadata":{"t_am":"_x_"}"#,
            true,
        );
        let long = "x".repeat(300);
        let want = format!(r#","requestMetadata":{{"k":"{}"}}"#, "x".repeat(256));
        check(&[("k", &long)], &want, true);
    }

    #[test]
    fn a_key_comes_once() {
        check(
            &[("a!", "1"), ("a?", "2")],
            r#","requestMetadata":{"a_":"1"}"#,
            true,
        );
        check(&[("", "1")], "", true);
    }
}
