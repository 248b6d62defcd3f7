//! The store in the process's own memory, which all workers share.
//!
//! That memory has no deletion, so the buckets of a budget stand in a fixed number of sets, and each set is
//! one value with a few places. A bucket in which nothing counts any more gives its place to another; a key
//! for which its set has no place shares one bucket with all such keys. A set is changed as a whole or not at
//! all: whoever comes second reads again, so no two workers ever admit the same amount.
//!
//! Several buckets are taken one after the other, in their order, and given back if one does not fit: for
//! these microseconds another request may find too little, never too much.

use std::iter;

use super::cell::Cell;
use super::store::Contended;
use super::{
    Account, Act, Budget, Frame, Hold, Inbound, Level, Line, Order, Shared, Shortfall, Step, Store,
    Unanswered, Verdict,
};

/// The store in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

/// How keys of this version begin. Another layout takes another number: nobody reads what he cannot know.
const PREFIX: &str = "tollgate.budget.1/";
/// Places of a set. A budget has two for each key that it may have, so few sets run full.
const PLACES: usize = 8;
const KEYS_PER_SET: u32 = 4;
/// Of a key's name, what is kept for people.
const LABEL_BYTES_MAX: usize = 96;
/// What a set mostly grows by at once: a bucket with one span and a short name.
const MORE_BYTES: usize = 160;

impl Store for Local {
    fn is_near(&self) -> bool {
        true
    }

    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        let mut done: Vec<(Hold, Level)> = Vec::with_capacity(order.lines.len());
        for (at, line) in order.lines.iter().enumerate() {
            match perform(order.act, order.now_ms, line, shared) {
                Ok(Ok(taken)) => done.push(taken),
                Ok(Err(shortfall)) => {
                    give_back(order, &done, shared);
                    let line = at;
                    return Step::Done(Verdict::Refused { line, shortfall });
                }
                Err(Contended) => {
                    give_back(order, &done, shared);
                    return Step::Done(Verdict::Down);
                }
            }
        }
        Step::Done(Verdict::Granted(done))
    }

    fn hear(
        &self,
        order: &Order<'_>,
        _answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) -> Step {
        self.take(order, shared)
    }
}

impl Local {
    /// Every bucket of a budget that counts now: the key's name, and how it stands against a limit that is
    /// not known here.
    pub fn list(
        budget: &Budget,
        now_ms: u64,
        shared: &dyn Shared,
        sink: &mut dyn FnMut(u128, &str, Level),
    ) {
        let frame = budget.window.frame(now_ms);
        let sets = (0..sets(budget)).map(Some).chain(iter::once(None));
        for set in sets {
            let Some((bytes, _)) = shared.read(&set_key(budget, set)) else {
                continue;
            };
            for bucket in Set::decode(&bytes).0 {
                if !bucket.cell.is_stale(now_ms, &frame) {
                    let level = bucket.cell.level(now_ms, &frame, u64::MAX);
                    sink(bucket.key, bucket.label, level);
                }
            }
        }
    }
}

/// Undoes what was done of an order that fails.
fn give_back(order: &Order<'_>, done: &[(Hold, Level)], shared: &dyn Shared) {
    for (line, (hold, _)) in order.lines.iter().zip(done) {
        let before = match order.act {
            Act::Reserve => 0,
            Act::Extend => line.hold.amount,
            Act::Renew | Act::Settle | Act::Look => continue,
        };
        let mut place = Place {
            account: line.account,
            is_shared: hold.is_shared,
        };
        let undone = place.access(Access::Change, order.now_ms, shared, |cell, frame| {
            cell.shrink(order.now_ms, frame, *hold, before);
            Ok(())
        });
        // What could not be given back lapses with its lease.
        drop(undone);
    }
}

