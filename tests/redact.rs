//! What the redaction scanner finds of each entity, what it takes for one, and how much of a stream it holds back.
//!
//! Right values and near misses are made from the entities' definitions (`redact/values.rs`) and stand in prose, code, logs and
//! JSON. The figures are published: `UPDATE_REDACTION=1 cargo test --test redact` writes docs/redaction.md anew.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

#[path = "redact/values.rs"]
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use tollgate::redact::{Action, Entity, Finding, Folded, Plan, Stream};
use values::{FORMS, Kind, NO_SECRETS, Random, TOKENS, kinds};

/// Values of each entity in each surrounding.
const VALUES: usize = 60;

const SURROUNDINGS: [&str; 4] = ["prose", "code", "logs", "JSON"];

/// A value in a surrounding, and where it is.
fn surrounded(at: usize, label: &str, value: &str) -> (String, Range<usize>) {
    let name = label.replace(' ', "_");
    let (head, tail) = match at {
        0 => (
            format!("Please note that the {label} is "),
            ", as we agreed.".to_owned(),
        ),
        1 => (
            format!("    let {name} = \""),
            "\"; // used below\n".to_owned(),
        ),
        2 => (
            format!("2026-11-23T10:15:00Z INFO worker[7]: {name}="),
            " status=ok took=12ms\n".to_owned(),
        ),
        _ => (
            format!("{{\"n\": 1, \"{name}\": \""),
            "\", \"is_new\": true}\n".to_owned(),
        ),
    };
    let span = head.len()..head.len() + value.len();
    (head + value + &tail, span)
}

fn found(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    Plan::all(Action::Mask).scan(text, &mut Folded::new(), |finding| found.push(finding));
    found
}

fn entity(finding: &Finding) -> &'static str {
    match finding.kind {
        tollgate::redact::Kind::Entity(entity) => entity.name(),
        tollgate::redact::Kind::Own(_) => "",
    }
}

/// Whether an entity was found where the value is.
fn is_found(wanted: &str, text: &str, span: &Range<usize>) -> bool {
    found(text).iter().any(|finding| {
        entity(finding) == wanted && finding.span.start < span.end && finding.span.end > span.start
    })
}

/// What is made for an entity, of the table or of the tokens.
struct Measured {
    entity: &'static str,
    example: String,
    label: &'static str,
    /// Of [`VALUES`], in each surrounding.
    right: [usize; 4],
    wrong: Option<usize>,
    limits: &'static str,
}

fn measure(
    entity: &'static str,
    label: &'static str,
    mut make: impl FnMut(&mut Random) -> String,
) -> Measured {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut right = [0; 4];
    let mut example = String::new();
    for number in 0..VALUES * 4 {
        let value = make(&mut random);
        let (text, span) = surrounded(number % 4, label, &value);
        if is_found(entity, &text, &span) {
            right[number % 4] += 1;
        } else if std::env::var_os("SHOW_MISSES").is_some() {
            println!("{entity} not found in {text}");
        }
        example = value;
    }
    Measured {
        entity,
        example,
        label,
        right,
        wrong: None,
        limits: "",
    }
}

fn measured() -> Vec<Measured> {
    let mut all: Vec<Measured> = Vec::new();
    for Kind {
        entity,
        label,
        right,
        wrong,
        limits,
    } in kinds()
    {
        let mut row = measure(entity, label, right);
        row.limits = limits;
        row.wrong = wrong.map(|wrong| {
            let mut random = Random(77);
            let hits = (0..VALUES * 4).filter(|number| {
                let value = wrong(&mut random);
                // Behind the word, whatever could be a phone number is one.
                let label = if entity == "phone" { "figure" } else { label };
                let (text, span) = surrounded(number % 4, label, &value);
                let is_hit = is_found(entity, &text, &span);
                if is_hit && std::env::var_os("SHOW_MISSES").is_some() {
                    println!("{entity} found in {text}");
                }
                is_hit
            });
            hits.count()
        });
        all.push(row);
    }
    for &(entity, patterns) in TOKENS {
        let mut row = measure(entity, "setting", |random| {
            let pattern = random.of(patterns).to_owned();
            random.like(&pattern)
        });
        row.wrong = Some(broken_tokens(entity, patterns));
        row.limits = "shorter ones; other vendors' prefixes";
        all.push(row);
    }
    all
}

