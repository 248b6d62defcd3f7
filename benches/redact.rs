//! Speed of the redaction scanner with every detector on, natively and in wasm.
//!
//! `whole` scans 64 KiB of prose, of code, of records dense with findings; `message` a chat message of 4 KiB; `stream` deltas of
//! four characters; `own` patterns and a list beside the detectors, also on texts made to keep patterns busy; `flood` texts made to
//! cost. Of many runs the fastest counts: others share the machine.
//!
//!     cargo bench --bench redact [word]                          # only benchmarks whose name holds the word
//!     cargo bench --bench redact --target wasm32-wasip1 [word]   # in node's V8, the engine that Envoy has

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark counts, takes the time and tells it"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use tollgate::redact::{Action, Folded, Plan, Stream};

use timing::Timing;

mod timing;

const TEXT_BYTES: usize = 64 * 1024;
const MESSAGE_BYTES: usize = 4 * 1024;

/// Prose, documentation and code of this repository.
const ENGLISH: &str = include_str!("../LICENSE");
const DOCS: &str = include_str!("../README.md");
const CODE: &str = concat!(
    include_str!("../src/redact/scan.rs"),
    include_str!("../src/exchange/mod.rs")
);

/// Units of text that call detectors as often as can be.
const FLOODS: &[(&str, &str)] = &[
    ("letters", "a"),
    ("digits", "1234567890"),
    ("ones", "1"),
    ("dashed", "1-"),
    ("triples", "123 "),
    ("visa", "4111 1111 "),
    ("ssn", "536221234 "),
    ("dates", "01/02/1980 "),
    ("orders", "order 12345678 "),
    ("phones", "phone 1 "),
    ("plus", "+1"),
    ("brackets", "(2"),
    ("iban", "DE12 "),
    ("mail", "a@"),
    ("mails", "x@y.z "),
    ("jwt", ".eyJaaaaaa"),
    ("github", "ghp_"),
    ("openai", "sk-"),
    ("names", "s_"),
    ("aws", "AKIA"),
    ("pem", "-----BEGIN "),
    ("tokens", "token="),
    ("urls", "://"),
    ("colons", "a:"),
    ("ipv4", "1.2.3.4 "),
    ("ipv6", "2001:"),
    ("mac", "ff:"),
    ("telegram", "123456789:"),
    ("wallet", "1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "),
    ("ipv6 whole", "2001:db8:1:2:3:4:5:6 "),
    ("ipv6 short", "fe80::1 "),
    ("ipv6 paths", "::"),
    ("times", "10:15:00 "),
    ("stamps", "2026-11-23T10:15:00Z "),
    ("uuids", "123e4567-e89b-12d3-a456-426614174000 "),
    ("hashes", "e3b0c44298fc1c149afbf4c8996fb924"),
    ("cards", "4111-1111-1111-1112,"),
    ("cvv", "cvv 123 "),
    ("ids", "86095742719 "),
    ("words", "a1 b2 c3 "),
    ("json", "\"token\":\"aaaaaaaaaaa11\","),
    ("keys", "key=aaaaaaaaaaaaaaaaaaaaaaaa1 "),
    ("options", "--token aaaaaaaa11 "),
    ("passwords", "password=aaaaaaa "),
    ("base58", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb "),
    ("wide", "４"),
    ("accents", "é"),
    ("base64", ""),
];

/// What comes near to the patterns and the list of [`OWN`].
const NEAR: &[(&str, &str)] = &[
    ("letters", "a"),
    ("digits", "1234567890"),
    ("nearly", "TKT-12345 host-1.corp 1234 "),
    ("codes", "AB12345 "),
    ("words", "falcom blue harbo "),
    ("heads", "blue "),
    ("badges", "12345 "),
    ("exits", "abc-1 "),
    ("hashes", "a #"),
];

fn main() {
    let timing = Timing::new();
    let bench =
        |name: &str, bytes: usize, run: &mut dyn FnMut() -> usize| timing.bench(name, bytes, run);
    let records = records();
    for (name, text) in [
        ("english", ENGLISH),
        ("docs", DOCS),
        ("code", CODE),
        ("records", &records),
    ] {
        let text = repeated(text, TEXT_BYTES);
        bench(&format!("whole {name}"), TEXT_BYTES, &mut scan(&text));
        let message = repeated(&text, MESSAGE_BYTES);
        bench(
            &format!("message {name}"),
            MESSAGE_BYTES,
            &mut scan(&message),
        );
        bench(
            &format!("stream {name}"),
            MESSAGE_BYTES,
            &mut stream(&message),
        );
    }
    for (name, text) in [("english", ENGLISH), ("code", CODE), ("records", &records)]
        .iter()
        .chain(NEAR)
    {
        let text = repeated(text, TEXT_BYTES);
        bench(&format!("own {name}"), TEXT_BYTES, &mut own(OWN, &text));
        bench(&format!("bare {name}"), TEXT_BYTES, &mut scan(&text));
    }
    let many = many();
    // Names of the lists, near misses of them, and what makes patterns read on in vain.
    let late = format!("{}0", "a ".repeat(45));
    for (name, text) in [
        ("english", ENGLISH),
        ("code", CODE),
        ("records", &records),
        ("words", "bakeli nomasi "),
        ("shorts", "ba no "),
        ("phrases", "ba ba "),
        ("late", &late),
        ("tickets", "AB12-345 "),
    ] {
        let text = repeated(text, TEXT_BYTES);
        bench(&format!("many {name}"), TEXT_BYTES, &mut own(&many, &text));
    }
    bench("many compile", many.len(), &mut || {
        usize::from(plan(black_box(&many)).is_some())
    });
    for &(name, unit) in FLOODS {
        let text = if unit.is_empty() {
            base64()
        } else {
            repeated(unit, TEXT_BYTES)
        };
        bench(&format!("flood {name}"), text.len(), &mut scan(&text));
    }
}

fn repeated(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len() + 1)
        .chars()
        .take(bytes)
        .collect()
}