/// Does an order's act to one bucket.
fn perform(
    act: Act,
    now_ms: u64,
    line: &Line<'_>,
    shared: &dyn Shared,
) -> Result<Result<(Hold, Level), Shortfall>, Contended> {
    let Line {
        account,
        hold,
        amount,
    } = *line;
    let limit = if account.budget.is_shadow {
        u64::MAX
    } else {
        account.limit
    };
    let change = |cell: &mut Cell, frame: &Frame| {
        let hold = cell.perform(act, now_ms, frame, limit, (hold, amount))?;
        Ok((hold, cell.level(now_ms, frame, account.limit)))
    };
    let access = match act {
        Act::Reserve => Access::Claim,
        Act::Look => Access::Read,
        Act::Extend | Act::Renew | Act::Settle => Access::Change,
    };
    let mut place = Place {
        account,
        is_shared: hold.is_shared,
    };
    let done = place.access(access, now_ms, shared, change)?;
    let is_shared = place.is_shared;
    Ok(done.map(|(hold, level)| (Hold { is_shared, ..hold }, level)))
}

/// What is to be done at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// The bucket is only looked at.
    Read,
    /// It is changed if it is there.
    Change,
    /// It is changed, and made if it is not there.
    Claim,
}

/// Where an account's bucket stands.
struct Place<'a> {
    account: &'a Account,
    /// With others that found no place.
    is_shared: bool,
}

impl Place<'_> {
    /// Changes the bucket; in the set that keys share where its own has no place.
    fn access<T>(
        &mut self,
        access: Access,
        now_ms: u64,
        shared: &dyn Shared,
        mut change: impl FnMut(&mut Cell, &Frame) -> Result<T, Shortfall>,
    ) -> Result<Result<T, Shortfall>, Contended> {
        let budget = &self.account.budget;
        let frame = budget.window.frame(now_ms);
        for is_shared in [self.is_shared, true] {
            let set = (!is_shared).then(|| self.account.key_set());
            let mut done = None;
            shared.update(&set_key(budget, set), &mut |bytes| {
                done = None;
                let mut set = Set::decode(bytes);
                let known = set.find(self.account, is_shared);
                let at = match known {
                    None if access == Access::Claim => {
                        Some(set.claim(self.account, is_shared, now_ms, &frame)?)
                    }
                    _ => known,
                };
                let mut gone = Cell::default();
                let cell = at.and_then(|at| set.cell(at));
                let made = done.insert(change(cell.unwrap_or(&mut gone), &frame));
                let is_kept = made.is_ok() && at.is_some() && access != Access::Read;
                is_kept.then(|| set.encode(bytes.len()))
            })?;
            self.is_shared = is_shared;
            if let Some(done) = done {
                return Ok(done);
            }
        }
        Err(Contended)
    }
}

impl Account {
    /// The set that the bucket belongs to.
    fn key_set(&self) -> u32 {
        let set = self.key.checked_rem(u128::from(sets(&self.budget)));
        set.and_then(|set| u32::try_from(set).ok()).unwrap_or(0)
    }
}

/// How many sets a budget has.
fn sets(budget: &Budget) -> u32 {
    budget.keys_max.div_ceil(KEYS_PER_SET).max(1)
}

/// Where a set stands; without a number that of the keys which found no place.
fn set_key(budget: &Budget, set: Option<u32>) -> String {
    let set = set.map_or_else(|| "shared".to_owned(), |set| set.to_string());
    [PREFIX, budget.place(), "/", &set].concat()
}

/// Buckets that are read and written together.
#[derive(Default)]
struct Set<'s>(Vec<Bucket<'s>>);

struct Bucket<'s> {
    key: u128,
    label: &'s str,
    cell: Cell,
}

impl<'s> Set<'s> {
    fn find(&self, account: &Account, is_shared: bool) -> Option<usize> {
        let key = if is_shared { 0 } else { account.key };
        self.0.iter().position(|bucket| bucket.key == key)
    }

    fn cell(&mut self, at: usize) -> Option<&mut Cell> {
        Some(&mut self.0.get_mut(at)?.cell)
    }

