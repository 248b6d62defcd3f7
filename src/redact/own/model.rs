//! What patterns, lists and decoding find, beside a model that asks of every place in turn and of every end.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::properties::Random;
use super::super::restored;
use super::super::{Finding, Folded, Plan, Stream};
use super::pattern::CONTEXT_BYTES;
use super::syntax::{self, Node};
use super::*;
use core::ops::Range;

/// A pattern as the model knows it.
struct Shape {
    pattern: syntax::Pattern,
    context: Vec<Vec<u8>>,
    score: u8,
}

/// A list as the model knows it.
struct Words {
    words: Vec<Vec<u8>>,
    ignores_case: bool,
    is_whole: bool,
    score: u8,
}

/// A section and what it means.
struct Described {
    section: String,
    shapes: Vec<Shape>,
    lists: Vec<Words>,
}

fn folded(text: &str) -> Vec<u8> {
    let mut folded = Folded::new();
    folded.fold(text);
    folded.bytes(text).to_vec()
}

/// All places where a match that begins here may end.
fn ends(node: &Node, bytes: &[u8], from: &BTreeSet<usize>) -> BTreeSet<usize> {
    match node {
        Node::One(set) => {
            let fits = |at: &&usize| bytes.get(**at).is_some_and(|&byte| set.has(byte));
            from.iter().filter(fits).map(|at| at + 1).collect()
        }
        Node::All(nodes) => {
            let from = from.clone();
            let next = |from: BTreeSet<usize>, node| ends(node, bytes, &from);
            nodes.iter().fold(from, next)
        }
        Node::Any(nodes) => {
            let each = nodes.iter().flat_map(|node| ends(node, bytes, from));
            each.collect()
        }
        Node::Repeated { node, min, max } => {
            let (mut all, mut reached) = (BTreeSet::new(), from.clone());
            for count in 0..=*max {
                if count >= *min {
                    all.extend(&reached);
                }
                reached = ends(node, bytes, &reached);
            }
            all
        }
    }
}

fn word_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|&byte| is_word(byte))
}

fn word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && word_at(bytes, at - 1)
}

fn is_edge(bytes: &[u8], at: usize) -> bool {
    word_before(bytes, at) != word_at(bytes, at)
}

/// Where the longest of these words that begins here and ends up to a place ends.
fn longest(
    words: &[Vec<u8>],
    (ignores_case, is_whole): (bool, bool),
    bytes: &[u8],
    at: usize,
    until: usize,
) -> Option<usize> {
    let is_inside = |at: usize| is_whole && word_before(bytes, at) && word_at(bytes, at);
    if is_inside(at) {
        return None;
    }
    let ends = words.iter().filter_map(|word| {
        let text = bytes.get(at..at + word.len())?;
        let is_same = match ignores_case {
            true => text.eq_ignore_ascii_case(word),
            false => text == word,
        };
        let end = at + word.len();
        (is_same && end <= until && !is_inside(end)).then_some(end)
    });
    ends.max()
}

impl Described {
    /// What is found here: its place among the rules, where it ends, its score.
    fn at(&self, bytes: &[u8], at: usize) -> Option<(u16, usize, u8)> {
        let mut all: Vec<(u16, usize, u8)> = Vec::new();
        for (place, shape) in (0..).zip(&self.shapes) {
            let pattern = &shape.pattern;
            if pattern.is_edge_before && !is_edge(bytes, at) {
                continue;
            }
            let ends = ends(&pattern.node, bytes, &BTreeSet::from([at]));
            let end = ends
                .into_iter()
                .rfind(|&end| !pattern.is_edge_behind || is_edge(bytes, end));
            let has_context = || {
                let from = at.saturating_sub(CONTEXT_BYTES);
                shape.context.is_empty()
                    || (from..at).any(|from| {
                        longest(&shape.context, (true, true), bytes, from, at).is_some()
                    })
            };
            if let Some(end) = end.filter(|_| has_context()) {
                all.push((place, end, shape.score));
            }
        }
        for (place, list) in (0..).zip(&self.lists) {
            let how = (list.ignores_case, list.is_whole);
            if let Some(end) = longest(&list.words, how, bytes, at, usize::MAX) {
                let place = u16::try_from(self.shapes.len()).unwrap() + place;
                all.push((place, end, list.score));
            }
        }
        all.into_iter().reduce(|one, other| {
            let better = if (other.2, other.1) > (one.2, one.1) {
                other
            } else {
                one
            };
            (better.0, one.1.max(other.1), better.2)
        })
    }

