//! What holds for any text: a stream gives what the whole gives, and work is linear.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use super::view::EVERY;
use super::*;
use std::collections::BTreeMap;

/// Texts that hold every kind of finding, and much that nearly is one.
const TEXTS: &[&str] = &[
    "Card 4111 1111 1111 1111, exp 12/27, cvv 123; mail jane.doe@mail.corp.org or 4111-1111-1111-1111.john@x.com!",
    "IBAN DE89 3704 0044 0532 0130 00 / GB82WEST12345698765432; SSN 536-22-1234; ssn 536221234; tel (212) 555-0143 x12",
    "host 8.8.4.4:53, 2a00:1450:4001:81b::200e, 3c:22:fb:9a:01:7e; postgres://app:s3cr3t@db:5432/x https://a:b@c.d/",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a, AKIAIOSFODNN7EXAMPLE eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.",
    "x -----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY----- y -----BEGIN EC PRIVATE KEY-----\nabc!",
    "{\"password\": \"hunter2!\", \"api_key\":\"9f8e7d6c5b4a39281706\",\"n\":\"４１１１ １１１１\u{200B} １１１１ １１１１\u{301}é\"} jаne＠example.org",
    "CPF 529.982.247-25 NHS 943 476 5919 12345678Z RSSMRA85T10A562S 131052-308T 1EG4-TE5-MK73 12.345.678-5 born 01/02/1980",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 123456789:AAF9f8e7d6c5b4a39281706AAF9f8e7d6c5x",
    "Authorization: Bearer 9f8e7d6c5b4a3928xyz; sk-proj-9f8e7d6c5b4a39281706AbCdEfGhIjKlMn https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX1234",
    "amFuZUBjb3JwLmNvbQ== x=jane%40corp.com YW1GdVpVQmpiM0p3TG1OdmJRPT0= [EMAIL_BCDFGHLMNPQR] Private K\u{200B}ey, hÖst abc-123 111 11 or at x-key abc=!",
    "aaaa-bbbb-cccc 1-2-3-4 a@b a@b.c.d.e@f.gh +1 +49 ( (2 eyJ eyJhbGciOi.x -----BEGIN - ---- 10.0.0. 1.2.3 :: a:b:c =\"\" ghp_ AKIA",
];

/// Numbers that look random and are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Every action, patterns, lists and decoding at once.
const EVERYTHING: &str = r#"{
    "entities": {
        "all": "placeholder", "identity": "hash", "network": {"action": "mask", "with": "***"},
        "secrets": "mask", "iban": "report", "payment_card": {"action": "partial", "keep_last": 4}
    },
    "hash_key_variable": "KEY",
    "patterns": [
        {"name": "word", "pattern": "\\b[a-z]{3}-?\\d{1,4}\\b", "action": "placeholder"},
        {"name": "pair", "pattern": "(?i)(or|at|x) .{1,40}[!.]", "action": "report"},
        {"name": "digits", "pattern": "1{3}[ 1-9]{0,12}", "action": "mask", "score": 99},
        {"name": "after", "pattern": "[^ ]{2,9}=", "action": "mask", "context": ["key", "proj"]}
    ],
    "lists": [
        {"name": "words", "words": ["mail", "example.org", "private key", "höst", "cvv 123"], "action": "placeholder"},
        {"name": "scraps", "words": ["bc", "f.gh", "AAF9"], "action": "hash", "case": "exact", "whole_words": false}
    ],
    "decode": {"base64": 2, "url": 1},
    "allow_domains": ["b.c.d.e"]
}"#;

fn plans() -> Vec<Plan> {
    vec![
        restored::plan(EVERYTHING),
        restored::placeholders(),
        Plan::all(Action::Mask),
        Plan::all(Action::Partial { keep_last: 4 }),
        Plan::all(Action::Report),
    ]
}

/// The whole text redacted, and what was found.
fn whole(plan: &Plan, text: &str) -> (String, Vec<Finding>) {
    let (mut out, mut found, mut end) = (String::new(), Vec::new(), 0);
    plan.scan(text, &mut Folded::new(), |finding| {
        assert!(finding.span.start >= end, "findings overlap in {text:?}");
        out.push_str(&text[end..finding.span.start]);
        plan.replace(
            &finding,
            &text[finding.span.clone()],
            Tenant::default(),
            &mut out,
        );
        end = finding.span.end;
        found.push(finding);
    });
    out.push_str(&text[end..]);
    (out, found)
}