    /// Makes a place for a bucket; nothing if all are taken by buckets that count.
    fn claim(
        &mut self,
        account: &'s Account,
        is_shared: bool,
        now_ms: u64,
        frame: &Frame,
    ) -> Option<usize> {
        let (key, label) = if is_shared {
            (0, OTHERS)
        } else {
            (account.key, account.label.as_str())
        };
        let bucket = Bucket {
            key,
            label: label
                .get(..label.floor_char_boundary(LABEL_BYTES_MAX))
                .unwrap_or_default(),
            cell: Cell::default(),
        };
        if self.0.len() < PLACES {
            self.0.push(bucket);
            return self.0.len().checked_sub(1);
        }
        let is_stale = |bucket: &Bucket<'_>| bucket.cell.is_stale(now_ms, frame);
        let at = self.0.iter().position(is_stale)?;
        *self.0.get_mut(at)? = bucket;
        Some(at)
    }

    /// The buckets one after the other: key, the label with its length, cell. They had so many bytes before.
    fn encode(&self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.saturating_add(MORE_BYTES));
        for bucket in &self.0 {
            out.extend_from_slice(&bucket.key.to_le_bytes());
            let label = bucket.label.as_bytes();
            out.push(u8::try_from(label.len()).unwrap_or(0));
            out.extend_from_slice(label);
            bucket.cell.encode(&mut out);
        }
        out
    }

    /// What nobody of this version can have written is no bucket.
    fn decode(mut bytes: &'s [u8]) -> Self {
        let mut buckets = Vec::with_capacity(PLACES);
        while let Some(bucket) = Bucket::decode(&mut bytes) {
            if buckets.len() == PLACES {
                break;
            }
            buckets.push(bucket);
        }
        Self(buckets)
    }
}

impl<'s> Bucket<'s> {
    fn decode(bytes: &mut &'s [u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        *bytes = rest;
        Some(Self {
            key: u128::from_le_bytes(*key),
            label: str::from_utf8(label).ok()?,
            cell: Cell::decode(bytes)?,
        })
    }
}

/// What the bucket of keys without a place is called.
const OTHERS: &str = "others";

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "clippy knows test functions, not the helpers of tests"
)]
mod tests {
    use std::rc::Rc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::super::memory::Memory;
    use super::super::{LEASE_MS, Period, Unit, Window, Zone};
    use super::*;
    use crate::codec::random::Random;

    const T: u64 = 1_795_435_200_000;

    fn account(name: &str, key: &str, limit: u64, keys_max: u32) -> Account {
        let window = Window::Calendar {
            period: Period::Day,
            zone: Zone::utc(),
        };
        Account {
            budget: Rc::new(Budget::new(
                name.to_owned(),
                Unit::Requests,
                window,
                false,
                keys_max,
            )),
            key: Budget::fingerprint([key].into_iter()),
            label: format!("consumer={key}"),
            values: vec![key.to_owned()],
            limit,
        }
    }

    fn take(memory: &Memory, act: Act, now_ms: u64, lines: &[Line<'_>]) -> Verdict {
        let order = Order {
            act,
            id: 1,
            now_ms,
            lines,
        };
        match Local.take(&order, memory) {
            Step::Done(verdict) => verdict,
            Step::Call(_) => panic!("the local store makes no calls"),
        }
    }

    fn line(account: &Account, hold: Hold, amount: u64) -> Line<'_> {
        Line {
            account,
            hold,
            amount,
        }
    }

    #[track_caller]
    fn reserve(memory: &Memory, account: &Account, amount: u64) -> Hold {
        match take(
            memory,
            Act::Reserve,
            T,
            &[line(account, Hold::default(), amount)],
        ) {
            Verdict::Granted(done) => done[0].0,
            refused => panic!("{refused:?}"),
        }
    }

    /// Used and held.
    #[track_caller]
    fn check(memory: &Memory, account: &Account, want: (u64, u64)) {
        match take(memory, Act::Look, T, &[line(account, Hold::default(), 0)]) {
            Verdict::Granted(done) => assert_eq!((done[0].1.used, done[0].1.held), want),
            refused => panic!("{refused:?}"),
        }
    }