    /// Everything that is found in a text.
    fn all(&self, text: &str) -> Vec<(Kind, Range<usize>, u8)> {
        let mut folded = Folded::new();
        folded.fold(text);
        let bytes = folded.bytes(text);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            if let Some((place, end, score)) = self.at(bytes, at) {
                let span = folded.start(text, at)..folded.end(text, end);
                found.push((Kind::Own(place), span, score));
                at = end;
            } else {
                at += 1;
            }
        }
        found
    }
}

/// Letters of patterns and texts: few, so that they meet.
const LETTERS: &[&str] = &[
    "a", "a", "b", "c", "B", "1", "2", "-", " ", ".", "é", "xy", "ab",
];
/// What texts have besides: letters in disguise, what is invisible, and what nothing matches.
const DISGUISED: &[&str] = &[
    "а", "ｂ", "Ｃ", "１", "\u{200B}", "a\u{301}", "#", "_", "\n", "É", "A", " a", "xyz ", "猎",
];

fn of<'s>(random: &mut Random, all: &[&'s str]) -> &'s str {
    all[random.below(all.len())]
}

/// A pattern of small parts; not each is let in.
fn pattern(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        match random.below(if depth == 0 { 7 } else { 10 }) {
            0 => text.push_str(of(random, &["\\d", "\\w", "\\s", "\\W", "\\D", "."])),
            1 => text.push_str(of(
                random,
                &["[ab]", "[^a1]", "[a-c1-2]", "[ -.]", "[a-z ]"],
            )),
            7 => {
                let (one, other) = (pattern(random, depth - 1), pattern(random, depth - 1));
                write!(text, "({one}|{other})").unwrap();
            }
            8 => write!(text, "({})", pattern(random, depth - 1)).unwrap(),
            _ => text.push_str(&of(random, LETTERS).replace('.', "\\.")),
        }
        let last_is_one = !text.ends_with("xy") && !text.ends_with("ab");
        match random.below(8) {
            0 if last_is_one => text.push('?'),
            1 if last_is_one => {
                let min = random.below(4);
                write!(text, "{{{min},{}}}", min + 1 + random.below(30)).unwrap();
            }
            2 if last_is_one => write!(text, "{{{}}}", 1 + random.below(4)).unwrap(),
            _ => {}
        }
    }
    text
}

fn some(random: &mut Random, most: usize, all: &[&str]) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(most) {
        text.push_str(of(random, all));
    }
    text
}

fn words(random: &mut Random, most: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..=random.below(most) {
        let letters = if random.below(9) == 0 { 24 } else { 5 };
        let word = some(random, letters, LETTERS);
        if (2..=40).contains(&word.len()) && folded(&word).len() > 1 {
            words.push(word);
        }
    }
    words
}

