//! The `redaction` section: rules that say what is redacted for whom, where, and how.
//!
//! The first rule that fits consumer, model and provider holds, and no other: so an exemption is a rule before the general
//! one. A rule has the compiled places of each client format, so that nothing is parsed while requests pass. What a rule
//! would silently miss is a problem: names that nobody has, and selectors that no format can meet.

use std::rc::Rc;

use crate::client::sites::{self, Holds, Site, Sites};
use crate::document::{Fields, Kind, Node};
use crate::fault::{Fault, Invalid};
use crate::glob::Glob;
use crate::redact::Plan;
use crate::redact::document::Media;
use crate::redact::places::{
    ANY, ASIDE, INCLUDED, JSON, KEPT, MEDIA, NAME, NUMBER_SHIFT, SHADOW, TEXT, TOKENS,
};
use crate::redact::select::{Marks, Matcher, Selector};

/// Who is redacted, and how.
#[derive(Debug, Default)]
pub struct Redaction {
    rules: Vec<Rc<RedactionRule>>,
}

/// One rule.
#[derive(Debug)]
pub struct RedactionRule {
    consumers: Option<Vec<Glob>>,
    models: Option<Vec<Glob>>,
    providers: Option<Vec<Glob>>,
    /// What is looked for, and what happens to it.
    pub plan: Plan,
    /// What happens to what cannot be looked into.
    pub media: Media,
    /// Whether answers tell what was found, by [`crate::exchange`]'s header.
    pub tells: bool,
    /// Whether answers are redacted. Values are restored in them if not.
    pub redacts_answers: bool,
    /// The places of an event that no format knows.
    pub unknown: Matcher,
    formats: Vec<(&'static Sites, Sides)>,
}

/// The places of one format.
#[derive(Debug)]
pub struct Sides {
    /// In a request; nothing if requests pass.
    pub request: Option<Matcher>,
    /// In an answer.
    pub answer: Matcher,
}

/// What rules may name.
pub(super) struct Names<'n> {
    pub(super) consumers: Vec<&'n str>,
    pub(super) providers: Vec<&'n str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

const DIRECTIONS: &[(&str, Direction)] = &[
    ("request", Direction::Request),
    ("answer", Direction::Answer),
];
const MEDIAS: &[(&str, Media)] = &[
    ("pass", Media::Pass),
    ("strip", Media::Strip),
    ("refuse", Media::Refuse),
];
/// The word in an `include` for the places that are redacted without one.
const STANDARD: &str = "standard";

impl Redaction {
    /// Reads the section: one rule, or a list of them.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        names: &Names<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let rules = if fields.kind("redaction") == Some(Kind::Map) {
            let rule = fields.map("redaction", |fields| {
                RedactionRule::read(fields, names, variable)
            });
            rule.into_iter().collect()
        } else {
            fields.maps("redaction", |_, fields| {
                RedactionRule::read(fields, names, variable)
            })
        };
        Self {
            rules: rules.into_iter().map(Rc::new).collect(),
        }
    }

    /// The rule that holds: the first that fits. A caller without a name fits `*` only.
    #[must_use]
    pub fn find(
        &self,
        consumer: Option<&str>,
        model: &str,
        provider: &str,
    ) -> Option<&Rc<RedactionRule>> {
        let mut rules = self.of(consumer, provider);
        rules.find(|rule| fits(rule.models.as_deref(), model))
    }

    /// The rule that holds where these models are asked at once, or, without any, one that is not known.
    ///
    /// # Errors
    /// There is more than one.
    pub fn find_for_all<'n>(
        &self,
        consumer: Option<&str>,
        models: impl IntoIterator<Item = &'n str>,
        provider: &str,
    ) -> Result<Option<&Rc<RedactionRule>>, Fault> {
        let mut found = models
            .into_iter()
            .map(|model| self.find(consumer, model, provider));
        let Some(first) = found.next() else {
            return match self.of(consumer, provider).next() {
                Some(rule) if rule.models.is_some() => Err(by_model()),
                rule => Ok(rule),
            };
        };
        let is_first = |rule: Option<&Rc<RedactionRule>>| match (rule, first) {
            (Some(rule), Some(first)) => Rc::ptr_eq(rule, first),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if found.all(is_first) {
            Ok(first)
        } else {
            Err(by_model())
        }
    }

    /// The rules for a consumer's calls to a provider.
    fn of(
        &self,
        consumer: Option<&str>,
        provider: &str,
    ) -> impl Iterator<Item = &Rc<RedactionRule>> {
        self.rules.iter().filter(move |rule| {
            fits(rule.consumers.as_deref(), consumer.unwrap_or_default())
                && fits(rule.providers.as_deref(), provider)
        })
    }
}