    #[test]
    fn what_one_budget_refuses_no_budget_holds() {
        let memory = Memory::default();
        let (wide, narrow) = (account("a", "k", 100, 1), account("b", "k", 10, 1));
        let lines = [
            line(&wide, Hold::default(), 11),
            line(&narrow, Hold::default(), 11),
        ];
        let verdict = take(&memory, Act::Reserve, T, &lines);
        assert!(
            matches!(verdict, Verdict::Refused { line: 1, .. }),
            "{verdict:?}"
        );
        check(&memory, &wide, (0, 0));
        check(&memory, &narrow, (0, 0));
    }

    #[test]
    fn an_extension_that_one_budget_refuses_extends_no_hold() {
        let memory = Memory::default();
        let (wide, narrow) = (account("a", "k", 100, 1), account("b", "k", 10, 1));
        let holds = [reserve(&memory, &wide, 5), reserve(&memory, &narrow, 5)];
        let lines = [line(&wide, holds[0], 6), line(&narrow, holds[1], 6)];
        let verdict = take(&memory, Act::Extend, T, &lines);
        assert!(
            matches!(verdict, Verdict::Refused { line: 1, .. }),
            "{verdict:?}"
        );
        check(&memory, &wide, (0, 5));
        check(&memory, &narrow, (0, 5));
    }

    #[test]
    fn another_limit_finds_what_was_used_under_the_old_one() {
        // A policy that is reloaded keeps its buckets; peers begin anew.
        let memory = Memory::default();
        let hold = reserve(&memory, &account("a", "k", 100, 1), 100);
        let raised = account("a", "k", 150, 1);
        take(&memory, Act::Settle, T, &[line(&raised, hold, 100)]);
        check(&memory, &raised, (100, 0));
        reserve(&memory, &raised, 50);
        let verdict = take(
            &memory,
            Act::Reserve,
            T,
            &[line(&raised, Hold::default(), 1)],
        );
        assert!(matches!(verdict, Verdict::Refused { .. }));
    }

    #[test]
    fn keys_have_buckets_of_their_own() {
        let memory = Memory::default();
        let (a, b) = (account("n", "a", 10, 100), account("n", "b", 10, 100));
        reserve(&memory, &a, 10);
        check(&memory, &b, (0, 0));
        reserve(&memory, &b, 10);
    }

    #[test]
    fn keys_without_a_place_share_a_bucket_and_memory_stays_bounded() {
        let memory = Memory::default();
        let mut shared = 0;
        for key in 0..1_000 {
            let account = account("n", &key.to_string(), 1_000_000, 40);
            let hold = reserve(&memory, &account, 1);
            shared += u64::from(hold.is_shared);
            take(&memory, Act::Settle, T, &[line(&account, hold, 1)]);
        }
        // 10 sets of 8 places.
        assert!((920..930).contains(&shared), "{shared}");
        assert_eq!(memory.values.lock().unwrap().len(), 11);
        let mut sum = 0;
        let budget = account("n", "", 0, 40).budget;
        Local::list(&budget, T, &memory, &mut |_, _, level| sum += level.used);
        assert_eq!(sum, 1_000, "every key's use is counted somewhere");
    }

    #[test]
    fn a_key_that_counts_no_more_gives_its_place_to_another() {
        let memory = Memory::default();
        for key in 0..8 {
            let account = account("n", &key.to_string(), 10, 1);
            let hold = reserve(&memory, &account, 1);
            take(&memory, Act::Settle, T, &[line(&account, hold, 1)]);
        }
        let ninth = account("n", "9", 10, 1);
        assert!(reserve(&memory, &ninth, 1).is_shared);
        let tomorrow = T + 86_400_000;
        let verdict = take(
            &memory,
            Act::Reserve,
            tomorrow,
            &[line(&ninth, Hold::default(), 1)],
        );
        assert!(matches!(verdict, Verdict::Granted(done) if !done[0].0.is_shared));
    }

