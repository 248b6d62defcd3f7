//! What holds for values that come back: as they were, wherever the answer was cut, and never a secret.

use super::*;
use crate::document;

const KEY: &str = "0123456789abcdef";

/// Reads a `redaction` section, written as JSON.
#[track_caller]
pub(super) fn plan(section: &str) -> Plan {
    read(section).unwrap()
}

/// The same, for one that has problems.
pub(super) fn read(section: &str) -> Result<Plan, String> {
    let root = document::parse(section.as_bytes()).unwrap();
    let variable = |name: &str| (name == "KEY").then(|| KEY.to_owned());
    let plan = document::read(&root, |fields| Plan::read(fields, &variable));
    plan.map_err(|problems| problems.to_string())
}

pub(super) fn placeholders() -> Plan {
    plan(r#"{"entities": {"all": "placeholder"}, "hash_key_variable": "KEY"}"#)
}

/// The text as a request has it when it leaves.
pub(super) fn hidden(plan: &Plan, text: &str, vault: &mut Vault) -> String {
    let (mut out, mut end) = (String::new(), 0);
    plan.scan(text, &mut Folded::new(), |finding| {
        out.push_str(text.get(end..finding.span.start).unwrap());
        let value = text.get(finding.span.clone()).unwrap();
        plan.hide(&finding, value, vault, &mut out);
        end = finding.span.end;
    });
    out.push_str(text.get(end..).unwrap());
    out
}

/// The text as an answer has it when it arrives.
pub(super) fn restored<'t>(
    vault: &Vault,
    escaping: Escaping,
    pieces: impl IntoIterator<Item = &'t str>,
) -> String {
    let mut restore = Restore::new(escaping);
    let mut out = String::new();
    for piece in pieces {
        restore.push(vault, piece, &mut out);
        assert!(restore.held_bytes() < 96, "holds {restore:?}");
    }
    restore.finish(&mut out);
    out
}

/// Hides two values, and gives the answer back at every cut.
#[track_caller]
fn check(escaping: Escaping, answer: impl Fn(&str, &str) -> String, want: &str) {
    let plan = placeholders();
    let mut vault = Vault::new(Tenant::new("acme"));
    let mail = hidden(&plan, "jane@corp.com", &mut vault);
    let phone = hidden(&plan, "+49 30 901820", &mut vault);
    assert_eq!(vault.len(), 2);
    let answer = answer(&mail, &phone);
    for (at, _) in answer.char_indices() {
        let (head, tail) = answer.split_at(at);
        assert_eq!(
            restored(&vault, escaping, [head, tail]),
            want,
            "{head}|{tail}"
        );
    }
    let letters = answer.split_inclusive(|_| true);
    assert_eq!(restored(&vault, escaping, letters), want, "by letters");
}

#[test]
fn values_come_back() {
    let answer = |mail: &str, phone: &str| format!("[{mail}{phone}] é [EMAIL_BCDF] {mail}");
    check(
        Escaping::Plain,
        answer,
        "[jane@corp.com+49 30 901820] é [EMAIL_BCDF] jane@corp.com",
    );
}

#[test]
fn a_model_may_change_case_and_escape_underscores() {
    let answer = |mail: &str, phone: &str| {
        format!("{} and {}", mail.to_lowercase(), phone.replace('_', r"\_"))
    };
    check(Escaping::Plain, answer, "jane@corp.com and +49 30 901820");
    let answer = |mail: &str, _: &str| mail.replace('_', r"\\_");
    check(Escaping::Json, answer, "jane@corp.com");
}

#[test]
fn what_is_nearly_a_placeholder_stays() {
    let answer = |mail: &str, phone: &str| {
        let short = mail.trim_end_matches(']');
        format!(
            r"{short} {short}\] {} [\PHONE [EMAIL_",
            phone.replace('_', "-")
        )
    };
    let plan = placeholders();
    let mut vault = Vault::new(Tenant::new("acme"));
    let mail = hidden(&plan, "jane@corp.com", &mut vault);
    let phone = hidden(&plan, "+49 30 901820", &mut vault);
    check(Escaping::Plain, answer, &answer(&mail, &phone));
}

#[test]
fn what_is_restored_is_escaped_for_its_place() {
    let mut vault = Vault::new(Tenant::default());
    assert_eq!(vault.keep("[X_B]", Some("a\"\\\n")), vault::Kept::Fine);
    assert_eq!(restored(&vault, Escaping::Plain, ["<[X_B]>"]), "<a\"\\\n>");
    assert_eq!(
        restored(&vault, Escaping::Json, ["<[X_B]>"]),
        r#"<a\"\\\n>"#
    );
    assert_eq!(
        restored(&vault, Escaping::JsonTwice, ["<[X_B]>"]),
        r#"<a\\\"\\\\\\n>"#
    );
}

