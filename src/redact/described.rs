//! What an admin describes: patterns, lists, ranges that are let through, encoded text; and what is refused.

use super::restored::{hidden, plan, read};
use super::*;

/// The text that leaves under a section that looks for nothing else.
fn left(section: &str, text: &str) -> String {
    let section =
        format!(r#"{{"entities": {{"all": "off"}}, "hash_key_variable": "KEY", {section}}}"#);
    hidden(&plan(&section), text, &mut Vault::new(Tenant::default()))
}

#[track_caller]
fn check(section: &str, text: &str, want: &str) {
    assert_eq!(left(section, text), want, "{text}");
}

/// The text that leaves when this pattern is masked as `[P]`.
#[track_caller]
fn check_pattern(pattern: &str, text: &str, want: &str) {
    let pattern = serde_json::to_string(pattern).unwrap();
    let section =
        format!(r#""patterns": [{{"name": "p", "pattern": {pattern}, "action": "mask"}}]"#);
    check(&section, text, want);
}

#[track_caller]
fn check_refused(section: &str, want: &str) {
    let section = format!(r#"{{"entities": {{"all": "off"}}, {section}}}"#);
    assert_eq!(read(&section).unwrap_err(), want);
}

#[track_caller]
fn check_refused_pattern(pattern: &str, want: &str) {
    let pattern = serde_json::to_string(pattern).unwrap();
    let section = format!(
        r#"{{"entities": {{"all": "off"}}, "patterns": [{{"name": "p", "pattern": {pattern}, "action": "mask"}}]}}"#
    );
    let problems = read(&section).unwrap_err();
    assert!(problems.starts_with("patterns[0].pattern: "), "{problems}");
    assert!(problems.contains(want), "{problems}");
}

#[test]
fn a_mask_may_have_a_text() {
    let list = |with: &str| {
        format!(r#""lists": [{{"name": "l", "words": ["falcon"], "action": "mask"{with}}}]"#)
    };
    check(&list(""), "a Falcon.", "a [L].");
    check(&list(r#", "with": "***""#), "a Falcon.", "a ***.");
    check(&list(r#", "with": """#), "a Falcon.", "a .");
}

#[test]
fn patterns_find_what_they_describe() {
    check_pattern(
        r"\bTKT-\d{6}\b",
        "TKT-123456, TKT-1234567 XTKT-123456 TKT-654321",
        "[P], TKT-1234567 XTKT-123456 [P]",
    );
    check_pattern("(red|green|blue)(ish)?", "redish blue gren", "[P] [P] gren");
    check_pattern("(?i)emp[0-9a-f]{2,4}", "EMPAB12 emp1", "[P] emp1");
    check_pattern(r"a\.b[^\s,]{1,3}", "a.bcd, axbcd a.b,", "[P], axbcd a.b,");
    check_pattern(r"x.y\W{2}", "xéy!! xay!", "[P] xay!");
    check_pattern(r"[\]\-z]\[{2}", "][[ -[[ z[[ a[[", "[P] [P] [P] a[[");
    check_pattern(r"7{2}-?", "777-77", "[P]7-[P]");
}

#[test]
fn the_longest_match_counts() {
    check_pattern("ab|abcd", "abcd abc", "[P] [P]c");
    check_pattern("a{1,3}", "aaaaa", "[P][P]");
}

#[test]
fn a_pattern_sees_text_as_a_reader_does() {
    check_pattern(r"TKT-\d{3}", "ТKТ-１２\u{200B}３!", "[P]!");
    check_pattern("(?i)größe", "GRÖSSE Größe GRÖẞE", "[P] [P] GRÖẞE");
    check_pattern("(?i)müller", "MÜLLER Müller mUller", "[P] [P] mUller");
}

#[test]
fn a_context_is_one_of_its_words_before() {
    let section = r#""patterns": [{"name": "p", "pattern": "\\b\\d{5}\\b", "action": "mask", "context": ["badge", "staff id"]}]"#;
    check(section, "badge 12345, 54321", "badge [P], [P]");
    check(section, "Staff ID: 12345", "Staff ID: [P]");
    check(
        section,
        "badges 12345 and 12345 before a badge",
        "badges 12345 and 12345 before a badge",
    );
    let far = format!("badge {} 12345", "x ".repeat(30));
    check(section, &far, &far);
}

/// The farthest place where a word of the context may begin, in a stream that is cut before, in and behind it.
#[test]
fn a_context_is_seen_wherever_a_stream_is_cut() {
    let section = r#"{"entities": {"all": "off"}, "patterns": [{"name": "p", "pattern": "\\b\\d{5}\\b", "action": "mask", "context": ["badge"]}]}"#;
    let plan = plan(section);
    for (gap, is_found) in [(51, true), (52, false)] {
        let text = format!("{}badge{}12345.", ". ".repeat(400), " ".repeat(gap));
        let want = if is_found { "[P]." } else { "12345." };
        for (at, _) in text.char_indices() {
            let (head, tail) = text.split_at(at);
            for piece in [1, 7, 1_000] {
                let (mut stream, mut out) = (Stream::default(), String::new());
                stream.push(&plan, head, &mut out, &mut |_| {});
                for piece in tail.as_bytes().chunks(piece) {
                    let piece = str::from_utf8(piece).unwrap();
                    stream.push(&plan, piece, &mut out, &mut |_| {});
                }
                stream.finish(&plan, &mut out, &mut |_| {});
                assert!(out.ends_with(want), "{out} of {head:?}|{tail:?}");
            }
        }
    }
}

#[test]
fn a_score_below_the_least_does_not_count() {
    let section = r#""score_min": 60, "patterns": [{"name": "p", "pattern": "ab", "action": "mask", "score": 59}, {"name": "q", "pattern": "cd", "action": "mask", "score": 60}]"#;
    check(section, "ab cd", "ab [Q]");
}

#[test]
fn what_matches_without_end_or_everywhere_is_refused() {
    check_refused_pattern("a+", "repeats without end; give a bound such as {0,64}");
    check_refused_pattern("ab*", "repeats without end");
    check_refused_pattern("a{3,}", "repeats without end; write {n,m} in place of {n,}");
    check_refused_pattern("^a", "has an anchor");
    check_refused_pattern("a$", "has an anchor");
    check_refused_pattern("a?", "matches the empty text");
    check_refused_pattern("(a|)", "matches the empty text");
    check_refused_pattern("", "matches nothing but the empty text");
    check_refused_pattern("a{257}", "can match more than 256 bytes");
    check_refused_pattern(".{100}", "can match more than 256 bytes");
    check_refused_pattern(r"a\bb", r"has \b inside");
    check_refused_pattern(r"\ba|b", "put them in a group");
    check_refused_pattern("(?=a)b", "has a group other than");
    check_refused_pattern(r"(a)\1", "refers back to a group");
    check_refused_pattern("(a", "has a '(' that nothing closes");
    check_refused_pattern("a)", "has a ')' that closes nothing");
    check_refused_pattern("[a", "has a '[' that nothing closes");
    check_refused_pattern("[z-a]", "ends before it begins");
    check_refused_pattern("a{2,1}", "ends before it begins");
    check_refused_pattern("a{,2}", "is no {n} or {n,m}");
    check_refused_pattern("a{1,2}{3}", "repeats a repetition");
    check_refused_pattern("a{1,2}?", "repeats a repetition");
    check_refused_pattern("?a", "repeats nothing");
    check_refused_pattern("[é]", "beyond ASCII in a class");
    check_refused_pattern("a\u{200B}", "is invisible");
    check_refused_pattern(r"\pL", "has an escape that is none of");
    check_refused_pattern(
        &format!("{}a{}", "(".repeat(20), ")".repeat(20)),
        "16 groups",
    );
    check_refused_pattern(&"a".repeat(600), "longer than 512 bytes");
    check_refused_pattern("[ab]{0,60}a[ab]{0,60}a[ab]{60}", "is too large");
}

#[test]
fn what_finds_our_own_placeholders_is_refused() {
    let refused = |pattern: &str| {
        let section = format!(
            r#"{{"entities": {{"all": "off"}}, "patterns": [{{"name": "p", "pattern": "{pattern}", "action": "mask"}}]}}"#
        );
        read(&section).err()
    };
    let want = "patterns: 'p' finds what we write in a value's place, such as [PAYMENT_CARD]; leave that out";
    assert_eq!(refused(r"[A-Z]{3,8}").as_deref(), Some(want));
    assert!(refused(r"\\[\\w{3}").is_some());
    assert!(
        refused(r"\\b[B-W]{12}\\b").is_none(),
        "an underscore is part of the word"
    );
    assert!(refused(r"[B-W]{12}").is_some());
    assert!(refused(r"\\b[A-Z]{3}\\b").is_some(), "[BIC]");
    assert!(refused(r"\\b[A-Z]{3}-\\d{2}\\b").is_none());
    check_refused(
        r#""lists": [{"name": "l", "words": ["Email"], "action": "mask"}]"#,
        "lists: 'l' finds what we write in a value's place, such as [EMAIL]; leave that out",
    );
}

#[test]
fn names_are_unique_and_not_ours() {
    check_refused(
        r#""lists": [{"name": "email", "words": ["xx"], "action": "mask"}]"#,
        "lists[0].name: cannot take 'email': is the name of something that is found already",
    );
    check_refused(
        r#""patterns": [{"name": "a", "pattern": "xx", "action": "mask"}], "lists": [{"name": "a", "words": ["xx"], "action": "mask"}]"#,
        "lists[0].name: is the name of another pattern or list",
    );
    check_refused(
        r#""lists": [{"name": "No", "words": ["xx"], "action": "mask"}]"#,
        "lists[0].name: cannot take 'No': must be 1 to 32 small letters, digits and underscores, and begin with a letter",
    );
}

#[test]
fn lists_find_whole_words_in_any_disguise() {
    let list = |more: &str| {
        format!(
            r#""lists": [{{"name": "l", "words": ["Falcon", "Blue Harbor", "Blue", "Überseehafen"], "action": "mask"{more}}}]"#
        )
    };
    check(
        &list(""),
        "FALCON's falconry blue harbor bluet Blue",
        "[L]'s falconry [L] bluet [L]",
    );
    check(
        &list(""),
        "Fаlcon ｆalcon fal\u{200B}con ÜBERSEEHAFEN überseehafen",
        "[L] [L] [L] [L] [L]",
    );
    check(&list(r#", "case": "exact""#), "Falcon falcon", "[L] falcon");
    check(
        &list(r#", "whole_words": false"#),
        "falconry xblue",
        "[L]ry x[L]",
    );
    check(
        r#""lists": [{"name": "l", "words": ["猎鹰"], "action": "mask", "whole_words": false}]"#,
        "请联系猎鹰组",
        "请联系[L]组",
    );
}

#[test]
fn a_list_repeats_no_word_in_its_problems() {
    check_refused(
        r#""lists": [{"name": "l", "words": ["x"], "action": "mask"}]"#,
        "lists[0].words[0]: must have 2 to 64 bytes\nlists[0].words: must be 1 to 65536",
    );
    // Folded it is one letter.
    check_refused(
        r#""lists": [{"name": "l", "words": ["Ａ"], "action": "mask"}]"#,
        "lists[0].words[0]: must have 2 to 64 bytes\nlists[0].words: must be 1 to 65536",
    );
}

#[test]
fn ranges_are_let_through() {
    let section = |allow: &str| format!(r#"{{"entities": {{"all": "mask"}}, {allow}}}"#);
    let check = |allow: &str, text: &str, want: &str| {
        let plan = plan(&section(allow));
        assert_eq!(
            hidden(&plan, text, &mut Vault::new(Tenant::default())),
            want
        );
    };
    check(
        r#""allow_domains": ["Acme.com"]"#,
        "a@acme.com b@eu.ACME.com c@badacme.com d@acme.com.evil.org",
        "a@acme.com b@eu.ACME.com [EMAIL] [EMAIL]",
    );
    check(
        r#""allow_networks": ["8.8.0.0/16", "2a00:1450::/32"]"#,
        "8.8.4.4, 93.184.216.34 2a00:1450:4001:81b::200e 2a00:1451:4001:81b::200e",
        "8.8.4.4, [IPV4] 2a00:1450:4001:81b::200e [IPV6]",
    );
    check(
        r#""allow_numbers": ["411111", "550000-559999", "+4930"]"#,
        "4111 1111 1111 1111, 5555555555554444, 5105105105105100, +49 30 901820, +49 40 901820",
        "4111 1111 1111 1111, 5555555555554444, [PAYMENT_CARD], +49 30 901820, [PHONE]",
    );
    check(
        r#""allow": ["a@acme.com"]"#,
        "a@acme.com aa@acme.com",
        "a@acme.com [EMAIL]",
    );
}

#[test]
fn ranges_that_are_none_are_refused() {
    let refused =
        |allow: &str| read(&format!(r#"{{"entities": {{"all": "mask"}}, {allow}}}"#)).unwrap_err();
    for network in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"] {
        let problem = refused(&format!(r#""allow_networks": ["{network}"]"#));
        assert!(
            problem.starts_with("allow_networks[0]: cannot take"),
            "{problem}"
        );
    }
    for number in ["", "4111x", "2-1", "11-2", "12345678901234567890"] {
        let problem = refused(&format!(r#""allow_numbers": ["{number}"]"#));
        assert!(
            problem.starts_with("allow_numbers[0]: must be the first digits"),
            "{problem}"
        );
    }
    for domain in ["", ".com", "a@b.com", "a_b"] {
        let problem = refused(&format!(r#""allow_domains": ["{domain}"]"#));
        assert!(
            problem.starts_with("allow_domains[0]: cannot take"),
            "{problem}"
        );
    }
}

#[test]
fn encoded_text_is_searched_as_deep_as_asked() {
    let section = |base64: u8, url: u8| {
        format!(
            r#"{{"entities": {{"all": "mask"}}, "decode": {{"base64": {base64}, "url": {url}}}}}"#
        )
    };
    let check = |(base64, url): (u8, u8), text: &str, want: &str| {
        let plan = plan(&section(base64, url));
        assert_eq!(
            hidden(&plan, text, &mut Vault::new(Tenant::default())),
            want,
            "{text}"
        );
    };
    let once = "amFuZUBjb3JwLmNvbQ==";
    let twice = "YW1GdVpVQmpiM0p3TG1OdmJRPT0=";
    check((0, 0), once, once);
    check((1, 0), &format!("data: {once}, x"), "data: [EMAIL], x");
    check(
        (1, 0),
        &format!("k={}", once.trim_end_matches('=')),
        "k=[EMAIL]",
    );
    check((1, 0), twice, twice);
    check((2, 0), twice, "[EMAIL]");
    check((0, 1), "?q=jane%40corp.com&x=1", "?q=[EMAIL]&x=1");
    check((0, 1), "jane%2540corp.com", "jane%2540corp.com");
    check((0, 2), "jane%2540corp.com", "[EMAIL]");
    check((1, 1), "amFuZSU0MGNvcnAuY29t", "[EMAIL]");
    check(
        (1, 1),
        "aGVsbG8gd29ybGQ= hello%20world internationalization",
        "aGVsbG8gd29ybGQ= hello%20world internationalization",
    );
    let long = format!("{}{once}", "A".repeat(4_096));
    check((1, 0), &long, &long);
}

#[test]
fn of_two_that_overlap_the_stricter_is_kept_over_both() {
    let section = |action: &str, more: &str| {
        format!(
            r#"{{"entities": {{"all": "off", "email": "mask"}}, "patterns": [{{"name": "p", "pattern": "to [a-z@.]{{1,60}}", "action": "{action}"{more}}}]}}"#
        )
    };
    let found = |action: &str, more: &str| {
        let plan = plan(&section(action, more));
        let mut found = Vec::new();
        plan.scan("to jane@corp.com!", &mut Folded::new(), |it| {
            found.push((plan.name(it.kind).to_owned(), it.span));
        });
        found
    };
    assert_eq!(found("report", ""), [("email".to_owned(), 0..16)]);
    assert_eq!(found("block", ""), [("p".to_owned(), 0..16)]);
    // Both replace: the higher score is kept.
    assert_eq!(found("mask", r#", "score": 95"#), [("p".to_owned(), 0..16)]);
    assert_eq!(
        found("mask", r#", "score": 85"#),
        [("email".to_owned(), 0..16)]
    );
}

#[test]
fn work_beyond_the_bound_blocks_or_is_reported() {
    let section = |overrun: &str| {
        let pattern = |name: &str| {
            format!(r#"{{"name": "{name}", "pattern": "[a-z ]{{100,250}}0", "action": "mask"}}"#)
        };
        let patterns: Vec<String> = ["a", "b", "c", "d"].map(pattern).into();
        format!(
            r#"{{"entities": {{"all": "off"}}, "on_overrun": "{overrun}", "patterns": [{}]}}"#,
            patterns.join(",")
        )
    };
    // Every run meets a zero, and all too early.
    let text = format!("{}0", "a ".repeat(45)).repeat(100);
    for (overrun, action) in [("block", Action::Block), ("skip", Action::Report)] {
        let plan = plan(&section(overrun));
        let mut found = Vec::new();
        plan.scan(&text, &mut Folded::new(), |it| {
            found.push((plan.name(it.kind).to_owned(), it.action))
        });
        assert_eq!(found, [("pattern_overrun".to_owned(), action)]);
    }
}
