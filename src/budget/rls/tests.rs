//! The store against a service of the test's own, whose answers are written by hand.

use std::rc::Rc;

use super::super::memory::Memory;
use super::super::{Account, Budget, Period, Weights, Window, Zone};
use super::*;

use crate::codec::protobuf::{Field, Fields, write_bytes, write_number};

const NOON: u64 = 1_795_435_200_000;

fn store(refunds: bool) -> Rls {
    Rls::new(Settings {
        name: "s".to_owned(),
        cluster: "c".to_owned(),
        domain: "d".to_owned(),
        timeout_ms: 50,
        refunds,
    })
}

fn account(name: &str, unit: Unit) -> Account {
    let window = Window::Calendar {
        period: Period::Minute,
        zone: Zone::utc(),
    };
    let mut budget = Budget::new(name.to_owned(), unit, window, false, 10);
    budget.dimensions.push("consumer".to_owned());
    Account {
        budget: Rc::new(budget),
        key: 1,
        label: "consumer=acme".to_owned(),
        values: vec!["acme".to_owned()],
        limit: 90,
    }
}

fn tokens() -> Account {
    let mut account = account("t", Unit::Tokens(Weights::EVEN));
    account.limit = 90_000;
    account
}

fn order<'o>(act: Act, lines: &'o [Line<'o>]) -> Order<'o> {
    Order {
        act,
        id: 1,
        now_ms: NOON,
        lines,
    }
}

fn line(account: &Account, held: u64, amount: u64) -> Line<'_> {
    let hold = Hold {
        amount: held,
        ..Hold::default()
    };
    Line {
        account,
        hold,
        amount,
    }
}

/// A request as it left: each descriptor's entries, its hits, and `back` where they are negative.
fn read(call: &Outbound) -> Vec<String> {
    let text = |bytes: &[u8]| str::from_utf8(bytes).unwrap().to_owned();
    let mut found = Vec::new();
    for field in Fields(&call.body) {
        let Some(Field::Bytes(2, descriptor)) = field else {
            continue;
        };
        let mut words = Vec::new();
        for field in Fields(descriptor).map(Option::unwrap) {
            match field {
                Field::Bytes(1, entry) => {
                    let parts = Fields(entry).map(|part| match part {
                        Some(Field::Bytes(_, part)) => text(part),
                        other => format!("{other:?}"),
                    });
                    words.push(parts.collect::<Vec<_>>().join("="));
                }
                Field::Bytes(3, hits) => words.push(match Fields(hits).next() {
                    Some(Some(Field::Varint(1, hits))) => hits.to_string(),
                    None => "0".to_owned(),
                    other => format!("{other:?}"),
                }),
                Field::Varint(4, 1) => words.push("back".to_owned()),
                Field::Varint(..) | Field::Double(..) | Field::Word(..) | Field::Bytes(..) => {
                    panic!("{field:?}");
                }
            }
        }
        found.push(words.join(" "));
    }
    found
}

/// A status: whether it is over, its limit, what is left, and for how many seconds.
type Told = (bool, Option<u64>, u64, u64);

fn reply(is_over: bool, statuses: &[Told]) -> Vec<u8> {
    let code = |is_over| if is_over { 2 } else { 1 };
    let mut out = Vec::new();
    write_number(&mut out, 1, code(is_over));
    for (is_over, limit, left, seconds) in statuses {
        let mut status = Vec::new();
        write_number(&mut status, 1, code(*is_over));
        if let Some(limit) = limit {
            let mut message = Vec::new();
            write_number(&mut message, 1, *limit);
            write_number(&mut message, 2, 2);
            write_bytes(&mut status, 2, &message);
        }
        write_number(&mut status, 3, *left);
        let mut duration = Vec::new();
        write_number(&mut duration, 1, *seconds);
        write_number(&mut duration, 2, 500_000_000);
        write_bytes(&mut status, 4, &duration);
        write_bytes(&mut out, 2, &status);
    }
    out
}