/// A token that breaks off in its middle, or whose random part is a name.
fn broken_tokens(entity: &str, patterns: &[&str]) -> usize {
    let mut random = Random(55);
    let hits = (0..VALUES).filter(|number| {
        let pattern = random.of(patterns).to_owned();
        let prefix = pattern.split('<').next().unwrap().to_owned();
        let value = match number % 2 {
            0 => prefix + &random.like("<3x>"),
            _ => prefix + "name_of_something_else",
        };
        let (text, span) = surrounded(number % 4, "setting", &value);
        is_found(entity, &text, &span)
    });
    hits.count()
}

#[test]
fn every_entity_is_measured() {
    let names: BTreeSet<_> = Entity::ALL.iter().map(|entity| entity.name()).collect();
    let measured: BTreeSet<_> = kinds()
        .iter()
        .map(|kind| kind.entity)
        .chain(TOKENS.iter().map(|row| row.0))
        .collect();
    assert_eq!(
        names.difference(&measured).collect::<Vec<_>>(),
        Vec::<&&str>::new()
    );
    assert!(measured.is_subset(&names), "{measured:?}");
}

#[test]
fn cards_accounts_and_addresses_are_found_without_a_miss() {
    for row in measured() {
        let sure = ["payment_card", "iban", "us_ssn", "email", "ipv4", "ipv6"];
        if sure.contains(&row.entity) {
            assert_eq!(
                (row.right, row.wrong),
                ([VALUES; 4], Some(0)),
                "{}",
                row.entity
            );
        }
    }
}

/// UUIDs, hashes, versions, prices, times, order numbers: each as often as [`VALUES`], in every surrounding.
#[rustfmt::skip]
const QUIET: &[(&str, &str, &[&str])] = &[
    ("UUIDs", "id", &["<8h>-<4h>-4<3h>-a<3h>-<12h>"]),
    ("hashes", "digest", &["<32h>", "<40h>", "<64h>", "sha256:<64h>"]),
    ("timestamps", "at", &["2026-11-23T10:<1d>5:00Z", "17<8d>", "17<11d>", "2026-11-2<1d> 10:15:00.<6d>", "17<8d>.<6d>"]),
    ("versions", "version", &["<1d>.<2d>.<1d>", "v<1d>.<1d>.<2d>-rc.<1d>", "<3d>.0.6099.<3d>", "10.<1d>.<4d>.<2d>"]),
    ("prices", "price", &["$<1d>,<3d>.99", "<3d>.<2d>", "EUR <4d>,00", "1 <3d> <3d>.00"]),
    ("order numbers", "order", &["<8d>", "<10d>", "A-<6d>", "#<7d>", "<3d>-<7d>-<7d>", "INV-2026-<6d>"]),
    ("names of objects", "key", &["logs/2026/11/<2d>/<32h>.gz", "arn:aws:iam::<12d>:role/<6a>", "<6a>@sha256:<64h>", "v<1d>.<2d>.<1d>-<2d>-g<8h>", "to-close-an-account-14<11d>"]),
    ("cursors", "next_page_token", &["<24x>", "<40x>", "<32h>", "<64x>"]),
    ("rows of numbers", "values", &["<3d> <2d> <4d> <6d> <2d> 4<3d> 5<3d> 5<3d> <3d>", "5 <3d> <3d> <4d> 7", "<6d>,<2d>.<4d>,<9d>,<3d>", "M<3d>.<2d> <3d>,<3d>-<2d>c<1d>-<2d> <3d>", "7b fa 07 <2d> <2d> <2d> <2d> fe"]),
    ("barcodes", "isbn", &["978<10d>", "400<10d>", "<12d>"]),
    ("measures", "size", &["<4d>x<4d>", "<7d> bytes", "<2d>.<6d> ms", "0x<8h>", "<1d>e-<1d>"]),
];

