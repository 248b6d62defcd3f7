//! Selectors against documents, by hand and against another implementation of RFC 9535.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use super::*;
use crate::codec::random::Random;
use crate::redact::places::{Found, INCLUDED, Layout, Places, TEXT, write_path};
use jsonpath_rust::JsonPath as _;

/// The strings that a selector picks, with their paths.
fn picked(selector: &str, document: &str, marks: Marks) -> Result<Vec<String>, Error> {
    let mut matcher = Matcher::default();
    let _is_added = matcher.add(&selector.parse()?, marks);
    let mut found = Vec::new();
    let mut places = Places::new(&matcher, Layout::default());
    let walked = places.walk(document, &mut |it, path| {
        if let Found::Text { content, .. } = it {
            let mut at = String::new();
            write_path(path, false, &mut at);
            found.push(format!("{at}={content}"));
        }
        Ok::<(), crate::codec::json::Error>(())
    });
    Ok(walked.map_or_else(|error| vec![error.to_string()], |()| found))
}

#[track_caller]
fn check(selector: &str, document: &str, want: &[&str]) {
    assert_eq!(picked(selector, document, TEXT).unwrap(), want);
}

#[track_caller]
fn refused(selector: &str, want: &str) {
    let error = selector.parse::<Selector>().unwrap_err();
    assert_eq!(error.to_string(), want, "{selector}");
}

const CHAT: &str = r#"{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"image_url"}]},{"content":"c","role":"user"}]}"#;

#[test]
fn names_and_wildcards_are_followed() {
    check(
        "$.messages[*].content",
        CHAT,
        &["messages[0].content=a", "messages[2].content=c"],
    );
    check(
        "$['messages'][*]['content'][*].text",
        CHAT,
        &["messages[1].content[0].text=b"],
    );
    check(
        "$.messages[*]['role','content']",
        CHAT,
        &[
            "messages[0].role=system",
            "messages[0].content=a",
            "messages[1].role=user",
            "messages[2].content=c",
            "messages[2].role=user",
        ],
    );
}

#[test]
fn indexes_count_from_both_ends() {
    check("$.messages[-1].content", CHAT, &["messages[2].content=c"]);
    check("$.messages[0].content", CHAT, &["messages[0].content=a"]);
    check("$.messages[9].content", CHAT, &[]);
    check("$.messages[-9].content", CHAT, &[]);
}

