//! Parameters that are the same in chat completions and in responses.

use super::read::{Path, Reader, wrong_kind, wrong_value};
use crate::codec::json::{Kind, Text};
use crate::fault::Fault;
use crate::turn::{Effort, Other, Request, ServiceTier};

/// Pairs of `metadata`, as OpenAI counts.
const METADATA_MAX: usize = 16;

/// `fast` is another word for `priority`. A tier that no other provider has, or that is newer than
/// this, is left behind.
pub(super) fn read_service_tier(
    reader: &mut Reader<'_>,
    request: &mut Request<'_>,
) -> Result<(), Fault> {
    request.service_tier = match &*reader.text(&Path::top("service_tier"))? {
        "auto" => None,
        "default" => Some(ServiceTier::Default),
        "flex" => Some(ServiceTier::Flex),
        "priority" | "fast" => Some(ServiceTier::Priority),
        _ => {
            request.others.push(Other::named("service_tier"));
            None
        }
    };
    Ok(())
}

pub(super) fn read_metadata<'a>(
    reader: &mut Reader<'a>,
) -> Result<Vec<(Text<'a>, Text<'a>)>, Fault> {
    let at = Path::top("metadata");
    let mut pairs = Vec::new();
    reader.object(&at, |reader, key| {
        if pairs.len() >= METADATA_MAX {
            return Err(wrong_value(&at, "may have at most 16 pairs"));
        }
        if reader.kind() != Kind::String {
            return Err(wrong_kind(&at, "every value must be a string"));
        }
        pairs.push((Text::from(key.to_owned()), reader.text(&at)?));
        Ok(())
    })?;
    Ok(pairs)
}

pub(super) fn read_effort(reader: &mut Reader<'_>, at: &Path<'_>) -> Result<Effort, Fault> {
    Effort::parse(&reader.text(at)?)
        .ok_or_else(|| wrong_value(at, "must be none, minimal, low, medium, high, xhigh or max"))
}

/// Whether a value says no more than leaving the parameter out. The defaults are written without blanks.
pub(super) fn is_default(defaults: &[(&str, &[&str])], name: &str, value: &str) -> bool {
    let Some((_, defaults)) = defaults.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    defaults.iter().any(|default| {
        let written = value.bytes().filter(|byte| !byte.is_ascii_whitespace());
        written.eq(default.bytes())
    })
}