/// Secrets of each group of forms: found whole, of how many; and findings in the same forms without one, of how many.
fn formed() -> Vec<(&'static str, usize, usize, usize, usize)> {
    let rows = FORMS.iter().map(|&(name, forms)| {
        let mut random = Random(19);
        let (mut right, mut wrong) = (0, 0);
        for number in 0..VALUES * 4 {
            let form = random.of(forms).to_owned();
            let value = random.like(["<1d>9f<21x>", "x<1d><8x>4-<9x>", "<1d>8<30h>"][number % 3]);
            let text = form.replace("<v>", &value);
            let start = text.find(&value).unwrap();
            let is_whole = found(&text)
                .iter()
                .any(|it| it.span.start <= start && it.span.end >= start + value.len());
            if !is_whole && std::env::var_os("SHOW_MISSES").is_some() {
                println!("nothing found in {text}");
            }
            right += usize::from(is_whole);
            let text = form.replace("<v>", random.of(NO_SECRETS));
            let is_hit = !found(&text).is_empty();
            if is_hit && std::env::var_os("SHOW_MISSES").is_some() {
                println!("found in {text}");
            }
            wrong += usize::from(is_hit);
        }
        (name, right, VALUES * 4, wrong, VALUES * 4)
    });
    rows.collect()
}

#[test]
fn secrets_are_found_in_the_forms_they_are_given_in() {
    for (name, right, count, wrong, _) in formed() {
        assert!(
            right * 100 >= count * 97 && wrong == 0,
            "{name}: {right} of {count}, {wrong}"
        );
    }
}

/// Findings in what is nobody's.
fn quiet() -> Vec<(&'static str, usize, usize)> {
    let rows = QUIET.iter().map(|&(name, label, patterns)| {
        let mut random = Random(31);
        let count = VALUES * 16;
        let hits = (0..count).filter(|number| {
            let pattern = random.of(patterns).to_owned();
            let (text, _) = surrounded(number % 4, label, &random.like(&pattern));
            let found = found(&text);
            if let Some(first) = found.first() {
                println!("{} in {text}", entity(first));
            }
            !found.is_empty()
        });
        (name, hits.count(), count)
    });
    rows.collect()
}

fn files(folder: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|it| it == "rs") {
            out.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn our_own_code_is_quiet() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in [
        "src/exchange",
        "src/codec",
        "src/client",
        "src/turn",
        "src/provider",
        "src/abi",
        "src/document",
        "examples",
    ] {
        files(&root.join(folder), &mut texts);
    }
    let (mut bytes, mut hits) = (0, 0);
    for text in &texts {
        // Tests are full of keys.
        let text = text.split("#[cfg(test)]").next().unwrap();
        bytes += text.len();
        for finding in found(text) {
            println!("{}: {}", entity(&finding), &text[finding.span]);
            hits += 1;
        }
    }
    let rate = f64::from(hits) * 1_048_576.0 / bytes as f64;
    println!("{hits} findings in {bytes} bytes of code: {rate:.1} in a MiB");
    assert!(rate <= 5.0);
    let license = std::fs::read_to_string(root.join("LICENSE")).unwrap();
    assert_eq!(found(&license), []);
}

