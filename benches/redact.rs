//! Native speed of the redaction scanner with every detector on.
//!
//! `whole` scans 64 KiB of prose, of code, of records dense with findings, and of floods made to cost; `message` a chat
//! message of 4 KiB; `stream` one delta after another. `cargo bench --bench redact`; a word behind it picks benchmarks.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "a benchmark counts small things"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use tollgate::redact::{Action, Folded, Plan, Stream};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const TEXT_BYTES: usize = 64 * 1024;
const MESSAGE_BYTES: usize = 4 * 1024;

/// Prose and code of this repository.
const ENGLISH: &str = concat!(include_str!("../LICENSE"), include_str!("../README.md"));
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
    ("wide", "４"),
    ("accents", "é"),
    ("base64", ""),
];

fn main() {
    divan::main();
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

fn scan(bencher: Bencher<'_, '_>, text: &str) {
    let plan = Plan::all(Action::Mask);
    let mut folded = Folded::new();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut found = 0_usize;
            plan.scan(black_box(text), &mut folded, |_| found += 1);
            found
        });
}

#[divan::bench(args = ["english", "code", "records"])]
fn whole(bencher: Bencher<'_, '_>, kind: &str) {
    let text = match kind {
        "english" => repeated(ENGLISH, TEXT_BYTES),
        "code" => repeated(CODE, TEXT_BYTES),
        _ => records(),
    };
    scan(bencher, &text);
}

#[divan::bench(args = FLOODS.iter().map(|(name, _)| *name))]
fn flood(bencher: Bencher<'_, '_>, name: &str) {
    let unit = FLOODS.iter().find(|(known, _)| *known == name);
    let unit = unit.map_or("", |(_, unit)| *unit);
    let text = if unit.is_empty() {
        base64()
    } else {
        repeated(unit, TEXT_BYTES)
    };
    scan(bencher, &text);
}

#[divan::bench(args = ["english", "code"])]
fn message(bencher: Bencher<'_, '_>, kind: &str) {
    let unit = if kind == "english" { ENGLISH } else { CODE };
    scan(bencher, &repeated(unit, MESSAGE_BYTES));
}

/// Patterns and a list beside the detectors: on ordinary text, and on texts made to keep patterns busy.
#[divan::bench(args = ["english", "code", "records", "letters", "digits", "nearly"])]
fn own(bencher: Bencher<'_, '_>, kind: &str) {
    let section = br#"{"entities": {"all": "mask"}, "on_overrun": "skip",
        "patterns": [
            {"name": "ticket", "pattern": "\\bTKT-\\d{6}\\b", "action": "mask"},
            {"name": "badge", "pattern": "\\b\\d{5}\\b", "action": "mask", "context": ["badge"]},
            {"name": "host", "pattern": "\\b[a-z]{2,12}-\\d{2}\\.corp\\b", "action": "mask"},
            {"name": "greedy", "pattern": "[a-z1-9 ]{1,200}#", "action": "mask"}
        ],
        "lists": [{"name": "projects", "words": ["Falcon", "Blue Harbor", "Nightjar", "Osprey"], "action": "mask"}]
    }"#;
    let root = tollgate::document::parse(section);
    let plan = root.ok().and_then(|root| {
        tollgate::document::read(&root, |fields| Plan::read(fields, &|_| None)).ok()
    });
    let text = match kind {
        "english" => repeated(ENGLISH, TEXT_BYTES),
        "code" => repeated(CODE, TEXT_BYTES),
        "records" => records(),
        "letters" => repeated("a", TEXT_BYTES),
        "digits" => repeated("1234567890", TEXT_BYTES),
        _ => repeated("TKT-12345 host-1.corp 1234 ", TEXT_BYTES),
    };
    let mut folded = Folded::new();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut found = 0_usize;
            if let Some(plan) = &plan {
                plan.scan(black_box(&text), &mut folded, |_| found += 1);
            }
            found
        });
}

/// Deltas of four characters; the time is that of one thousand.
#[divan::bench(args = ["english", "code"])]
fn stream(bencher: Bencher<'_, '_>, kind: &str) {
    let unit = if kind == "english" { ENGLISH } else { CODE };
    let text = repeated(unit, 4_000);
    let letters: Vec<char> = text.chars().collect();
    let deltas: Vec<String> = letters
        .chunks(4)
        .map(|chunk| chunk.iter().collect())
        .collect();
    let plan = Plan::all(Action::Mask);
    let mut out = String::new();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut stream = Stream::default();
            out.clear();
            for delta in &deltas {
                stream.push(&plan, black_box(delta), &mut out, |_| {});
            }
            stream.finish(&plan, &mut out, |_| {});
            out.len()
        });
}
