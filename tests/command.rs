//! `tollgate redact` as an admin runs it: the real program, its streams and its exit codes.
//!
//! The program needs the feature `cli`, and so do these tests: `cargo test --all-features --test command`.
#![cfg(feature = "cli")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What the program said, and whether it succeeded.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    is_success: bool,
    out: String,
    error: String,
}

fn run(arguments: &[&str], input: &[u8]) -> Said {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    program
        .args(arguments)
        .env("TOLLGATE_TEST_KEY", "0123456789abcdef");
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().expect("the program starts");
    // Who refuses its arguments does not read: the pipe may be closed by then.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    Said {
        is_success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A policy of this name in the folder of the tests' own files.
fn policy(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn check(arguments: &[&str], input: &str, want: &str) {
    let said = run(arguments, input.as_bytes());
    let want = Said {
        is_success: true,
        out: want.to_owned(),
        error: String::new(),
    };
    assert_eq!(said, want);
}

#[track_caller]
fn check_fails(arguments: &[&str], input: &str, want: &str) {
    let said = run(arguments, input.as_bytes());
    assert!(!said.is_success && said.error.contains(want), "{said:?}");
    // Neither the input nor a part of it is repeated.
    assert!(!said.error.contains("jane"), "{said:?}");
}

#[test]
fn text_in_findings_out() {
    check(
        &["redact"],
        "mail jane@corp.com\nfrom é u@b.io\n",
        "{\"entity\":\"email\",\"start\":5,\"end\":18,\"score\":0.90,\"action\":\"mask\"}\n\
         {\"entity\":\"email\",\"start\":27,\"end\":33,\"score\":0.90,\"action\":\"mask\"}\n",
    );
}

#[test]
fn nothing_found_is_nothing_said() {
    check(&["redact"], "a quiet text", "");
    check(&["redact"], "", "");
    check(&["redact", "--jsonl"], "{\"a\":1}\n\n[]\n", "");
}

#[test]
fn the_text_as_it_would_leave() {
    check(
        &["redact", "--redacted"],
        "mail jane@corp.com!\n",
        "mail [EMAIL]!\n",
    );
}

#[test]
fn bytes_that_are_no_text_pass_and_end_what_they_stand_in() {
    let said = run(
        &["redact", "--redacted"],
        b"jane@corp.com\xFFjane\xFF@corp.com",
    );
    assert_eq!(
        said.out.as_bytes(),
        "[EMAIL]\u{FFFD}jane\u{FFFD}@corp.com".as_bytes()
    );
    let said = run(&["redact"], b"\xC3\xFF jane@corp.com");
    assert!(said.out.contains("\"start\":3,\"end\":16"), "{said:?}");
}

#[test]
fn of_json_lines_each_string_is_a_text() {
    check(
        &["redact", "--jsonl"],
        "{\"messages\":[{\"content\":\"jane\\u0040corp.com\"}]}\n{\"it's\":\"a@b.io\"}\n",
        "{\"line\":1,\"path\":\"$['messages'][0]['content']\",\"entity\":\"email\",\"start\":0,\"end\":13,\"score\":0.90,\"action\":\"mask\"}\n\
         {\"line\":2,\"path\":\"$['it\\\\'s']\",\"entity\":\"email\",\"start\":0,\"end\":6,\"score\":0.90,\"action\":\"mask\"}\n",
    );
}

#[test]
fn a_policy_says_what_happens() {
    let path = policy(
        "everything.yaml",
        r#"
version: 1
redaction:
  entities: { all: "off", email: placeholder, payment_card: { action: partial, keep_last: 4 }, phone: { action: mask, with: "***" } }
  hash_key_variable: TOLLGATE_TEST_KEY
  patterns: [{ name: ticket, pattern: '\bTKT-\d{6}\b', action: report, score: 70 }]
  lists: [{ name: projects, words: [Falcon], action: mask }]
"#,
    );
    check(
        &["redact", "--policy", &path],
        "TKT-123456 of falcon\n",
        "{\"entity\":\"ticket\",\"start\":0,\"end\":10,\"score\":0.70,\"action\":\"report\"}\n\
         {\"entity\":\"projects\",\"start\":14,\"end\":20,\"score\":0.80,\"action\":\"mask\"}\n",
    );
    let input =
        "TKT-123456 Falcon 4111111111111111 +49 30 901820, 8.8.4.4 jane@corp.com jane@corp.com";
    let said = run(
        &["redact", "--redacted", "--policy", &path],
        input.as_bytes(),
    );
    let (head, mails) = said.out.split_once(" [EMAIL_").expect("a placeholder");
    assert_eq!(head, "TKT-123456 [PROJECTS] ************1111 ***, 8.8.4.4");
    let (first, second) = mails.split_once(" [EMAIL_").expect("another");
    assert_eq!(first, second, "one value has one placeholder");
}

#[test]
fn a_policy_in_json_is_one_too() {
    let path = policy(
        "mask.json",
        r#"{"redaction": {"entities": {"email": "block"}}}"#,
    );
    check(
        &["redact", "--policy", &path],
        "jane@corp.com +49 30 901820",
        "{\"entity\":\"email\",\"start\":0,\"end\":13,\"score\":0.90,\"action\":\"block\"}\n",
    );
}

/// Two rules with every field that says for whom and where.
const RULES: &str = r#"
redaction:
  - { providers: [bedrock], models: [claude], entities: { all: "off" } }
  - consumers: ["*"]
    entities: { all: mask, secrets: block }
    directions: [request, answer]
    select: { request: { exclude: ["$.messages[?@.role=='system']"] } }
    media: refuse
    header: true
"#;

#[test]
fn for_whom_and_where_a_rule_holds_is_no_matter_here() {
    let path = policy("places.yaml", RULES);
    let arguments = ["redact", "--redacted", "--policy", &path];
    check(&arguments, "jane@corp.com", "jane@corp.com");
    let second = [&arguments[..], &["--rule", "1"]].concat();
    check(&second, "jane@corp.com", "[EMAIL]");
    let third = [&arguments[..], &["--rule", "2"]].concat();
    check_fails(
        &third,
        "",
        "there is no redaction[2]; rules in the section: 2",
    );
}

#[test]
fn a_field_that_no_rule_has_is_refused() {
    let path = policy(
        "unknown.yaml",
        "redaction: { entities: { all: mask }, pattern: [] }",
    );
    check_fails(
        &["redact", "--policy", &path],
        "",
        "redaction.pattern: unknown field; did you mean 'patterns'?",
    );
}

#[test]
fn what_the_policy_blocks_ends_the_text_and_is_a_failure() {
    let path = policy("rules.yaml", RULES);
    let arguments = ["redact", "--redacted", "--policy", &path, "--rule", "1"];
    let input = "to jane@corp.com: ghp_16C7e42F292c6912E7710c838347Ae178B4a and more";
    let said = run(&arguments, input.as_bytes());
    assert_eq!((said.is_success, &*said.out), (false, "to [EMAIL]: "));
    check_fails(&arguments, input, "holds something of 'github_token'");
}

#[test]
fn a_policy_with_problems_is_refused_with_all_of_them() {
    let path = policy(
        "problems.yaml",
        "redaction:\n  entities: { emial: mask, secrets: placeholder }\n  patterns: [{ name: p, pattern: 'a+', action: mask }]\n",
    );
    let arguments = ["redact", "--policy", &path];
    check_fails(
        &arguments,
        "",
        "redaction.entities.emial: is no entity and no group",
    );
    check_fails(
        &arguments,
        "",
        "redaction.entities.secrets: secrets are never restored",
    );
    check_fails(
        &arguments,
        "",
        "redaction.patterns[0].pattern: cannot take 'a+': repeats without end",
    );
}

#[test]
fn what_it_cannot_do_it_says() {
    check_fails(&["redact", "--colour"], "", "unknown argument '--colour'");
    check_fails(&["redact", "--policy"], "", "--policy needs a file");
    check_fails(
        &["redact", "--policy", "/nowhere/p.yaml"],
        "",
        "/nowhere/p.yaml: ",
    );
    check_fails(
        &["redact", "--policy", &policy("none.yaml", "version: 1\n")],
        "",
        "no `redaction` section",
    );
    check_fails(
        &["redact", "--jsonl", "--redacted"],
        "",
        "--redacted works on text",
    );
    check_fails(&["redact", "--rule", "0"], "", "--rule needs a --policy");
    check_fails(&["redact", "--rule", "first"], "", "--rule needs a number");
    check_fails(
        &["redact", "--policy", &policy("text.yaml", "just words")],
        "",
        "no `redaction` section",
    );
    check_fails(&["redact", "--jsonl"], "{\"a\":1}\n{\"jane\n", "line 2: ");
    check_fails(&[], "", "usage: tollgate redact");
    check_fails(&["rewrite"], "", "usage: tollgate redact");
}

#[test]
fn help_is_no_failure() {
    let said = run(&["redact", "--help"], b"");
    assert!(
        said.is_success && said.out.contains("--policy FILE"),
        "{said:?}"
    );
}

#[test]
fn a_long_text_is_read_in_blocks_and_found_in_anywhere() {
    let line = "nothing in here, and then some more of it\n".repeat(8);
    let input: String = (0..400)
        .map(|at| format!("{line}{}u{at}@corp.com\n", "x".repeat(at % 7)))
        .collect();
    let said = run(&["redact"], input.as_bytes());
    assert_eq!(said.out.lines().count(), 400);
    let said = run(&["redact", "--redacted"], input.as_bytes());
    assert!(
        !said.out.contains('@') && said.out.len() > 130_000,
        "{}",
        said.out.len()
    );
}
