//! What a reasoning item's `encrypted_content` holds.
//!
//! The gateway stores nothing, so what a model wants back with its reasoning travels in the item:
//! `tollgate1.s.` and the signature of the item's summary, or `tollgate1.r.` and reasoning that the
//! model does not show, in base64 as it came. Both are the model's own secrets: encrypted by its maker,
//! of no use to anyone else, and checked by the maker when they come back. The number is the version of
//! this form.

use crate::codec::json::Text;
use crate::turn::SEAL;

const SIGNATURE: &str = "s.";
const REDACTED: &str = "r.";

/// What came back.
#[derive(Debug)]
pub(super) enum Sealed<'a> {
    /// The signature of the summary.
    Signature(Text<'a>),
    /// Bytes in base64.
    Redacted(Text<'a>),
}

/// Reads what `encrypted_content` says; nothing if another maker wrote it.
pub(super) fn open<'a>(content: &Text<'a>) -> Option<Sealed<'a>> {
    let after = |prefix: &str| -> Option<Text<'a>> {
        match content.borrowed() {
            Some(content) => content
                .strip_prefix(SEAL)?
                .strip_prefix(prefix)
                .map(Text::from),
            None => {
                let rest = content.strip_prefix(SEAL)?.strip_prefix(prefix)?;
                Some(Text::from(rest.to_owned()))
            }
        }
    };
    let signature = after(SIGNATURE).filter(|text| !text.is_empty());
    let redacted = || after(REDACTED).filter(|text| !text.is_empty());
    signature
        .map(Sealed::Signature)
        .or_else(|| redacted().map(Sealed::Redacted))
}

/// Appends the start of a signature's seal; the signature follows.
pub(super) fn begin_signature(out: &mut String) {
    out.push_str(SEAL);
    out.push_str(SIGNATURE);
}

/// Appends the start of the seal of what is not shown; its base64 follows.
pub(super) fn begin_redacted(out: &mut String) {
    out.push_str(SEAL);
    out.push_str(REDACTED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, want: &str) {
        for content in [Text::from(content), Text::from(content.to_owned())] {
            let got = match open(&content) {
                Some(Sealed::Signature(text)) => format!("signature {}", &*text),
                Some(Sealed::Redacted(text)) => format!("redacted {}", &*text),
                None => "nothing".to_owned(),
            };
            assert_eq!(got, want);
        }
    }

    #[test]
    fn what_is_sealed_is_opened() {
        let mut sealed = String::new();
        begin_signature(&mut sealed);
        check(&format!("{sealed}a.b"), "signature a.b");
        sealed.clear();
        begin_redacted(&mut sealed);
        check(&format!("{sealed}YQ=="), "redacted YQ==");
    }

    #[test]
    fn what_others_wrote_is_nothing() {
        for content in [
            "",
            "gAAAAAB",
            "tollgate1.",
            "tollgate1.s.",
            "tollgate2.s.x",
            "s.x",
        ] {
            check(content, "nothing");
        }
    }
}