/// Pieces as models stream them: a word with the space before it, three digits, or one mark.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let body = rest.strip_prefix(' ').unwrap_or(rest);
        let head = rest.len() - body.len();
        let letters = body
            .find(|it: char| !it.is_alphabetic())
            .unwrap_or(body.len());
        let digits = body
            .find(|it: char| !it.is_ascii_digit())
            .unwrap_or(body.len());
        let length = match (letters, digits) {
            (0, 0) => first.len_utf8(),
            (0, digits) => head + digits.min(3),
            (letters, _) => {
                let cut = body
                    .char_indices()
                    .nth(7)
                    .map_or(letters, |(at, _)| at.min(letters));
                head + cut
            }
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Bytes held after each piece: the mean, and the 99th of a hundred.
fn held(text: &str) -> (f64, usize) {
    let plan = Plan::all(Action::Mask);
    let (mut stream, mut out, mut held) = (Stream::default(), String::new(), Vec::new());
    for piece in pieces(text) {
        stream.push(&plan, piece, &mut out, &mut |_| {});
        held.push(stream.held_bytes());
    }
    held.sort_unstable();
    let mean = held.iter().sum::<usize>() as f64 / held.len() as f64;
    (mean, held[held.len() * 99 / 100])
}

/// Lines dense with findings.
fn records() -> String {
    let mut random = Random(7);
    let patterns = "{\"id\":\"<8h>-<4h>-41d4-a716-<12h>\",\"name\":\"Person <2d>\",\"email\":\"<6a>@<5a>.org\",\"phone\":\"+1-212-555-01<2d>\",\"ip\":\"93.184.<2d>.<2d>\",\"sha\":\"<32h>\",\"at\":\"2026-11-23T10:1<1d>:00Z\"}\n";
    (0..200).map(|_| random.like(patterns)).collect()
}

fn held_by_text() -> Vec<(&'static str, f64, usize)> {
    let code = [
        include_str!("../src/redact/checksum.rs"),
        include_str!("redact/values.rs"),
    ]
    .concat();
    let texts = [
        ("English", include_str!("../LICENSE").to_owned()),
        ("code", code),
        ("records", records()),
    ];
    texts
        .into_iter()
        .map(|(name, text)| {
            let (mean, most) = held(&text);
            (name, mean, most)
        })
        .collect()
}

#[test]
fn little_of_a_stream_is_held_back() {
    for (name, mean, most) in held_by_text() {
        println!("{name}: {mean:.1} in the mean, {most} at the 99th percentile");
        assert!(mean <= 8.0 && most <= 64, "{name}: {mean:.1}, {most}");
    }
}

const HEAD: &str = "\
# What redaction finds

Made by `UPDATE_REDACTION=1 cargo test --test redact` from what the scanner does; do not edit it. How values are found, and what a
policy says about them, is in [src/redact/README.md](../src/redact/README.md).
";

/// Scores of a value by itself and behind its label.
fn scores(row: &Measured) -> String {
    let score = |text: &str| {
        let found = found(text);
        let own = found.iter().find(|finding| entity(finding) == row.entity);
        own.map_or_else(|| "-".to_owned(), |finding| finding.score.to_string())
    };
    let labelled = surrounded(3, row.label, &row.example).0;
    format!("{} / {}", score(&row.example), score(&labelled))
}

fn page() -> String {
    let mut out = String::from(HEAD);
    writeln!(
        out,
        "\n## Entities\n\nOf {VALUES} random values of each entity, made from its definition, so many were found in each surrounding behind the label\n\
         that is named; and of {} near misses (a wrong check digit, a range that nobody gives out, a token that breaks off) so many were taken\n\
         for one. The scores are those of the example by itself and behind the label: `-` is not found.\n",
        VALUES * 4,
    )
    .unwrap();
    writeln!(
        out,
        "| entity | example | label | scores | {} | near misses | not caught |",
        SURROUNDINGS.join(" | ")
    )
    .unwrap();
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|").unwrap();
    for row in measured() {
        let example: String = row.example.chars().take(34).collect();
        let dots = if example.len() < row.example.len() {
            "..."
        } else {
            ""
        };
        let right = row.right.map(|count| count.to_string()).join(" | ");
        let wrong = row
            .wrong
            .map_or_else(|| "none made".to_owned(), |count| count.to_string());
        writeln!(
            out,
            "| `{}` | `{example}{dots}` | {} | {} | {right} | {wrong} | {} |",
            row.entity,
            row.label,
            scores(&row),
            row.limits,
        )
        .unwrap();
    }
    writeln!(
        out,
        "\n## Forms\n\nSecrets and passwords of {} random values in each group of forms (`tests/redact/values.rs`), found whole; and findings where a\n\
         template, a name or a type stands in their place.\n\n| | found | of | near misses | of |\n|---|---|---|---|---|",
        VALUES * 4
    )
    .unwrap();
    for (name, right, count, wrong, of) in formed() {
        writeln!(out, "| {name} | {right} | {count} | {wrong} | {of} |").unwrap();
    }
    writeln!(
        out,
        "\n## What stays\n\n| | texts | with a finding |\n|---|---|---|"
    )
    .unwrap();
    for (name, hits, count) in quiet() {
        writeln!(out, "| {name} | {count} | {hits} |").unwrap();
    }
    writeln!(
        out,
        "\nA test holds that Tollgate's own code has at most 5 findings in a MiB, and its license none. In other people's texts, counted once in\n\
         November 2026, there were 55 findings in 4.6 MiB of crates' Markdown, 353 in 57.4 MiB of their Rust, 147 in 38.2 MiB of Python packages and\n\
         382 in 25.5 MiB of JavaScript packages: 40, 31, 45 and 197 of them addresses of mail, most of the rest addresses of machines, cards, IBANs and\n\
         phones in examples and tests.\n\n\
         ## What a stream holds back\n\nBytes that wait for more after each piece, in pieces as models send them.\n\n| | mean | 99th percentile |\n|---|---|---|"
    )
    .unwrap();
    for (name, mean, most) in held_by_text() {
        writeln!(out, "| {name} | {mean:.1} | {most} |").unwrap();
    }
    out
}

#[test]
fn the_published_figures_are_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/redaction.md");
    let page = page();
    if std::env::var_os("UPDATE_REDACTION").is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written, page,
        "UPDATE_REDACTION=1 cargo test --test redact writes it anew; read the diff"
    );
}