fn hear(store: &Rls, order: &Order<'_>, body: &[u8]) -> Verdict {
    let answer = Ok(Inbound { status: 200, body });
    match store.hear(order, answer, &Memory::default()) {
        Step::Done(verdict) => verdict,
        Step::Call(call) => panic!("{call:?}"),
    }
}

#[track_caller]
fn check_asked(step: &Step, want: &[&str]) {
    let Step::Call(call) = step else {
        panic!("{step:?}");
    };
    assert!(call.is_grpc);
    assert_eq!(read(call), want);
}

/// What errands carry after a settlement.
#[track_caller]
fn check_settled(refunds: bool, held: u64, cost: u64, want: &[&str]) {
    let (store, memory, account) = (store(refunds), Memory::default(), tokens());
    let lines = [line(&account, held, cost)];
    let step = store.take(&order(Act::Settle, &lines), &memory);
    assert_eq!(step, Step::Done(Verdict::Granted(Vec::new())));
    let call = store.errand(NOON, &memory);
    assert_eq!(call.as_ref().map(read).unwrap_or_default(), want);
}

#[test]
fn the_estimate_is_charged_up_front_in_whole_tokens() {
    let (requests, tokens) = (account("r", Unit::Requests), tokens());
    let lines = [line(&requests, 0, 1), line(&tokens, 0, 12_001)];
    let step = store(false).take(&order(Act::Reserve, &lines), &Memory::default());
    check_asked(
        &step,
        &["budget=r consumer=acme 1", "budget=t consumer=acme 13"],
    );
}

#[test]
fn an_extension_charges_what_is_new() {
    let account = tokens();
    let lines = [line(&account, 1_500, 1_000)];
    let step = store(false).take(&order(Act::Extend, &lines), &Memory::default());
    check_asked(&step, &["budget=t consumer=acme 1"]);
}

#[test]
fn looking_charges_nothing() {
    let account = tokens();
    let lines = [line(&account, 0, 0)];
    let step = store(false).take(&order(Act::Look, &lines), &Memory::default());
    check_asked(&step, &["budget=t consumer=acme 0"]);
}

#[test]
fn the_service_says_how_buckets_stand() {
    let account = tokens();
    let lines = [line(&account, 0, 10_000)];
    let reserve = order(Act::Reserve, &lines);
    let verdict = hear(
        &store(false),
        &reserve,
        &reply(false, &[(false, Some(100), 60, 7)]),
    );
    let Verdict::Granted(done) = verdict else {
        panic!("{verdict:?}");
    };
    let (hold, level) = done[0];
    assert_eq!(hold.amount, 10_000);
    let want = Level {
        used: 40_000,
        held: 0,
        limit: 100_000,
        resets_ms: NOON + 7_500,
    };
    assert_eq!(level, want);
}

#[test]
fn over_the_limit_is_refused_and_what_the_others_were_charged_goes_back() {
    let (requests, tokens) = (account("r", Unit::Requests), tokens());
    let lines = [line(&requests, 0, 1), line(&tokens, 0, 12_000)];
    let reserve = order(Act::Reserve, &lines);
    for refunds in [false, true] {
        let store = store(refunds);
        let told = [(false, Some(90), 80, 9), (true, Some(90), 5, 9)];
        let verdict = hear(&store, &reserve, &reply(true, &told));
        let Verdict::Refused { line: 1, shortfall } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(shortfall.level.used, 85_000);
        assert_eq!(shortfall.fits_ms, Some(NOON + 9_500));
        let call = store.errand(NOON, &Memory::default());
        let want = refunds.then(|| vec!["budget=r consumer=acme 1 back".to_owned()]);
        assert_eq!(call.as_ref().map(read), want);
    }
}

#[test]
fn a_service_that_says_only_yes_or_no_is_believed() {
    let account = tokens();
    let lines = [line(&account, 0, 1_000)];
    let reserve = order(Act::Reserve, &lines);
    let granted = hear(&store(false), &reserve, &reply(false, &[]));
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
    let refused = hear(&store(false), &reserve, &reply(true, &[]));
    assert!(matches!(refused, Verdict::Refused { .. }), "{refused:?}");
}

