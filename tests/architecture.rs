//! Holds the arrows between the rooms, and keeps clocks, randomness and I/O out of those below `abi`.
//!
//! It reads names, not types: every path from `crate` or from `super` that leaves its room, and every word
//! that is forbidden. Comments, strings and tests do not count. A room without a row in [`ROOMS`] fails.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and those that it may name. All of them stand below it.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "abi",
        &[
            "exchange", "budget", "policy", "client", "turn", "document", "fault", "limits",
        ],
    ),
    (
        "exchange",
        &[
            "budget", "policy", "client", "provider", "redact", "turn", "codec", "fault", "limits",
        ],
    ),
    (
        "policy",
        &[
            "budget", "client", "provider", "redact", "turn", "document", "fault", "glob",
            "limits", "secret",
        ],
    ),
    ("client", &["turn", "codec", "fault", "limits"]),
    (
        "provider",
        &[
            "auth", "turn", "codec", "document", "fault", "glob", "limits", "secret",
        ],
    ),
    ("auth", &["secret"]),
    ("budget", &["codec", "secret"]),
    ("redact", &["codec", "document", "limits"]),
    ("turn", &["codec", "fault"]),
    ("document", &["codec"]),
    ("codec", &[]),
    ("fault", &[]),
    ("glob", &[]),
    ("limits", &[]),
    ("secret", &[]),
];

/// Words that no room but `abi` may say.
const FORBIDDEN_WORDS: &[(&str, &str)] = &[
    ("proxy_wasm", "only abi names the host"),
    ("Instant", "time arrives with the input"),
    ("SystemTime", "time arrives with the input"),
    (
        "DefaultHasher",
        "it has no place where order must not depend on hashes",
    ),
    (
        "HashMap",
        "it draws the host's randomness; use BTreeMap or a sorted list",
    ),
    (
        "HashSet",
        "it draws the host's randomness; use BTreeSet or a sorted list",
    ),
    ("RandomState", "it draws the host's randomness"),
    ("LazyLock", "there is no global below abi"),
    ("OnceLock", "there is no global below abi"),
    ("thread_local", "there is no global below abi"),
];

/// Modules of the standard library that no room but `abi` may name.
const FORBIDDEN_MODULES: &[&str] = &["env", "fs", "net", "process", "thread"];

/// One file: its room, how many modules deep it is, and its text.
struct Source<'s> {
    room: &'s str,
    depth: usize,
    text: &'s str,
}

/// What is wrong with a file, in the order of its text.
fn problems(source: &Source<'_>) -> Vec<String> {
    let text = without_comments_and_strings(source.text);
    let words = words(&text);
    // Tests stand at the end of a file.
    let tests = words
        .windows(3)
        .position(|words| words == ["mod", "tests", "{"]);
    let end = tests.unwrap_or(words.len());
    let words = &words[..end];
    let mut problems = Vec::new();
    for at in 0..words.len() {
        match words[at] {
            "crate" if is_path(words, at) => check_arrows(source, &heads(words, at), &mut problems),
            "crate" if words.get(at + 1) == Some(&"as") => {
                problems.push("renames the crate, which hides arrows".to_owned());
            }
            "super" if at < 2 || words[at - 1] != "::" => {
                let climbs = words[at..]
                    .chunks(2)
                    .take_while(|pair| *pair == ["super", "::"]);
                let climbs = climbs.count();
                if climbs >= source.depth {
                    let last = at + 2 * (climbs - 1);
                    check_arrows(source, &heads(words, last), &mut problems);
                }
            }
            // `core` does no I/O: what it has of `net` is addresses.
            "std" if source.room != "abi" && is_path(words, at) => {
                for module in heads(words, at) {
                    if FORBIDDEN_MODULES.contains(&module) {
                        problems.push(format!("names std::{module}; below abi there is no I/O"));
                    }
                }
            }
            word if source.room != "abi" => {
                let found = FORBIDDEN_WORDS.iter().find(|(known, _)| *known == word);
                problems.extend(found.map(|(word, why)| format!("says {word}; {why}")));
            }
            _ => {}
        }
    }
    problems
}