#[test]
fn everyday_numbers_stay() {
    for (name, hits, _) in quiet() {
        assert_eq!(hits, 0, "{name}");
    }
}

type Disguise = Box<dyn Fn(&str) -> String>;

/// The ways to write a value that a reader still reads.
#[test]
fn disguised_values_are_found() {
    let wide = |text: &str| -> String {
        let shift = |it: char| match it {
            '!'..='~' => char::from_u32(u32::from(it) + 0xFEE0).unwrap(),
            other => other,
        };
        text.chars().map(shift).collect()
    };
    let arabic = |text: &str| -> String {
        let digit = |it: char| {
            it.to_digit(10)
                .map_or(it, |value| char::from_u32(0x660 + value).unwrap())
        };
        text.chars().map(digit).collect()
    };
    let with = |mark: &'static str| {
        move |text: &str| -> String { text.chars().map(|it| format!("{it}{mark}")).collect() }
    };
    let alike = |text: &str| {
        text.replace('a', "\u{430}")
            .replace('e', "\u{435}")
            .replace('o', "\u{3BF}")
    };
    let spaced = |text: &str| text.replace(' ', "\u{A0}").replace('-', "\u{2011}");
    let disguises: [(&str, Disguise); 8] = [
        ("full-width", Box::new(wide)),
        ("Arabic digits", Box::new(arabic)),
        ("zero-width spaces", Box::new(with("\u{200B}"))),
        ("zero-width joiners", Box::new(with("\u{200D}"))),
        ("combining marks", Box::new(with("\u{301}"))),
        ("soft hyphens", Box::new(with("\u{AD}"))),
        ("look-alikes", Box::new(alike)),
        ("other spaces and dashes", Box::new(spaced)),
    ];
    let mut missed = BTreeMap::new();
    let mut random = Random(5);
    let wanted = [
        "payment_card",
        "iban",
        "us_ssn",
        "email",
        "phone",
        "ipv4",
        "aws_access_key",
    ];
    for Kind { entity, right, .. } in kinds() {
        if !wanted.contains(&entity) {
            continue;
        }
        for (name, disguise) in &disguises {
            for _ in 0..VALUES {
                let value = disguise(&right(&mut random));
                let text = format!("it is {value} indeed");
                let span = 6..6 + value.len();
                if !is_found(entity, &text, &span) {
                    *missed.entry((entity, *name)).or_insert(0) += 1;
                }
            }
        }
    }
    assert_eq!(missed, BTreeMap::new());
}