#[test]
fn slices_are_followed() {
    check("$[1:3]", r#"["a","b","c","d"]"#, &["[1]=b", "[2]=c"]);
    check("$[-2:]", r#"["a","b","c","d"]"#, &["[2]=c", "[3]=d"]);
    check("$[::-2]", r#"["a","b","c","d"]"#, &["[1]=b", "[3]=d"]);
    check("$[::0]", r#"["a"]"#, &[]);
}

#[test]
fn descendants_are_at_every_depth() {
    check("$..text", CHAT, &["messages[1].content[0].text=b"]);
    check(
        "$..a..b",
        r#"{"a":{"b":"1","c":[{"b":"2"}]},"b":"3"}"#,
        &["a.b=1", "a.c[0].b=2"],
    );
}

#[test]
fn filters_look_at_the_whole_child() {
    check(
        "$.messages[?@.role=='user'].content",
        CHAT,
        &["messages[2].content=c"],
    );
    check(
        "$.messages[?@.role!='user' || !@.content].content",
        CHAT,
        &["messages[0].content=a"],
    );
    check(
        r#"$.messages[?(@["role"] == "user" && @.content[0].type)].role"#,
        CHAT,
        &["messages[1].role=user"],
    );
    check(
        "$[?@.n>=2].t",
        r#"[{"n":1,"t":"a"},{"n":2.0,"t":"b"}]"#,
        &["[1].t=b"],
    );
    check("$[?'b'<=@]", r#"["a","b","c",1]"#, &["[1]=b", "[2]=c"]);
}

#[test]
fn a_member_that_comes_twice_has_no_value() {
    let twice = r#"[{"type":"text","type":"image_url","t":"a"}]"#;
    check("$[?@.type=='text'].t", twice, &[]);
    check("$[?@.type!='text'].t", twice, &["[0].t=a"]);
}

#[test]
fn a_value_that_is_taken_in_has_all_its_strings() {
    let found = picked("$.messages[1]", CHAT, INCLUDED).unwrap();
    assert_eq!(
        found,
        [
            "messages[1].role=user",
            "messages[1].content[0].type=text",
            "messages[1].content[0].text=b",
            "messages[1].content[1].type=image_url",
        ]
    );
}

#[test]
fn what_is_no_path_is_told_with_its_place() {
    refused("messages", "no JSONPath: it breaks after byte 0");
    refused("$.", "no JSONPath: it breaks after byte 2");
    refused("$.a ", "no JSONPath: it breaks after byte 3");
    refused("$[01]", "no JSONPath: it breaks after byte 2");
    refused("$['a\\x']", "no JSONPath: it breaks after byte 5");
    refused("$[?@.a==]", "no JSONPath: it breaks after byte 8");
    refused("$[?1]", "no JSONPath: it breaks after byte 4");
}

#[test]
fn what_is_not_lowered_is_named() {
    for (selector, what) in [
        ("$[?length(@)>1]", "its filter calls a function"),
        ("$[?@.a==@.b]", "its filter compares two queries"),
        ("$[?@.a==$.b]", "its filter compares two queries"),
        ("$[?$.a]", "its filter looks at the whole document"),
        (
            "$[?@.*]",
            "its filter looks at more than one place, or counts from an array's end",
        ),
        ("$..[?@.a]", "it has a filter below '..'"),
        ("$..a[-1]", "it counts from an array's end below '..'"),
    ] {
        refused(
            selector,
            &format!("{what}, which this gateway cannot follow"),
        );
    }
    refused(
        &format!("$.{}", "a".repeat(2_000)),
        "longer than 1024 bytes",
    );
}

/// A random document of few names, so that paths meet it.
fn document(random: &mut Random, depth: usize) -> String {
    let kind = match depth {
        0 => random.below(4),
        4 => 4 + random.below(3),
        _ => random.below(7),
    };
    match kind {
        0 => ["1", "2", "-1.5", "20"][random.below(4)].to_owned(),
        1 => ["true", "false", "null"][random.below(3)].to_owned(),
        2 | 3 => ["\"a\"", "\"b\"", "\"x y\"", "\"\\u00e9\""][random.below(4)].to_owned(),
        4 => {
            let items: Vec<_> = (0..random.below(4))
                .map(|_| document(random, depth - 1))
                .collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            // Each name at most once, as in all that is compared here.
            let mut members = Vec::new();
            for name in ["a", "b", "c", "d e"] {
                if random.below(2) == 0 {
                    members.push(format!("\"{name}\":{}", document(random, depth - 1)));
                }
            }
            format!("{{{}}}", members.join(","))
        }
    }
}

fn selector(random: &mut Random) -> String {
    let mut text = "$".to_owned();
    for _ in 0..=random.below(3) {
        text.push_str(
            [
                ".a",
                ".b",
                "['c']",
                "['d e']",
                "[*]",
                ".*",
                "[0]",
                "[1]",
                "[-1]",
                "[0:2]",
                "[1:]",
                "[:-1]",
                "[::2]",
                "[::-1]",
                "..a",
                "..*",
                "..[0]",
                "[?@.a]",
                "[?@.b=='a']",
                "[?@.a>1]",
                "[?@=='b']",
                "[?!@.a && @.b]",
                "['a','b']",
                "[?@.a!=2 || @.b[0]]",
                "..['b','c']",
                "[?@.a<='b']",
                "[?@.c==null]",
            ][random.below(27)],
        );
    }
    text
}

#[test]
fn random_selectors_pick_what_another_implementation_picks() {
    let mut random = Random::new(5);
    let (mut compared, mut hits) = (0, 0);
    for _ in 0..8_000 {
        let (text, selector) = (document(&mut random, 4), selector(&mut random));
        let Ok(mut ours) = picked(&selector, &text, TEXT) else {
            continue;
        };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let theirs = value.query_with_path(&selector).unwrap();
        let mut theirs: Vec<_> = theirs
            .into_iter()
            .filter(|found| found.clone().val().is_string())
            .map(|found| found.path())
            .collect();
        theirs.sort();
        theirs.dedup();
        // Theirs are normalised paths: `$['a'][0]`.
        let mut paths: Vec<_> = ours
            .drain(..)
            .map(|it| it.split('=').next().unwrap().to_owned())
            .collect();
        paths.sort();
        let mut want: Vec<_> = theirs
            .iter()
            .map(|path| {
                let plain = path
                    .replacen('$', "", 1)
                    .replace("['", ".")
                    .replace("']", "");
                plain.strip_prefix('.').unwrap_or(&plain).to_owned()
            })
            .collect();
        want.sort();
        assert_eq!(paths, want, "{selector} in {text}");
        compared += 1;
        hits += want.len();
    }
    assert!(
        compared > 5_000 && hits > 500,
        "{compared} compared, {hits} hits"
    );
}

#[test]
fn mutated_selectors_never_panic() {
    let mut random = Random::new(6);
    let mut parsed = 0;
    for _ in 0..50_000 {
        let mut bytes = selector(&mut random).into_bytes();
        random.mutate(&mut bytes, b"$.[]*?@'\"()!=<>&|:-0,\\u");
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(found) = picked(&text, CHAT, TEXT) {
            parsed += 1;
            assert!(found.len() < 64);
        }
    }
    assert!(parsed > 1_000, "{parsed}");
}