/// Some patterns and lists; nothing if they are refused.
fn described(random: &mut Random) -> Option<(Described, Plan)> {
    let (mut patterns, mut shapes) = (Vec::new(), Vec::new());
    for place in 0..random.below(5) {
        let [before, behind] = [(); 2].map(|()| ["", "\\b"][random.below(2)]);
        let text = format!("{before}({}){behind}", pattern(random, 2));
        let ignores_case = random.below(3) == 0;
        let score = u8::try_from(80 + random.below(3)).unwrap();
        let context = if random.below(4) == 0 {
            words(random, 3)
        } else {
            Vec::new()
        };
        let Ok(pattern) = syntax::parse(&text, ignores_case) else {
            continue;
        };
        let text = serde_json::to_string(&text).unwrap();
        let words = match context.is_empty() {
            true => String::new(),
            false => format!(
                r#", "context": {}"#,
                serde_json::to_string(&context).unwrap()
            ),
        };
        patterns.push(format!(
            r#"{{"name": "p{place}", "pattern": {text}, "action": "report", "ignore_case": {ignores_case}, "score": {score}{words}}}"#
        ));
        shapes.push(Shape {
            pattern,
            context: context.iter().flat_map(|it| spellings(it)).collect(),
            score,
        });
    }
    let (mut texts, mut lists) = (Vec::new(), Vec::new());
    for place in 0..random.below(4) {
        let words = words(random, 8);
        let (ignores_case, is_whole) = (random.below(3) > 0, random.below(3) > 0);
        let score = u8::try_from(80 + random.below(3)).unwrap();
        let case = if ignores_case { "ignore" } else { "exact" };
        texts.push(format!(
            r#"{{"name": "l{place}", "words": {}, "action": "report", "case": "{case}", "whole_words": {is_whole}, "score": {score}}}"#,
            serde_json::to_string(&words).unwrap()
        ));
        lists.push(Words {
            words: words
                .iter()
                .flat_map(|word| match ignores_case {
                    true => spellings(word),
                    false => vec![folded(word)],
                })
                .collect(),
            ignores_case,
            is_whole,
            score,
        });
    }
    let section = format!(
        r#"{{"entities": {{"all": "off"}}, "on_overrun": "skip", "patterns": [{}], "lists": [{}]}}"#,
        patterns.join(", "),
        texts.join(", ")
    );
    let plan = restored::read(&section).ok()?;
    let described = Described {
        section,
        shapes,
        lists,
    };
    Some((described, plan))
}

/// A word as it is, in small letters and in capitals.
fn spellings(word: &str) -> Vec<Vec<u8>> {
    let cases = [word.to_owned(), word.to_lowercase(), word.to_uppercase()];
    cases.iter().map(|word| folded(word)).collect()
}

fn found(plan: &Plan, text: &str) -> Vec<(Kind, Range<usize>, u8)> {
    let mut found = Vec::new();
    plan.scan(text, &mut Folded::new(), |it| found.push(of_finding(it)));
    found
}

fn of_finding(finding: Finding) -> (Kind, Range<usize>, u8) {
    (finding.kind, finding.span, finding.score)
}

fn streamed<'t>(
    plan: &Plan,
    pieces: impl IntoIterator<Item = &'t str>,
) -> Vec<(Kind, Range<usize>, u8)> {
    let (mut stream, mut out, mut found) = (Stream::default(), String::new(), Vec::new());
    for piece in pieces {
        stream.push(plan, piece, &mut out, &mut |it| found.push(of_finding(it)));
    }
    stream.finish(plan, &mut out, &mut |it| found.push(of_finding(it)));
    found
}

/// How many sections are tried; ten times as many find no more.
const PLANS: usize = 40;

#[test]
fn what_is_found_is_what_a_model_finds_wherever_the_text_is_cut() {
    let mut random = Random::new(23);
    let (mut plans, mut count) = (0, 0);
    while plans < PLANS {
        let Some((described, plan)) = described(&mut random) else {
            continue;
        };
        plans += 1;
        for round in 0..12 {
            let mut text = String::new();
            for _ in 0..=random.below(if round < 9 { 40 } else { 160 }) {
                match random.below(12) {
                    0 => text.push_str(of(&mut random, DISGUISED)),
                    // A letter that goes on crosses blocks.
                    1 if round > 6 => text.push_str(&of(&mut random, LETTERS).repeat(40)),
                    _ => text.push_str(of(&mut random, LETTERS)),
                }
            }
            let section = &described.section;
            let want = described.all(&text);
            count += want.len();
            assert_eq!(found(&plan, &text), want, "{section} in {text:?}");
            if round % 3 == 0 {
                for (at, _) in text.char_indices() {
                    let (head, tail) = text.split_at(at);
                    let got = streamed(&plan, [head, tail]);
                    assert_eq!(got, want, "{section} in {head:?}|{tail:?}");
                }
            }
            let each = text.split_inclusive(|_| true);
            assert_eq!(streamed(&plan, each), want, "{section} in {text:?}");
        }
    }
    assert!(count > PLANS * 20, "only {count} findings");
}