fn fits(globs: Option<&[Glob]>, name: &str) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)))
}

/// Nobody knows here which rule holds, so nothing passes.
fn by_model() -> Fault {
    let problem = "decides in this gateway's policy how the request is redacted, and is not one that is known here; \
                   the admin has to redact this consumer's agents by a rule without models";
    Invalid::blocked("model", problem).into()
}

impl RedactionRule {
    fn read(
        fields: &mut Fields<'_>,
        names: &Names<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let consumers = read_names(fields, "consumers", Some(&names.consumers));
        let models = read_names(fields, "models", None);
        let providers = read_names(fields, "providers", Some(&names.providers));
        let directions = fields.some_of("directions", DIRECTIONS);
        if is_empty(fields, "directions") {
            fields.problem("directions", "must not be empty; leave it out for both");
        }
        let goes = |direction| {
            directions
                .as_ref()
                .is_none_or(|some| some.contains(&direction))
        };
        let select = fields.map("select", |fields| {
            let request = fields.map("request", |fields| Some(Select::read(fields, false)));
            let answer = fields.map("answer", |fields| Some(Select::read(fields, true)));
            Some((request.unwrap_or_default(), answer.unwrap_or_default()))
        });
        let media = fields.one_of("media", MEDIAS).unwrap_or_default();
        let tells = fields.boolean("header").unwrap_or(false);
        let plan = Plan::read(fields, variable)?;
        let (request, answer) = select.unwrap_or_default();
        let mut formats = Vec::new();
        for sites in sites::all() {
            let read = |sites: &[Site], select: &Select| {
                let matcher = select.compile(sites);
                if matcher.is_none() {
                    return Err("has more places than this gateway can follow");
                }
                Ok(matcher)
            };
            let sides = match (read(sites.request, &request), read(sites.answer, &answer)) {
                (Ok(request), Ok(Some(answer))) => Sides {
                    request: request.filter(|_| goes(Direction::Request)),
                    answer,
                },
                (Err(problem), _) | (_, Err(problem)) => {
                    fields.problem("select", problem);
                    return None;
                }
                (Ok(_), Ok(None)) => return None,
            };
            formats.push((sites, sides));
        }
        // No policy adds to these, and a test holds that they can be read.
        let unknown = Select::default().compile(sites::UNKNOWN)?;
        Some(Self {
            consumers,
            models,
            providers,
            plan,
            media,
            tells,
            redacts_answers: goes(Direction::Answer),
            unknown,
            formats,
        })
    }

    /// The places of a format, by what the format says of them.
    #[must_use]
    pub fn sides(&self, sites: &Sites) -> Option<&Sides> {
        let mut formats = self.formats.iter();
        let found = formats.find(|(known, _)| std::ptr::eq(*known, sites));
        found.map(|(_, sides)| sides)
    }
}

/// Patterns of names. One that fits none of `known` would never hold.
fn read_names(fields: &mut Fields<'_>, name: &str, known: Option<&[&str]>) -> Option<Vec<Glob>> {
    let globs = fields.list_of_parsed(name, |text| {
        let glob: Glob = text
            .parse()
            .map_err(|error: crate::glob::Error| error.to_string())?;
        match known {
            Some(known) if text != "*" && !known.iter().any(|name| glob.matches(name)) => {
                Err("fits none that this policy has".to_owned())
            }
            _ => Ok(glob),
        }
    });
    if is_empty(fields, name) {
        fields.problem(name, "must not be empty; leave it out for all");
    }
    globs
}

/// Whether a list was written without entries.
fn is_empty(fields: &mut Fields<'_>, name: &str) -> bool {
    let list = fields.node(name).and_then(Node::as_list);
    list.is_some_and(<[Node]>::is_empty)
}

/// What an admin adds to a format's places, or takes from them.
#[derive(Default)]
struct Select {
    /// Nothing means the standard places.
    include: Option<Vec<Option<Selector>>>,
    exclude: Vec<Selector>,
}