fn check_arrows(source: &Source<'_>, heads: &[&str], problems: &mut Vec<String>) {
    // The map of the crate has no room of its own.
    if source.room == "lib" {
        return;
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room) else {
        problems.push("is in no room that the architecture test knows".to_owned());
        return;
    };
    for head in heads {
        if *head != source.room && !allowed.contains(head) {
            problems.push(format!("{} names {head}", source.room));
        }
    }
}

fn is_path(words: &[&str], at: usize) -> bool {
    words.get(at + 1) == Some(&"::")
}

/// The names right behind a path's first word: of `crate::{a::B, c}` these are `a` and `c`.
fn heads<'w>(words: &[&'w str], at: usize) -> Vec<&'w str> {
    let Some(&first) = words.get(at + 2) else {
        return Vec::new();
    };
    if first != "{" {
        return vec![first];
    }
    let mut heads = Vec::new();
    let mut depth = 0_usize;
    for pair in words[at + 2..].windows(2) {
        match pair[0] {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0], "{" | ",") && pair[1] != "}" {
            heads.push(pair[1]);
        }
    }
    heads
}

/// Identifiers, `::`, and every other mark by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if is_word(first) {
            rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, behind) = rest.split_at(length);
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

/// Puts a space in place of each comment, string and character.
fn without_comments_and_strings(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            1 + quoted_length(&rest[1..], '"')
        } else if first == '\'' && is_character(&rest[1..]) {
            1 + quoted_length(&rest[1..], '\'')
        } else if let Some(length) = raw_string_length(rest, kept.chars().next_back()) {
            length
        } else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        kept.push(' ');
        rest = &rest[length..];
    }
    kept
}

/// Whether a quote begins a character rather than a lifetime.
fn is_character(behind: &str) -> bool {
    behind.starts_with('\\') || behind.chars().nth(1) == Some('\'')
}

/// The length of what ends with `quote`, with the quote.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if letter == '\\' {
            is_escaped = true;
        } else if letter == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of `r"..."` or `r#"..."#` at the beginning; a `b` before it stays behind as a word.
fn raw_string_length(text: &str, before: Option<char>) -> Option<usize> {
    let is_inside_word =
        before.is_some_and(|letter| letter.is_alphanumeric() && letter != 'b' || letter == '_');
    let marks = text.strip_prefix('r').filter(|_| !is_inside_word)?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let content = marks[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content.find(&end)?;
    Some(1 + hashes + 1 + length + end.len())
}

/// All files below `folder`, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let nested = entries.into_iter().map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    nested.flatten().collect()
}

/// The modules that lead to a file: `src/policy/model.rs` is `policy`, `model`.
fn modules(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let mut modules: Vec<_> = path
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    modules.pop_if(|last| last == "mod");
    modules
}

#[test]
fn every_file_keeps_to_the_arrows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut read = 0;
    for path in files(&root) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.strip_prefix(&root).unwrap();
        let modules = modules(name);
        // Programs stand above the crate and see it from outside.
        if modules[0] == "bin" {
            continue;
        }
        if modules.last().unwrap() == "tests" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let source = Source {
            room: &modules[0],
            depth: modules.len(),
            text: &text,
        };
        read += 1;
        let shown = |problem| format!("src/{}: {problem}", name.display());
        found.extend(problems(&source).into_iter().map(shown));
    }
    assert!(read > ROOMS.len(), "only {read} files were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn arrows_point_down() {
    for (above, (room, allowed)) in ROOMS.iter().enumerate() {
        for name in *allowed {
            let below = ROOMS.iter().position(|(room, _)| room == name);
            assert!(below.is_some_and(|below| below > above), "{room} -> {name}");
        }
    }
}

#[test]
fn client_and_provider_never_name_each_other() {
    for (room, other) in [("client", "provider"), ("provider", "client")] {
        let (_, allowed) = ROOMS.iter().find(|(known, _)| *known == room).unwrap();
        assert!(!allowed.contains(&other));
    }
}

