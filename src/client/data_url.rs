//! `data:` URLs, in which apps put pictures and documents (RFC 2397).
//!
//! Only base64 is taken: it goes on to the upstream as it is. Parameters such as `;charset=` say
//! nothing about bytes and are skipped. The data is checked to be of base64's alphabet, so that it
//! may be written into any document as it is.

use std::borrow::Cow;

use memchr::memchr2;

use super::read::{Path, wrong_value};
use crate::codec::json::Text;
use crate::fault::Fault;
use crate::turn::{DocumentSource, Image};

/// A picture's URL: its bytes, or a place on the web.
pub(super) fn image<'a>(url: Text<'a>, at: &Path<'_>) -> Result<Image<'a>, Fault> {
    if let Some(parsed) = parse(&url) {
        let DataUrl { media_type, base64 } = parsed.map_err(|problem| wrong_value(at, problem))?;
        return Ok(Image::Inline { media_type, base64 });
    }
    let is_web = ["https://", "http://"].iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if !is_web {
        return Err(wrong_value(
            at,
            "must be a data URL (data:image/png;base64,...) or an https URL",
        ));
    }
    Ok(Image::Url(url))
}

/// A file's data: a `data:` URL, or the bare base64 that OpenAI's reference describes, where the
/// file's name tells the type.
pub(super) fn document<'a>(data: &Text<'a>, at: &Path<'_>) -> Result<DocumentSource<'a>, Fault> {
    let wrong = |problem| wrong_value(at, problem);
    if let Some(parsed) = parse(data) {
        let DataUrl { media_type, base64 } = parsed.map_err(wrong)?;
        return Ok(DocumentSource::Inline { media_type, base64 });
    }
    let bare = match data.borrowed() {
        Some(data) => base64(data).map_err(wrong)?,
        None => Text::from(base64(data).map_err(wrong)?.into_cow().into_owned()),
    };
    Ok(DocumentSource::Inline {
        media_type: Text::from("application/octet-stream"),
        base64: bare,
    })
}

/// What a `data:` URL holds.
#[derive(Debug)]
struct DataUrl<'a> {
    /// In lower case.
    media_type: Text<'a>,
    base64: Text<'a>,
}

/// Reads `url`; gives nothing if it is no `data:` URL, and the problem if it is a bad one.
fn parse<'a>(url: &Text<'a>) -> Option<Result<DataUrl<'a>, &'static str>> {
    let scheme = url.get(.."data:".len())?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    Some(match url.borrowed() {
        Some(url) => parts(url).and_then(|(media_type, data)| {
            Ok(DataUrl {
                media_type: lower_case(media_type),
                base64: base64(data)?,
            })
        }),
        // Escapes, such as PHP's `\/`: what is split off has to be copied.
        None => parts(url).and_then(|(media_type, data)| {
            Ok(DataUrl {
                media_type: Text::from(lower_case(media_type).into_cow().into_owned()),
                base64: Text::from(base64(data)?.into_cow().into_owned()),
            })
        }),
    })
}

/// The media type and the data.
fn parts(url: &str) -> Result<(&str, &str), &'static str> {
    let rest = url.get("data:".len()..).unwrap_or_default();
    let (head, data) = rest
        .split_once(',')
        .ok_or("a data URL has a comma before its data: data:image/png;base64,...")?;
    let mut parameters = head.split(';');
    let media_type = parameters.next().unwrap_or_default().trim();
    let is_base64 = parameters
        .next_back()
        .is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Err("a data URL has to be in base64: data:image/png;base64,...");
    }
    // RFC 2397: without a media type it is plain text.
    let media_type = match media_type {
        "" => "text/plain",
        _ => media_type,
    };
    Ok((media_type, data))
}

fn lower_case(media_type: &str) -> Text<'_> {
    if media_type.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Text::from(media_type.to_ascii_lowercase())
    } else {
        Text::from(media_type)
    }
}

/// Checks base64. Line breaks, as MIME encoders write them, are taken out.
pub(super) fn base64(data: &str) -> Result<Text<'_>, &'static str> {
    let data = match memchr2(b'\n', b'\r', data.as_bytes()) {
        Some(_) => Cow::Owned(data.replace(['\n', '\r'], "")),
        None => Cow::Borrowed(data),
    };
    let unpadded = data.trim_end_matches('=');
    // No early end: so the compiler can look at many bytes at once.
    let is_clean = unpadded.bytes().fold(true, |is_clean, byte| {
        is_clean & (byte.is_ascii_alphanumeric() | (byte == b'+') | (byte == b'/'))
    });
    if !is_clean {
        return Err("the data is no base64: only A-Z a-z 0-9 + / and = at the end are");
    }
    if unpadded.is_empty() {
        return Err("there is no data");
    }
    Ok(match data {
        Cow::Borrowed(data) => Text::from(data),
        Cow::Owned(data) => Text::from(data),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `media type|data`, the problem, or `none`.
    fn parsed(url: &Text<'_>) -> String {
        match parse(url) {
            Some(Ok(found)) => format!("{}|{}", &*found.media_type, &*found.base64),
            Some(Err(problem)) => problem.to_owned(),
            None => "none".to_owned(),
        }
    }

    #[track_caller]
    fn check(url: &str, want: &str) {
        assert_eq!(parsed(&Text::from(url)), want);
        assert_eq!(parsed(&Text::from(url.to_owned())), want);
    }

    #[test]
    fn a_data_url_has_a_media_type_and_data() {
        check("data:image/png;base64,aGk=", "image/png|aGk=");
    }

    #[test]
    fn case_does_not_matter() {
        check("DATA:Image/PNG;BASE64,aGk=", "image/png|aGk=");
    }

    #[test]
    fn parameters_are_skipped() {
        check(
            "data:text/plain;charset=utf-8;base64,aGk=",
            "text/plain|aGk=",
        );
    }

    #[test]
    fn without_a_media_type_it_is_text() {
        check("data:;base64,aGk=", "text/plain|aGk=");
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        let problem = "a data URL has to be in base64: data:image/png;base64,...";
        check("data:text/plain,hi", problem);
        check("data:base64,hi", problem);
        let problem = "the data is no base64: only A-Z a-z 0-9 + / and = at the end are";
        check("data:image/png;base64,a\"b", problem);
        check("data:image/png;base64,a%3D", problem);
        check("data:image/png;base64,a=b", problem);
    }

    #[test]
    fn what_is_empty_or_cut_is_refused() {
        check("data:image/png;base64,", "there is no data");
        check(
            "data:image/png;base64",
            "a data URL has a comma before its data: data:image/png;base64,...",
        );
    }

    #[test]
    fn line_breaks_are_taken_out() {
        check("data:image/png;base64,aG\r\nk=", "image/png|aGk=");
    }

    #[test]
    fn other_urls_are_none() {
        for url in ["https://a/b.png", "dat", "", "dätä:x"] {
            check(url, "none");
        }
    }

    #[test]
    fn data_without_escapes_is_borrowed() {
        let url = Text::from("data:image/png;base64,aGk=");
        let found = parse(&url).unwrap().unwrap();
        assert_eq!(found.base64.borrowed(), Some("aGk="));
        assert_eq!(found.media_type.borrowed(), Some("image/png"));
    }
}
