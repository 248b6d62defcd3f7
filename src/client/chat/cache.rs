//! Marks that end a prefix to cache, in OpenAI's words and in Anthropic's.
//!
//! OpenAI's `prompt_cache_breakpoint` stands on a part of a message. Many apps write Anthropic's
//! `cache_control` instead, on a part, a message or a tool, for other gateways take it: it means the same.

use crate::client::read::{Path, Reader, set, wrong_value};
use crate::fault::Fault;
use crate::turn::CacheLife;

/// Reads either mark, or `prompt_cache_options`: of all of them the `ttl` counts.
pub(super) fn read_cache_life(reader: &mut Reader<'_>, at: &Path<'_>) -> Result<CacheLife, Fault> {
    let mut minutes = None;
    reader.object(at, |reader, key| match key {
        "ttl" => {
            let at = at.field("ttl");
            let life = match &*reader.text(&at)? {
                "5m" => 5,
                "30m" => 30,
                "1h" => 60,
                "12h" => 720,
                _ => return Err(wrong_value(&at, "must be 5m, 30m, 1h or 12h")),
            };
            set(&mut minutes, life, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(CacheLife { minutes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mark: &str, want: Option<u32>) {
        let life = read_cache_life(&mut Reader::new(mark), &Path::top("cache_control"));
        assert_eq!(life.unwrap().minutes, want);
    }

    #[test]
    fn a_mark_says_how_long() {
        check(r#"{"mode":"explicit"}"#, None);
        check(r#"{"mode":"explicit","ttl":"12h"}"#, Some(720));
        check(r#"{"type":"ephemeral","ttl":"1h"}"#, Some(60));
    }

    #[test]
    fn another_life_is_refused() {
        let mark = r#"{"ttl":"1d"}"#;
        let life = read_cache_life(&mut Reader::new(mark), &Path::top("cache_control"));
        assert_eq!(life.unwrap_err().param(), Some("cache_control.ttl"));
    }
}