#[track_caller]
fn check(room: &str, depth: usize, text: &str, want: &[&str]) {
    assert_eq!(problems(&Source { room, depth, text }), want, "{text}");
}

#[test]
fn a_broken_arrow_is_found() {
    check(
        "client",
        2,
        "use crate::provider::Call;",
        &["client names provider"],
    );
    check(
        "provider",
        1,
        "use crate::client;",
        &["provider names client"],
    );
    check(
        "codec",
        3,
        "pub use crate::fault::Fault;",
        &["codec names fault"],
    );
    check(
        "fault",
        1,
        "use crate::limits::MIB;",
        &["fault names limits"],
    );
}

#[test]
fn a_broken_arrow_is_found_without_a_use() {
    check(
        "turn",
        2,
        "fn f(x: &crate::policy::Policy) {}",
        &["turn names policy"],
    );
}

#[test]
fn a_broken_arrow_is_found_in_a_group() {
    check(
        "client",
        2,
        "use crate::{turn::{Ask, provider}, fault, policy::{self, Policy}, exchange};",
        &["client names policy", "client names exchange"],
    );
}

#[test]
fn a_broken_arrow_is_found_over_super() {
    check(
        "client",
        1,
        "use super::provider;",
        &["client names provider"],
    );
    check("client", 2, "use super::provider;", &[]);
    check(
        "client",
        2,
        "use super::super::provider;",
        &["client names provider"],
    );
    check(
        "client",
        2,
        "use super::super::{turn, auth};",
        &["client names auth"],
    );
}

#[test]
fn the_whole_crate_cannot_be_taken() {
    check("client", 2, "use crate::*;", &["client names *"]);
    check(
        "client",
        2,
        "use crate::{self as all};",
        &["client names self"],
    );
    check(
        "client",
        2,
        "use crate as all;",
        &["renames the crate, which hides arrows"],
    );
}

#[test]
fn arrows_that_are_there_may_be_used() {
    check(
        "client",
        2,
        "use super::Writer;\nuse crate::turn::{Ask, Event};",
        &[],
    );
    check(
        "provider",
        3,
        "use crate::auth::Auth;\npub(crate) fn f() {}",
        &[],
    );
}

#[test]
fn a_room_that_nobody_knows_is_found() {
    let want = ["is in no room that the architecture test knows"];
    check("utils", 1, "use crate::turn::Ask;", &want);
}

#[test]
fn clocks_randomness_and_io_are_found_below_abi() {
    check(
        "turn",
        1,
        "use std::time::Instant;",
        &["says Instant; time arrives with the input"],
    );
    let want = ["says HashMap; it draws the host's randomness; use BTreeMap or a sorted list"];
    check(
        "policy",
        1,
        "use std::collections::{BTreeMap, HashMap};",
        &want,
    );
    let want = ["names std::env; below abi there is no I/O"];
    check("policy", 1, "use std::{env::var, fmt};", &want);
    check(
        "exchange",
        1,
        "use proxy_wasm::types;",
        &["says proxy_wasm; only abi names the host"],
    );
    check(
        "abi",
        1,
        "use std::time::SystemTime; use proxy_wasm::types;",
        &[],
    );
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    let text = r###"
        // use crate::provider;
        /* use crate::provider; */
        /// [`crate::provider`]
        fn f<'a>(x: &'a str) { g("crate::provider \" proxy_wasm", r#"" Instant"#, '"', b'\'', '\u{22}'); }
        #[cfg(test)]
        mod tests { use crate::provider; }
    "###;
    check("client", 1, text, &[]);
    check(
        "client",
        1,
        "f('\"'); use crate::provider;",
        &["client names provider"],
    );
    check(
        "client",
        1,
        "f(r\"\\\"); use crate::provider;",
        &["client names provider"],
    );
}

#[test]
fn a_module_for_tests_hides_nothing_behind_it() {
    let text = "#[cfg(test)]\nmod sample;\nuse crate::provider;";
    check("client", 1, text, &["client names provider"]);
}