fn streamed<'t>(plan: &Plan, pieces: impl Iterator<Item = &'t str>) -> (String, Vec<Finding>) {
    let (mut out, mut found) = (String::new(), Vec::new());
    let mut stream = Stream::default();
    for piece in pieces {
        stream.push(plan, piece, &mut out, &mut |finding| found.push(finding));
    }
    stream.finish(plan, &mut out, &mut |finding| found.push(finding));
    (out, found)
}

/// Cuts a text into pieces of so many characters.
fn pieces(text: &str, mut length: impl FnMut() -> usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let length = length();
        let end = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

#[track_caller]
fn check_cuts(plan: &Plan, text: &str, random: &mut Random) {
    let want = whole(plan, text);
    for length in 1..=3 {
        let got = streamed(plan, pieces(text, || length).into_iter());
        assert_eq!(got, want, "in pieces of {length}: {text:?}");
    }
    for _ in 0..4 {
        let cut = pieces(text, || 1 + random.below(24));
        assert_eq!(streamed(plan, cut.iter().copied()), want, "in {cut:?}");
    }
}

#[test]
fn a_stream_gives_what_the_whole_gives() {
    let mut random = Random::new(7);
    for plan in plans() {
        for text in TEXTS {
            check_cuts(&plan, text, &mut random);
        }
        check_cuts(&plan, &TEXTS.concat(), &mut random);
    }
}

#[test]
fn a_stream_cut_in_two_anywhere_gives_what_the_whole_gives() {
    for plan in [Plan::all(Action::Mask), restored::plan(EVERYTHING)] {
        for text in TEXTS {
            let want = whole(&plan, text);
            for (at, _) in text.char_indices() {
                let (head, tail) = text.split_at(at);
                assert_eq!(
                    streamed(&plan, [head, tail].into_iter()),
                    want,
                    "{head:?}|{tail:?}"
                );
            }
        }
    }
}

/// Random texts of pieces that matter: what detectors expect, in any order.
#[test]
fn a_stream_of_scraps_gives_what_the_whole_gives() {
    let scraps: Vec<&str> = TEXTS
        .iter()
        .flat_map(|text| text.split_inclusive([' ', ':', '@', '-', '.', '=']))
        .collect();
    let mut random = Random::new(99);
    for (plan, texts) in [
        (Plan::all(Action::Mask), 1_500),
        (restored::plan(EVERYTHING), 400),
    ] {
        for _ in 0..texts {
            let count = 1 + random.below(12);
            let text: String = (0..count)
                .map(|_| scraps[random.below(scraps.len())])
                .collect();
            check_cuts(&plan, &text, &mut random);
        }
    }
}

/// Detectors find nothing at the triggers that they are not asked about.
#[test]
fn what_is_let_out_is_nothing() {
    let floods = FLOODS.iter().copied();
    let scraps: Vec<&str> = TEXTS
        .iter()
        .flat_map(|text| text.split_inclusive([' ', ':', '@', '-', '.', '=']))
        .chain(floods)
        .chain([
            "ip8.8.4.4",
            "card 1 4111 - 1111 1111 - 1111 ",
            "ssn536-22-1234",
        ])
        .collect();
    let marks: Vec<char> = "0123456789 -./:=@_+(xXaAzZwIJKefSsTt\"',\\<>é４|~"
        .chars()
        .collect();
    let mut random = Random::new(23);
    let plan = restored::plan(r#"{"entities": {"all": "mask"}, "score_min": 1}"#);
    for round in 0..60_000 {
        // What is let out has sixteen bytes on both sides.
        let mut text: String = "said: what is at ".to_owned();
        for _ in 0..1 + random.below(6) {
            text.push_str(scraps[random.below(scraps.len())]);
            match round % 3 {
                0 => {
                    text.pop();
                }
                1 => text.push(marks[random.below(marks.len())]),
                _ => {}
            }
        }
        text.push_str(" and so the next is there");
        let [got, want] = [0, EVERY].map(|steps| {
            let (mut folded, mut found) = (Folded::new(), Vec::new());
            folded.steps.set(steps);
            plan.scan(&text, &mut folded, |finding| found.push(finding));
            found
        });
        assert_eq!(got, want, "{text:?}");
    }
}

/// What a request hides comes back whole, wherever the answer that repeats it is cut.
#[test]
fn what_is_hidden_is_restored() {
    let plan = restored::plan(
        r#"{
            "entities": {"all": "placeholder", "secrets": "off"}, "hash_key_variable": "KEY",
            "patterns": [{"name": "p", "pattern": "[a-z]{3}-\\d{1,3}", "action": "placeholder"}],
            "lists": [{"name": "l", "words": ["mail", "or"], "action": "placeholder"}],
            "decode": {"base64": 1, "url": 1}
        }"#,
    );
    let scraps: Vec<&str> = TEXTS
        .iter()
        .flat_map(|text| text.split_inclusive([' ', ':', '@', '-', '.', '=']))
        .collect();
    let mut random = Random::new(3);
    for round in 0..600 {
        let count = 1 + random.below(16);
        let text: String = match TEXTS.get(round) {
            Some(text) => (*text).to_owned(),
            None => (0..count)
                .map(|_| scraps[random.below(scraps.len())])
                .collect(),
        };
        let mut vault = Vault::new(Tenant::new("acme"));
        let hid = restored::hidden(&plan, &text, &mut vault);
        for length in [1, 2, 7] {
            let cut = pieces(&hid, || length);
            let got = restored::restored(&vault, Escaping::Plain, cut);
            assert_eq!(got, text, "hidden as {hid}");
        }
        let mut again = Vault::new(Tenant::new("acme"));
        assert_eq!(
            restored::hidden(&plan, &text, &mut again),
            hid,
            "another turn"
        );
    }
}

/// Each pattern beside the `regex` crate: the longest match of all that begin first, whatever the text.
#[test]
fn patterns_match_what_regex_matches() {
    const PATTERNS: &[&str] = &[
        "a",
        "ab|abcd",
        "a{1,3}b?",
        "(ab){1,2}c?",
        "[a-c]{2}",
        "[^a-cA-Z_46\\n]{2}",
        ".b.",
        "\\d{2}-?\\d",
        "\\w{2}1\\W",
        "(a|bc|é)(d|1{2})?",
        "x(yz|y)(z1)?",
        "\\s?a\\D",
        "(a?b?c){2}",
        "(?i)aB[1-2]",
        "\\ba.{1,2}\\b",
        "[\\d-]{3}",
        "a(b(c(d)?)?)?1",
    ];
    const LETTERS: &[&str] = &[
        "a", "b", "c", "d", "1", "2", "-", " ", "é", "x", "y", "z", "A", "B",
    ];
    let mut random = Random::new(11);
    for pattern in PATTERNS {
        let name = serde_json::to_string(pattern).unwrap();
        let plan = restored::plan(&format!(
            r#"{{"entities": {{"all": "off"}}, "patterns": [{{"name": "p", "pattern": {name}, "action": "mask"}}]}}"#
        ));
        for _ in 0..400 {
            let text: String = (0..random.below(14))
                .map(|_| LETTERS[random.below(LETTERS.len())])
                .collect();
            let mut got = Vec::new();
            plan.scan(&text, &mut Folded::new(), |it| got.push(it.span));
            assert_eq!(got, longest(pattern, &text), "{pattern} in {text:?}");
        }
    }
}

/// The same by trying every span. `\\b` is of ASCII there too, and `é` is part of a word.
fn longest(pattern: &str, text: &str) -> Vec<core::ops::Range<usize>> {
    let body = pattern.trim_start_matches(r"\b").trim_end_matches(r"\b");
    let (is_edge_before, is_edge_behind) = (pattern.starts_with(r"\b"), pattern.ends_with(r"\b"));
    let body = body
        .replace("(?i)aB", "[aA][bB]")
        .replace(r"[\d-]", "[0-9-]")
        .replace(r"\d", "[0-9]")
        .replace(r"\D", "[^0-9]")
        .replace(r"\w", "[A-Za-z0-9_]")
        .replace(r"\W", "[^A-Za-z0-9_]");
    let whole = regex::Regex::new(&format!("^(?:{body})$")).unwrap();
    let is_word = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let is_edge =
        |at: usize| is_word(text[..at].chars().next_back()) != is_word(text[at..].chars().next());
    let places: Vec<usize> = (0..=text.len())
        .filter(|&at| text.is_char_boundary(at))
        .collect();
    let (mut found, mut taken) = (Vec::new(), 0);
    for &from in &places {
        let fits = |to: &&usize| {
            **to > from
                && whole.is_match(&text[from..**to])
                && (!is_edge_before || is_edge(from))
                && (!is_edge_behind || is_edge(**to))
        };
        if let Some(&to) = places.iter().rev().find(fits).filter(|_| from >= taken) {
            found.push(from..to);
            taken = to;
        }
    }
    found
}

#[test]
fn a_long_token_is_not_held() {
    let plan = Plan::all(Action::Mask);
    let mut stream = Stream::default();
    let mut out = String::new();
    stream.push(
        &plan,
        "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx",
        &mut out,
        &mut |_| {},
    );
    for _ in 0..10_000 {
        stream.push(&plan, "AbC123_-.", &mut out, &mut |_| {});
        assert!(stream.held_bytes() < 64 && stream.buffered_bytes() < 1_024);
    }
    stream.push(&plan, " y", &mut out, &mut |_| {});
    stream.finish(&plan, &mut out, &mut |_| {});
    assert_eq!(out, "x [JWT] y");
}

#[test]
fn nothing_comes_out_behind_what_blocks() {
    let plan = Plan::all(Action::Block);
    let mut stream = Stream::default();
    let mut out = String::new();
    stream.push(&plan, "mail jane@corp.org and more", &mut out, &mut |_| {});
    stream.push(&plan, " and more", &mut out, &mut |_| {});
    stream.finish(&plan, &mut out, &mut |_| {});
    assert_eq!(stream.blocked(), Some(Entity::Email.into()));
    assert_eq!(out, "mail ");
}

/// Texts made to cost: each the unit of a flood.
const FLOODS: &[&str] = &[
    "a",
    "1",
    "1-",
    "1 ",
    "12 ",
    "123 ",
    "1234 ",
    "1234567890",
    "4111 1111 ",
    "4000000000000000 ",
    "a@",
    "a@b.",
    "x@y.z ",
    ".eyJaaaaaa",
    "eyJaaaaaaaaaaaaaaaa.",
    " eyJ",
    "AB12 ",
    "DE12 ",
    "DE12",
    "a:",
    "a=",
    "token=",
    "password=",
    "\"secret\":",
    "://",
    "a://a:",
    "1a",
    "a1",
    "aaaaaaa1",
    "ghp_",
    "sk-",
    "_",
    "-",
    "--",
    "-----BEGIN ",
    "a-",
    "a.",
    "a_b-",
    "+1",
    "(2",
    "+1 (2)-",
    "1.",
    "1.2.",
    "1.2.3.4 ",
    "f:",
    "ff:",
    "ff-",
    "2001:",
    "::",
    "1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "bc1qqqqqqqqqqqqqqqqqqqqqqqqq ",
    "0x",
    "AKIA",
    "AIza",
    "zzzz",
    "JJJJ",
    "KKKK",
    "536-22-",
    "536221234 ",
    "123456789:",
    "M1aaaaaaaaaaaaaaaaaaaaaaaa.",
    "aaaaaaaaaaaaaa.",
    "http://",
    "ssn ",
    "phone 1 ",
    "order 12345678 ",
    "01/02/1980 ",
    "key=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "４",
    "é",
    "\u{200B}",
    "4\u{200B}",
    "%40",
    "((((",
    "====",
    "@@@@",
    "1x1 ",
    "x1x ",
    "RSSMRA85T10A562S ",
    "1.1-",
    "12.345.678-",
];

#[test]
fn work_is_linear_in_any_flood() {
    let plan = Plan::all(Action::Mask);
    let mut worst = BTreeMap::new();
    for flood in FLOODS {
        let text = flood.repeat(32 * 1024 / flood.len());
        let mut folded = Folded::new();
        plan.scan(&text, &mut folded, |_| {});
        let each = folded.steps.get() / u64::try_from(text.len()).unwrap();
        worst.insert(each, *flood);
    }
    println!("bytes looked at for each byte: {worst:?}");
    let (most, flood) = worst.last_key_value().unwrap();
    assert!(*most <= 40, "{flood:?} costs {most} looks for each byte");
}

#[test]
fn a_debug_shows_no_text() {
    let plan = Plan::all(Action::Mask);
    let mut stream = Stream::default();
    stream.push(&plan, "4111 1111", &mut String::new(), &mut |_| {});
    assert!(!format!("{stream:?}").contains("4111"));
    assert!(!format!("{:?}", stream).contains("1111"));
}
