//! The wish that the model may search the web: chat completions' `web_search_options`, and the tool
//! `web_search` of responses. They say the same; only the place of the person is nested differently.

use super::read::{Path, Reader, set, wrong_value};
use crate::fault::Fault;
use crate::turn::WebSearch;

/// Where the parts of a location stand.
#[derive(Clone, Copy)]
pub(super) enum LocationPlace {
    /// In the member `approximate` of `user_location`.
    Member,
    /// Beside its `type`.
    Beside,
}

const LOCATION: [&str; 4] = ["city", "country", "region", "timezone"];

/// Reads the wish. `name` is what the policy calls it.
pub(super) fn read_web_search<'a>(
    reader: &mut Reader<'a>,
    at: &Path<'_>,
    name: &'static str,
    place: LocationPlace,
) -> Result<WebSearch<'a>, Fault> {
    let mut search = WebSearch {
        name,
        ..WebSearch::default()
    };
    reader.object(at, |reader, key| match key {
        "search_context_size" => {
            let at = at.field("search_context_size");
            let size = reader.text(&at)?;
            if !matches!(&*size, "low" | "medium" | "high") {
                return Err(wrong_value(&at, "must be low, medium or high"));
            }
            set(&mut search.context_size, size, &at)
        }
        "user_location" => {
            let at = at.field("user_location");
            reader.object(&at, |reader, key| match (key, place) {
                ("approximate", LocationPlace::Member) => {
                    let at = at.field("approximate");
                    reader.object(&at, |reader, key| location(&mut search, reader, key, &at))
                }
                (_, LocationPlace::Member) => reader.skip().map(drop),
                (key, LocationPlace::Beside) => location(&mut search, reader, key, &at),
            })
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(search)
}

fn location<'a>(
    search: &mut WebSearch<'a>,
    reader: &mut Reader<'a>,
    key: &str,
    at: &Path<'_>,
) -> Result<(), Fault> {
    let Some(name) = LOCATION.into_iter().find(|known| *known == key) else {
        return reader.skip().map(drop);
    };
    search
        .location
        .push((name, reader.escaped(&at.field(name))?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, place: LocationPlace, want: &str) {
        let at = Path::top("w");
        let got = match read_web_search(&mut Reader::new(json), &at, "w", place) {
            Ok(search) => {
                let places = search.location.iter();
                let places = places.map(|(name, text)| format!("{name} {}", text.as_str()));
                let size = search.context_size.as_deref().unwrap_or("-").to_owned();
                std::iter::once(size)
                    .chain(places)
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            Err(fault) => fault.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn both_forms_say_the_same() {
        check(
            r#"{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"K\u00f6ln","x":1}}}"#,
            LocationPlace::Member,
            r"low, city K\u00f6ln",
        );
        check(
            r#"{"type":"web_search","user_location":{"country":"DE","type":"approximate","region":null}}"#,
            LocationPlace::Beside,
            "-, country DE",
        );
        check("{}", LocationPlace::Member, "-");
    }

    #[test]
    fn an_unknown_size_is_refused() {
        check(
            r#"{"search_context_size":"huge"}"#,
            LocationPlace::Member,
            "w.search_context_size: must be low, medium or high",
        );
    }
}