    #[test]
    fn a_shared_hold_is_settled_where_it_was_held() {
        let memory = Memory::default();
        for key in 0..8 {
            reserve(&memory, &account("n", &key.to_string(), 10, 1), 1);
        }
        let ninth = account("n", "9", 10, 1);
        let hold = reserve(&memory, &ninth, 5);
        take(&memory, Act::Settle, T, &[line(&ninth, hold, 3)]);
        let mut others = None;
        Local::list(&ninth.budget, T, &memory, &mut |_, label, level| {
            if label == "others" {
                others = Some((level.used, level.held));
            }
        });
        assert_eq!(others, Some((3, 0)));
    }

    #[test]
    fn a_shadow_counts_and_never_refuses() {
        let memory = Memory::default();
        let mut shadow = account("n", "k", 10, 1);
        Rc::get_mut(&mut shadow.budget).unwrap().is_shadow = true;
        reserve(&memory, &shadow, 11);
        check(&memory, &shadow, (0, 11));
    }

    #[test]
    fn a_hold_of_a_worker_that_died_lapses() {
        let memory = Memory::default();
        let account = account("n", "k", 10, 1);
        reserve(&memory, &account, 10);
        let later = T + LEASE_MS + 10_000;
        let verdict = take(
            &memory,
            Act::Reserve,
            later,
            &[line(&account, Hold::default(), 10)],
        );
        assert!(matches!(verdict, Verdict::Granted(_)));
    }

    #[test]
    fn bytes_that_nobody_wrote_are_no_buckets() {
        let mut random = Random::new(5);
        let memory = Memory::default();
        let account = account("n", "k", 10, 1);
        reserve(&memory, &account, 1);
        let (key, (bytes, _)) = memory
            .values
            .lock()
            .unwrap()
            .first_key_value()
            .map(|(key, value)| (key.clone(), value.clone()))
            .unwrap();
        for _ in 0..20_000 {
            let mut bytes = bytes.clone();
            random.mutate(&mut bytes, b"\0\x01\xff");
            memory
                .values
                .lock()
                .unwrap()
                .insert(key.clone(), (bytes, 1));
            take(&memory, Act::Look, T, &[line(&account, Hold::default(), 0)]);
            take(
                &memory,
                Act::Reserve,
                T,
                &[line(&account, Hold::default(), 1)],
            );
        }
    }

    #[test]
    fn a_label_is_cut_at_a_character() {
        let memory = Memory::default();
        let account = account("n", &"é".repeat(100), 10, 1);
        reserve(&memory, &account, 1);
        check(&memory, &account, (0, 1));
    }

    #[test]
    fn workers_at_once_never_spend_more_than_the_limits() {
        // 5 requests at once spend 663 of 100 at a peer that counts afterwards.
        let memory = Memory::default();
        let spent = AtomicU64::new(0);
        thread::scope(|scope| {
            for worker in 0..4 {
                let (memory, spent) = (&memory, &spent);
                scope.spawn(move || {
                    let mut random = Random::new(worker);
                    let accounts = [account("a", "k", 5_000, 1), account("b", "k", 4_000, 1)];
                    for _ in 0..1_500 {
                        let amount = 1 + random.below(40) as u64;
                        let lines = accounts
                            .each_ref()
                            .map(|account| line(account, Hold::default(), amount));
                        let Verdict::Granted(done) = take(memory, Act::Reserve, T, &lines) else {
                            continue;
                        };
                        let actual = random.below(amount as usize + 1) as u64;
                        let lines = [
                            line(&accounts[0], done[0].0, actual),
                            line(&accounts[1], done[1].0, actual),
                        ];
                        take(memory, Act::Settle, T, &lines);
                        spent.fetch_add(actual, Ordering::Relaxed);
                    }
                });
            }
        });
        let spent = spent.into_inner();
        assert!((3_960..=4_000).contains(&spent), "{spent}");
        check(&memory, &account("a", "k", 5_000, 1), (spent, 0));
        check(&memory, &account("b", "k", 4_000, 1), (spent, 0));
    }
}