impl Select {
    fn read(fields: &mut Fields<'_>, is_answer: bool) -> Self {
        let include = fields.list_of_parsed("include", |text| {
            if text == STANDARD {
                return Ok(None);
            }
            read_selector(text, is_answer, true).map(Some)
        });
        if is_empty(fields, "include") {
            fields.problem(
                "include",
                "must not be empty; leave it out for the standard places",
            );
        }
        let exclude =
            fields.list_of_parsed("exclude", |text| read_selector(text, is_answer, false));
        Self {
            include,
            exclude: exclude.unwrap_or_default(),
        }
    }

    /// The places of one format and direction; nothing if there are too many.
    fn compile(&self, sites: &[Site]) -> Option<Matcher> {
        let is_standard = match &self.include {
            None => true,
            Some(include) => include.iter().any(Option::is_none),
        };
        let mut matcher = Matcher::default();
        for (text, holds) in sites {
            let marks = marks(*holds, is_standard);
            // A test reads each of them.
            let selector: Selector = text.parse().ok()?;
            if !matcher.add(&selector, marks) {
                return None;
            }
        }
        let include = self.include.iter().flatten().flatten();
        let include = include.map(|selector| (selector, INCLUDED));
        let exclude = self.exclude.iter().map(|selector| (selector, KEPT));
        for (selector, marks) in include.chain(exclude) {
            if !matcher.add(selector, marks) {
                return None;
            }
        }
        Some(matcher)
    }
}

const fn marks(holds: Holds, is_standard: bool) -> Marks {
    let text = if is_standard { TEXT } else { 0 };
    match holds {
        Holds::Text => text,
        Holds::Json => text | JSON,
        Holds::Tokens => text | TOKENS,
        Holds::Any if is_standard => ANY,
        Holds::Any => 0,
        Holds::Aside => ASIDE,
        Holds::Kept => NAME,
        Holds::Media(number) => MEDIA | ((number as Marks) << NUMBER_SHIFT),
        Holds::Shadow => SHADOW,
    }
}

fn read_selector(text: &str, is_answer: bool, is_include: bool) -> Result<Selector, String> {
    let selector: Selector = text
        .parse()
        .map_err(|error: crate::redact::select::Error| format!("is {error}"))?;
    if is_answer && selector.needs_whole() {
        let problem = "picks by what it finds, which a stream shows too late; use names, indexes and wildcards";
        return Err(problem.to_owned());
    }
    let is_met = |sites: &&Sites| {
        let own = if is_answer {
            sites.answer
        } else {
            sites.request
        };
        selector.first_name().is_none_or(|name| {
            sites.others.contains(&name) || own.iter().any(|(site, _)| begins_with(site, name))
        })
    };
    if !sites::all().any(|sites| is_met(&sites)) {
        return Err(
            "begins with a member that no client format has; '$..' reaches what the formats do not know"
                .to_owned(),
        );
    }
    let is_kept = |sites: &&Sites| {
        let own = if is_answer {
            sites.answer
        } else {
            sites.request
        };
        own.iter().any(|(site, holds)| {
            *holds == Holds::Kept
                && site
                    .parse::<Selector>()
                    .is_ok_and(|site| site.has(&selector))
        })
    };
    if is_include && sites::all().any(|sites| is_kept(&sites)) {
        return Err("selects keys, ids, names or enumerations, which are never touched".to_owned());
    }
    Ok(selector)
}

/// Whether a site of ours begins with this name.
fn begins_with(site: &str, name: &str) -> bool {
    let Ok(site) = site.parse::<Selector>() else {
        return false;
    };
    site.first_names().any(|first| first == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_of_every_format_is_a_selector() {
        for sites in sites::all() {
            for (site, _) in sites.request.iter().chain(sites.answer) {
                assert!(site.parse::<Selector>().is_ok(), "{site}");
            }
            for (site, holds) in sites.answer {
                let selector: Selector = site.parse().unwrap();
                assert!(!selector.needs_whole(), "{site} cannot follow a stream");
                assert!(!matches!(holds, Holds::Media(_)), "{site}");
            }
            let media = sites.request.iter().filter_map(|(_, holds)| match holds {
                Holds::Media(number) => Some(usize::from(*number)),
                Holds::Text
                | Holds::Any
                | Holds::Json
                | Holds::Aside
                | Holds::Kept
                | Holds::Shadow
                | Holds::Tokens => None,
            });
            assert!(media.max().unwrap_or(0) < sites.parts.len());
        }
    }
}