#[test]
fn a_descriptor_that_the_service_does_not_limit_is_no_budget() {
    let account = tokens();
    let lines = [line(&account, 0, 1_000)];
    let reserve = order(Act::Reserve, &lines);
    let verdict = hear(
        &store(false),
        &reserve,
        &reply(false, &[(false, None, 0, 0)]),
    );
    assert_eq!(verdict, Verdict::Down);
}

#[test]
fn what_is_no_answer_says_nothing() {
    let account = tokens();
    let lines = [line(&account, 0, 1_000)];
    let reserve = order(Act::Reserve, &lines);
    for body in [&[][..], &[8, 0], &[8, 9], b"{}", &[8, 1, 18, 200]] {
        assert_eq!(
            hear(&store(false), &reserve, body),
            Verdict::Down,
            "{body:?}"
        );
    }
    let two = reply(false, &[(false, Some(1), 1, 1); 2]);
    assert_eq!(hear(&store(false), &reserve, &two), Verdict::Down);
    let lost = store(false).hear(&reserve, Err(Unanswered), &Memory::default());
    assert_eq!(lost, Step::Done(Verdict::Down));
}

#[test]
fn a_shadow_is_never_refused() {
    let mut account = tokens();
    Rc::get_mut(&mut account.budget).unwrap().is_shadow = true;
    let lines = [line(&account, 0, 1_000)];
    let reserve = order(Act::Reserve, &lines);
    let verdict = hear(
        &store(false),
        &reserve,
        &reply(true, &[(true, Some(1), 0, 1)]),
    );
    assert!(matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
}

#[test]
fn what_cost_more_is_charged_afterwards() {
    check_settled(false, 10_000, 12_500, &["budget=t consumer=acme 3"]);
    check_settled(true, 10_000, 12_500, &["budget=t consumer=acme 3"]);
    check_settled(true, 0, 500, &["budget=t consumer=acme 1"]);
}

#[test]
fn what_cost_less_goes_back_only_where_the_service_takes_it() {
    check_settled(false, 10_000, 2_000, &[]);
    check_settled(true, 10_000, 2_000, &["budget=t consumer=acme 8 back"]);
}

#[test]
fn a_charge_is_sent_until_it_is_answered_and_a_refund_once() {
    let (store, memory, account) = (store(true), Memory::default(), tokens());
    let lines = [line(&account, 0, 1_000)];
    store.take(&order(Act::Settle, &lines), &memory);
    let mut now_ms = NOON;
    for _ in 0..3 {
        let call = store.errand(now_ms, &memory).unwrap();
        assert_eq!(read(&call), ["budget=t consumer=acme 1"]);
        assert_eq!(store.errand(now_ms, &memory), None, "one at a time");
        store.errand_done(now_ms, Err(Unanswered), &memory);
        assert_eq!(store.errand(now_ms, &memory), None, "not at once");
        now_ms += 3_000;
    }
    store.errand(now_ms, &memory).unwrap();
    let body = &reply(false, &[]);
    store.errand_done(now_ms, Ok(Inbound { status: 200, body }), &memory);
    assert_eq!(store.errand(now_ms + 60_000, &memory), None);
    let lines = [line(&account, 5_000, 0)];
    store.take(&order(Act::Settle, &lines), &memory);
    store.errand(now_ms, &memory).unwrap();
    store.errand_done(now_ms, Err(Unanswered), &memory);
    assert_eq!(store.errand(now_ms + 60_000, &memory), None);
}

#[test]
fn an_errand_whose_end_never_comes_does_not_stop_the_others() {
    let (store, memory, account) = (store(false), Memory::default(), tokens());
    let lines = [line(&account, 0, 1_000)];
    store.take(&order(Act::Settle, &lines), &memory);
    store.errand(NOON, &memory).unwrap();
    assert!(store.errand(NOON + 2_100, &memory).is_some());
}