/// A line for each person: a finding or two in every fifty bytes.
fn records() -> String {
    let mut text = String::new();
    let mut number = 7_u32;
    while text.len() < TEXT_BYTES {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (a, b) = (number >> 16, number & 0xFFFF);
        let written = writeln!(
            text,
            "{{\"id\":\"{a:08x}-{b:04x}-41d4-a716-4466554{a:05}\",\"name\":\"Person {b}\",\"email\":\"p{a}@mail{b}.org\",\
             \"phone\":\"+1-212-555-{:04}\",\"ip\":\"{}.{}.4.{}\",\"sha\":\"{a:016x}{b:016x}\",\"at\":\"2026-11-23T10:{}:00Z\"}}",
            b % 10_000,
            a % 200 + 10,
            b % 256,
            a % 250,
            b % 60,
        );
        written.unwrap_or_default();
    }
    text
}

/// Random bytes as base64.
fn base64() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut number = 99_u32;
    let mut next = || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let digit = usize::try_from(number >> 26)
            .ok()
            .and_then(|at| DIGITS.get(at));
        char::from(digit.copied().unwrap_or(b'A'))
    };
    (0..TEXT_BYTES).map(|_| next()).collect()
}

fn scan(text: &str) -> impl FnMut() -> usize {
    let plan = Plan::all(Action::Mask);
    let mut folded = Folded::new();
    move || {
        let mut found = 0;
        plan.scan(black_box(text), &mut folded, |_| found += 1);
        found
    }
}

/// Patterns and a list, one of them made to read far.
const OWN: &str = r#"{"entities": {"all": "mask"}, "on_overrun": "skip",
    "patterns": [
        {"name": "ticket", "pattern": "\\bTKT-\\d{6}\\b", "action": "mask"},
        {"name": "badge", "pattern": "\\b\\d{5}\\b", "action": "mask", "context": ["badge"]},
        {"name": "host", "pattern": "\\b[a-z]{2,12}-\\d{2}\\.corp\\b", "action": "mask"},
        {"name": "code", "pattern": "[A-Z]{2}\\d{6}", "action": "mask"},
        {"name": "greedy", "pattern": "[a-z1-9 ]{1,200}#", "action": "mask"}
    ],
    "lists": [{"name": "projects", "words": ["Falcon", "Blue Harbor", "Nightjar", "Osprey"], "action": "mask"}]
}"#;

/// As many patterns and lists as a policy may have; of the lists every fourth has words that may stand inside others.
fn many() -> String {
    const SYLLABLES: &[&str] = &["ba", "ke", "li", "no", "ma", "si", "to", "ru"];
    let mut section =
        r#"{"entities": {"all": "mask"}, "on_overrun": "skip", "patterns": ["#.to_owned();
    for number in 0..64_u8 {
        let [one, other] = [b'A' + number / 8, b'A' + number % 8].map(char::from);
        let pattern = match number % 16 {
            0 => format!("[a-z ]{{{},250}}0", 100 + number),
            _ => format!(r"\\b{one}{other}\\d{{2}}-\\d{{4,8}}\\b"),
        };
        let comma = if number == 0 { "" } else { ", " };
        section +=
            &format!(r#"{comma}{{"name": "p{number}", "pattern": "{pattern}", "action": "mask"}}"#);
    }
    section += r#"], "lists": ["#;
    for list in 0..16_usize {
        let words = (0..4_096).map(|word: usize| {
            let syllable = |place: usize| {
                let at = (word >> (3 * place)) + list * place;
                SYLLABLES.get(at % SYLLABLES.len()).copied().unwrap_or("")
            };
            let gap = if list % 5 == 0 { " " } else { "" };
            format!(
                r#""{}{gap}{}{}{}x""#,
                syllable(0),
                syllable(1),
                syllable(2),
                syllable(3)
            )
        });
        let words: Vec<String> = words.collect();
        let comma = if list == 0 { "" } else { ", " };
        section += &format!(
            r#"{comma}{{"name": "l{list}", "words": [{}], "action": "mask", "whole_words": {}}}"#,
            words.join(", "),
            list % 4 != 3
        );
    }
    section + "]}"
}

fn plan(section: &str) -> Option<Plan> {
    let root = tollgate::document::parse(section.as_bytes()).ok()?;
    tollgate::document::read(&root, |fields| Plan::read(fields, &|_| None)).ok()
}

/// What an admin describes beside the detectors.
fn own(section: &str, text: &str) -> impl FnMut() -> usize {
    let mut compiled = None;
    let mut folded = Folded::new();
    move || {
        let mut found = 0;
        // Not for a benchmark that is not run.
        if let Some(plan) = compiled.get_or_insert_with(|| plan(section)) {
            plan.scan(black_box(text), &mut folded, &mut |_| found += 1);
        }
        found
    }
}

/// Deltas of four characters.
fn stream(text: &str) -> impl FnMut() -> usize {
    let letters: Vec<char> = text.chars().collect();
    let deltas: Vec<String> = letters
        .chunks(4)
        .map(|chunk| chunk.iter().collect())
        .collect();
    let plan = Plan::all(Action::Mask);
    let mut out = String::new();
    move || {
        let mut stream = Stream::default();
        out.clear();
        for delta in &deltas {
            stream.push(&plan, black_box(delta), &mut out, &mut |_| {});
        }
        stream.finish(&plan, &mut out, &mut |_| {});
        out.len()
    }
}