#[test]
fn a_value_has_one_placeholder_in_every_turn_and_another_with_another_tenant() {
    let plan = placeholders();
    let of = |tenant: &str, text: &str| hidden(&plan, text, &mut Vault::new(Tenant::new(tenant)));
    let first = of("acme", "jane@corp.com");
    assert_eq!(
        of("acme", "to jane@corp.com, jane@corp.com"),
        format!("to {first}, {first}")
    );
    assert_ne!(of("acme", "john@corp.com"), first);
    assert_ne!(of("other", "jane@corp.com"), first);
}

#[test]
fn an_answer_has_the_same_placeholder_and_so_the_value_back() {
    let plan = placeholders();
    let mut vault = Vault::new(Tenant::new("acme"));
    let hid = hidden(&plan, "jane@corp.com", &mut vault);
    let (mut stream, mut out) = (Stream::new(vault.tenant()), String::new());
    stream.push(&plan, "jane@corp.com, john@corp.com", &mut out, &mut |_| {});
    stream.finish(&plan, &mut out, &mut |_| {});
    assert!(out.starts_with(&hid));
    let got = restored(&vault, Escaping::Plain, [out.as_str()]);
    assert!(got.starts_with("jane@corp.com, [EMAIL_"), "{got}");
}

#[test]
fn no_detector_takes_a_placeholder_for_anything() {
    let plan = placeholders();
    let mut random = properties::Random::new(5);
    let restorable = Entity::ALL
        .iter()
        .filter(|entity| entity.group() != Group::Secrets);
    for entity in restorable {
        for _ in 0..200 {
            let letters: String = (0..placeholder::LETTERS_COUNT)
                .map(|_| char::from(placeholder::LETTERS[random.below(16)]))
                .collect();
            let written = format!("[{}_{letters}]", entity.name().to_ascii_uppercase());
            for text in [
                written.clone(),
                format!("{}: {written}, {written}.", entity.name()),
                format!(
                    "his {} is {written}-{written}",
                    entity.name().replace('_', " ")
                ),
            ] {
                let mut vault = Vault::new(Tenant::default());
                let hid = hidden(&plan, &text, &mut vault);
                assert_eq!(hid, text);
            }
        }
    }
}

#[test]
fn a_secret_is_masked_where_all_have_placeholders() {
    let mut vault = Vault::new(Tenant::default());
    let text = "AKIAIOSFODNN7EXAMPLE jane@corp.com";
    let hid = hidden(&placeholders(), text, &mut vault);
    assert!(hid.starts_with("[AWS_ACCESS_KEY] [EMAIL_"), "{hid}");
    assert_eq!(vault.len(), 1);
}

#[test]
fn a_placeholder_for_secrets_is_refused() {
    for name in ["secrets", "jwt"] {
        let section =
            format!(r#"{{"entities": {{"{name}": "placeholder"}}, "hash_key_variable": "KEY"}}"#);
        let problem = read(&section).unwrap_err();
        assert_eq!(
            problem,
            format!("entities.{name}: secrets are never restored; use mask, hash or block")
        );
    }
}

#[test]
fn a_placeholder_needs_a_key() {
    let problem = read(r#"{"entities": {"all": "placeholder"}}"#).unwrap_err();
    assert!(problem.starts_with("hash_key_variable: the actions hash and placeholder need"));
}

#[test]
fn beyond_the_bound_values_are_hidden_and_counted_but_not_restored() {
    let plan = placeholders();
    let mut vault = Vault::new(Tenant::default());
    let text: String = (0..4_100)
        .map(|number| format!("u{number}@corp.com "))
        .collect();
    let hid = hidden(&plan, &text, &mut vault);
    assert!(!hid.contains('@'));
    assert_eq!((vault.len(), vault.lost()), (4_096, 4));
    let got = restored(&vault, Escaping::Plain, [hid.as_str()]);
    assert_eq!(got.matches('@').count(), 4_096);
}

#[test]
fn two_values_never_share_a_placeholder() {
    let mut vault = Vault::new(Tenant::default());
    assert_eq!(vault.keep("[X_B]", Some("a")), vault::Kept::Fine);
    assert_eq!(vault.keep("[X_B]", Some("b")), vault::Kept::Taken);
    assert_eq!(restored(&vault, Escaping::Plain, ["[X_B]"]), "a");
    assert_eq!(vault.lost(), 1);
}

#[test]
fn nothing_shows_the_values() {
    let plan = placeholders();
    let mut vault = Vault::new(Tenant::new("acme"));
    hidden(&plan, "jane@corp.com", &mut vault);
    let shown = format!("{plan:?} {vault:?}");
    assert!(!shown.contains("jane") && !shown.contains(KEY), "{shown}");
}
