//! What becomes of orders while a store cannot say: they are refused, they pass, or this gateway spends its
//! share of what was left.
//!
//! ```text
//! order --> store --> answer: what is left is remembered
//!             \--> cannot say --> any budget refuses?  refused
//!                                 all pass or share:   held here --> settled here, and noted for the store
//! ```
//! A share is what was left when the store last answered, divided by the number of gateways; in a window of
//! which the store has said nothing yet, of the whole limit. It is kept like a bucket of the local store. What
//! was spent of it is charged to the store once that answers again, and so is no part of the next outage's
//! share; until then it counts against it, so a store that comes and goes is never spent twice.
//!
//! Where nothing is known of a bucket, there is nothing to share.

use std::cell::Cell;
use std::rc::Rc;

use super::{
    Account, Act, Budget, Count, Hold, Inbound, LEASE_MS, Level, Line, Local, Order, Outbound,
    Shared, Step, Store, Unanswered, Verdict, WhenDown,
};

/// A store, and what stands in for it.
#[derive(Debug)]
pub struct StandIn {
    store: Rc<dyn Store>,
    name: String,
    gateways: u64,
    /// How often what happened since that was last asked, as in [`COUNTS`].
    counts: [Cell<u32>; 5],
}

const COUNTS: [Count; 5] = [
    Count::Down(WhenDown::Refuse),
    Count::Down(WhenDown::Share),
    Count::Down(WhenDown::Allow),
    Count::AtOnce,
    Count::Waited,
];
/// How keys of this version begin.
const PREFIX: &str = "tollgate.share.1/";
/// From a reservation's id to that of the charge of what the store does not hold: behind those of every
/// round of admission.
const UNHELD: u128 = 1 << 64;

impl StandIn {
    /// Stands in for the store of this name. What is left is shared by so many gateways.
    #[must_use]
    pub fn new(store: Rc<dyn Store>, name: &str, gateways: u32) -> Self {
        Self {
            store,
            name: name.to_owned(),
            gateways: u64::from(gateways.max(1)),
            counts: Default::default(),
        }
    }

    /// Looks at what the store has said.
    fn after(&self, order: &Order<'_>, step: Step, shared: &dyn Shared) -> Step {
        match &step {
            Step::Done(Verdict::Down) if order.act == Act::Reserve => {
                let verdict = self.reserve(order, shared);
                return Step::Done(verdict);
            }
            Step::Done(Verdict::Granted(done)) => {
                for (line, (_, level)) in order.lines.iter().zip(done) {
                    self.learn(line.account, level, order.now_ms, shared);
                }
            }
            Step::Done(Verdict::Refused { line, shortfall }) => {
                if let Some(line) = order.lines.get(*line) {
                    self.learn(line.account, &shortfall.level, order.now_ms, shared);
                }
            }
            Step::Done(Verdict::Down) | Step::Call(_) => {}
        }
        step
    }

    /// Holds here what the store could not hold, if every budget would.
    fn reserve(&self, order: &Order<'_>, shared: &dyn Shared) -> Verdict {
        let worst = order.lines.iter().map(|line| line.account.budget.when_down);
        let worst = worst.min().unwrap_or_default();
        let mut verdict = Verdict::Down;
        if worst != WhenDown::Refuse {
            verdict = self.hold(order, shared);
        }
        let (Verdict::Granted(_) | Verdict::Refused { .. }) = verdict else {
            self.count(Count::Down(WhenDown::Refuse));
            return verdict;
        };
        self.count(Count::Down(worst));
        // It may have come through all the same.
        let lines: Vec<_> = order
            .lines
            .iter()
            .map(|line| Line {
                hold: Hold::default(),
                amount: 0,
                ..*line
            })
            .collect();
        self.settle(order, order.id, &lines, shared);
        verdict
    }

    /// Takes an order over what is held here.
    fn hold(&self, order: &Order<'_>, shared: &dyn Shared) -> Verdict {
        let mut shares = Vec::with_capacity(order.lines.len());
        for line in order.lines {
            let share = match line.account.budget.when_down {
                WhenDown::Share => {
                    let Some(share) = self.share(line.account, order, shared) else {
                        return Verdict::Down;
                    };
                    Some(share)
                }
                WhenDown::Refuse | WhenDown::Allow => None,
            };
            shares.push(share);
        }
        let mut places = Vec::new();
        let mut lines = Vec::new();
        for (at, (line, share)) in order.lines.iter().zip(&shares).enumerate() {
            if let Some(account) = share {
                places.push(at);
                lines.push(Line { account, ..*line });
            }
        }
        let lines = &lines;
        let mut shared_lines = match Local.take(&Order { lines, ..*order }, shared) {
            Step::Done(Verdict::Granted(done)) => done.into_iter(),
            Step::Done(Verdict::Refused { line, shortfall }) => {
                return match places.get(line) {
                    Some(line) => Verdict::Refused {
                        line: *line,
                        shortfall,
                    },
                    None => Verdict::Down,
                };
            }
            Step::Done(Verdict::Down) | Step::Call(_) => return Verdict::Down,
        };
        let mut done = Vec::with_capacity(order.lines.len());
        for (line, share) in order.lines.iter().zip(&shares) {
            let held = share.as_ref().and_then(|_| shared_lines.next());
            let (hold, level) = held.unwrap_or_else(|| passed(order, line));
            let is_aside = true;
            done.push((Hold { is_aside, ..hold }, level));
        }
        Verdict::Granted(done)
    }

    /// Takes an order over what is held here, and tells the store what it cost.
    fn take_here(&self, order: &Order<'_>, shared: &dyn Shared) -> Verdict {
        let verdict = self.hold(order, shared);
        if order.act == Act::Settle && order.lines.iter().any(|line| line.amount > 0) {
            let lines: Vec<_> = order
                .lines
                .iter()
                .map(|line| Line {
                    hold: Hold {
                        span_ms: line.hold.span_ms,
                        ..Hold::default()
                    },
                    ..*line
                })
                .collect();
            // What was not held was given back under the reservation's own id.
            self.settle(order, order.id.wrapping_add(UNHELD), &lines, shared);
        }
        verdict
    }

    /// Has the store note what is charged to it.
    fn settle(&self, order: &Order<'_>, id: u128, lines: &[Line<'_>], shared: &dyn Shared) {
        let settlement = Order {
            act: Act::Settle,
            id,
            now_ms: order.now_ms,
            lines,
        };
        // A settlement is noted at once; where there is no place for it, it is lost with the outage.
        let _noted = self.store.take(&settlement, shared);
    }

    /// This gateway's share of a bucket, as a bucket of the local store; nothing where nothing is known.
    fn share(&self, account: &Account, order: &Order<'_>, shared: &dyn Shared) -> Option<Account> {
        let mut share = Account {
            budget: Rc::new(account.budget.aside()),
            key: account.key,
            label: account.label.clone(),
            values: Vec::new(),
            limit: 0,
        };
        if matches!(order.act, Act::Reserve | Act::Extend) {
            share.limit = self.limit(account, &share, order.now_ms, shared)?;
        }
        Some(share)
    }

    /// Up to where a share is spent in this outage.
    fn limit(
        &self,
        account: &Account,
        share: &Account,
        now_ms: u64,
        shared: &dyn Shared,
    ) -> Option<u64> {
        let frame = account.budget.window.frame(now_ms);
        let mut limit = None;
        let noted = shared.update(&self.place(account), &mut |bytes| {
            let mut last = Last::decode(bytes, account.key)?;
            let is_over = last.span_ms < frame.since_ms;
            if is_over {
                (last.span_ms, last.left) = (frame.span_ms, account.limit);
            }
            // Settlements are delivered sooner than that.
            if is_over || now_ms.saturating_sub(last.down_ms) > LEASE_MS {
                last.spent = used(share, now_ms, shared);
            }
            last.down_ms = now_ms;
            let part = last.left.checked_div(self.gateways).unwrap_or(0);
            limit = Some(last.spent.saturating_add(part));
            Some(last.encode(account.key))
        });
        noted.ok().and(limit)
    }

    /// Remembers what is left of a bucket.
    fn learn(&self, account: &Account, level: &Level, now_ms: u64, shared: &dyn Shared) {
        if account.budget.when_down != WhenDown::Share {
            return;
        }
        let frame = account.budget.window.frame(now_ms);
        let noted = shared.update(&self.place(account), &mut |bytes| {
            let mut last = Last::decode(bytes, account.key).unwrap_or_default();
            (last.span_ms, last.left) = (frame.span_ms, level.remaining());
            Some(last.encode(account.key))
        });
        // What is not remembered was remembered of another answer.
        drop(noted);
    }

    /// Where it is remembered. Keys that have the same place take it from each other.
    fn place(&self, account: &Account) -> String {
        let budget = &account.budget;
        let at = account.key.checked_rem(u128::from(budget.keys_max.max(1)));
        format!(
            "{PREFIX}{}/{}/{}",
            self.name,
            budget.place(),
            at.unwrap_or(0)
        )
    }

    fn count(&self, what: Count) {
        for (known, count) in COUNTS.iter().zip(&self.counts) {
            if *known == what {
                count.set(count.get().saturating_add(1));
            }
        }
    }
}

/// What is used of a share.
fn used(share: &Account, now_ms: u64, shared: &dyn Shared) -> u64 {
    let line = Line {
        account: share,
        hold: Hold::default(),
        amount: 0,
    };
    let look = Order {
        act: Act::Look,
        id: 0,
        now_ms,
        lines: &[line],
    };
    match Local.take(&look, shared) {
        Step::Done(Verdict::Granted(done)) => done.first().map_or(0, |(_, level)| level.used),
        Step::Done(Verdict::Refused { .. } | Verdict::Down) | Step::Call(_) => 0,
    }
}

/// What passes is held nowhere.
fn passed(order: &Order<'_>, line: &Line<'_>) -> (Hold, Level) {
    let Line {
        account,
        hold,
        amount,
    } = *line;
    let hold = match order.act {
        Act::Reserve => Hold {
            span_ms: account.budget.window.frame(order.now_ms).span_ms,
            amount,
            ..Hold::default()
        },
        Act::Extend => Hold {
            amount: hold.amount.saturating_add(amount),
            ..hold
        },
        Act::Settle => Hold { amount: 0, ..hold },
        Act::Renew | Act::Look => hold,
    };
    let level = Level {
        limit: account.limit,
        ..Level::default()
    };
    (hold, level)
}

/// What was last known of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Last {
    span_ms: u64,
    /// What the store said was left.
    left: u64,
    /// What this gateway's share had spent when the outage began.
    spent: u64,
    /// When the store last could not say.
    down_ms: u64,
}

/// The key, and the numbers in their order, little-endian.
impl Last {
    fn encode(self, key: u128) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.extend_from_slice(&key.to_le_bytes());
        for number in [self.span_ms, self.left, self.spent, self.down_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// Nothing where another key has taken the place.
    fn decode(bytes: &[u8], key: u128) -> Option<Self> {
        let rest = bytes.strip_prefix(&key.to_le_bytes())?;
        let mut numbers = rest
            .as_chunks::<8>()
            .0
            .iter()
            .copied()
            .map(u64::from_le_bytes);
        Some(Self {
            span_ms: numbers.next()?,
            left: numbers.next()?,
            spent: numbers.next()?,
            down_ms: numbers.next()?,
        })
    }
}

impl Store for StandIn {
    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        if order.lines.iter().any(|line| line.hold.is_aside) {
            return Step::Done(self.take_here(order, shared));
        }
        let step = self.store.take(order, shared);
        if order.act == Act::Reserve {
            self.count(match step {
                Step::Call(_) => Count::Waited,
                Step::Done(_) => Count::AtOnce,
            });
        }
        self.after(order, step, shared)
    }

    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) -> Step {
        let step = self.store.hear(order, answer, shared);
        self.after(order, step, shared)
    }

    fn is_near(&self) -> bool {
        self.store.is_near()
    }

    fn errand(&self, now_ms: u64, shared: &dyn Shared) -> Option<Outbound> {
        self.store.errand(now_ms, shared)
    }

    fn errand_done(
        &self,
        now_ms: u64,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) {
        self.store.errand_done(now_ms, answer, shared);
    }

    fn adopt(&self, budget: &Rc<Budget>) {
        self.store.adopt(budget);
    }

    fn take_counts(&self, sink: &mut dyn FnMut(&str, Count, u32)) {
        for (what, count) in COUNTS.iter().zip(&self.counts) {
            let times = count.take();
            if times > 0 {
                sink(&self.name, *what, times);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::memory::Memory;
    use super::super::{Period, Unit, Window, Zone};
    use super::*;

    /// The start of a day.
    const T: u64 = 1_795_392_000_000;
    const DAY_MS: u64 = 86_400_000;

    /// A store whose answers the test chooses, and what it was told to settle.
    #[derive(Debug, Default)]
    struct Told {
        left: Cell<Option<u64>>,
        settled: RefCell<Vec<(u128, u64)>>,
    }

    impl Store for Told {
        fn take(&self, order: &Order<'_>, _: &dyn Shared) -> Step {
            if order.act == Act::Settle {
                let settled = order.lines.iter().map(|line| (order.id, line.amount));
                self.settled.borrow_mut().extend(settled);
                return Step::Done(Verdict::Granted(Vec::new()));
            }
            let Some(left) = self.left.get() else {
                return Step::Done(Verdict::Down);
            };
            let granted = order.lines.iter().map(|line| {
                let limit = line.account.limit;
                let used = limit.saturating_sub(left);
                let level = Level {
                    used,
                    limit,
                    ..Level::default()
                };
                (
                    Hold {
                        amount: line.amount,
                        ..Hold::default()
                    },
                    level,
                )
            });
            Step::Done(Verdict::Granted(granted.collect()))
        }

        fn hear(
            &self,
            order: &Order<'_>,
            _: Result<Inbound<'_>, Unanswered>,
            shared: &dyn Shared,
        ) -> Step {
            self.take(order, shared)
        }
    }

    /// A gateway of four, with one budget of 1,000 a day.
    struct World {
        told: Rc<Told>,
        stand_in: StandIn,
        memory: Memory,
        account: Account,
        now_ms: Cell<u64>,
        id: Cell<u128>,
    }

    fn world(when_down: WhenDown) -> World {
        let told = Rc::new(Told::default());
        let window = Window::Calendar {
            period: Period::Day,
            zone: Zone::utc(),
        };
        let mut budget = Budget::new("b".to_owned(), Unit::Requests, window, false, 10);
        budget.when_down = when_down;
        World {
            stand_in: StandIn::new(Rc::<Told>::clone(&told), "s", 4),
            told,
            memory: Memory::default(),
            account: Account {
                budget: Rc::new(budget),
                key: 7,
                label: String::new(),
                values: Vec::new(),
                limit: 1_000,
            },
            now_ms: Cell::new(T),
            id: Cell::new(0),
        }
    }

    impl World {
        fn take(&self, act: Act, hold: Hold, amount: u64) -> Verdict {
            let account = &self.account;
            let lines = [Line {
                account,
                hold,
                amount,
            }];
            let (id, now_ms) = (self.id.get(), self.now_ms.get());
            let order = Order {
                act,
                id,
                now_ms,
                lines: &lines,
            };
            match self.stand_in.take(&order, &self.memory) {
                Step::Done(verdict) => verdict,
                Step::Call(call) => panic!("{call:?}"),
            }
        }

        fn reserve(&self, amount: u64) -> Verdict {
            self.id.set(self.id.get().wrapping_add(1));
            self.take(Act::Reserve, Hold::default(), amount)
        }

        /// Reserves and settles while the store is down. Says whether there was room.
        #[track_caller]
        fn spend(&self, amount: u64) -> bool {
            match self.reserve(amount) {
                Verdict::Granted(done) => {
                    assert!(done[0].0.is_aside);
                    self.take(Act::Settle, done[0].0, amount);
                    true
                }
                Verdict::Refused { .. } => false,
                Verdict::Down => panic!("nothing is known"),
            }
        }

        /// The store answers, with so much left, and is then down.
        fn answers(&self, left: u64) {
            self.told.left.set(Some(left));
            assert!(matches!(self.reserve(1), Verdict::Granted(_)));
            self.told.left.set(None);
        }
    }

    #[test]
    fn a_quarter_of_what_was_left_is_spent_and_no_more() {
        let world = world(WhenDown::Share);
        world.answers(400);
        assert!(world.spend(60));
        assert!(world.spend(40));
        assert!(!world.spend(1));
    }

    #[test]
    fn where_the_store_never_answered_nothing_is_shared() {
        let world = world(WhenDown::Share);
        assert_eq!(world.reserve(1), Verdict::Down);
        let mut counted = Vec::new();
        let mut count = |_: &str, what, times| counted.push((what, times));
        world.stand_in.take_counts(&mut count);
        let refused = Count::Down(WhenDown::Refuse);
        assert_eq!(counted, [(refused, 1), (Count::AtOnce, 1)]);
    }

    #[test]
    fn what_a_share_spent_is_charged_to_the_store_once_and_under_another_id() {
        let world = world(WhenDown::Share);
        world.answers(400);
        assert!(world.spend(60));
        // The reservation may have come through: it is released. What it cost has an id of its own.
        let settled = world.told.settled.borrow();
        assert_eq!(*settled, [(2, 0), (2 + (1 << 64), 60)]);
    }

    #[test]
    fn a_store_that_comes_and_goes_gives_no_share_twice() {
        let world = world(WhenDown::Share);
        world.answers(400);
        assert!(world.spend(100));
        // It answers, and has not been told yet.
        world.answers(400);
        assert!(!world.spend(1));
    }

    #[test]
    fn the_next_outage_has_its_own_share() {
        let world = world(WhenDown::Share);
        world.answers(400);
        assert!(world.spend(100));
        world.now_ms.set(T + 2 * LEASE_MS);
        world.answers(200);
        assert!(world.spend(50));
        assert!(!world.spend(1));
    }

    #[test]
    fn a_new_window_is_shared_whole() {
        let world = world(WhenDown::Share);
        world.answers(0);
        assert!(!world.spend(1));
        world.now_ms.set(T + DAY_MS);
        assert!(world.spend(250));
        assert!(!world.spend(1));
    }

    #[test]
    fn a_hold_grows_within_the_share() {
        let world = world(WhenDown::Share);
        world.answers(400);
        let Verdict::Granted(done) = world.reserve(50) else {
            panic!("there is room");
        };
        let grown = world.take(Act::Extend, done[0].0, 50);
        let Verdict::Granted(done) = grown else {
            panic!("{grown:?}");
        };
        assert_eq!((done[0].0.amount, done[0].0.is_aside), (100, true));
        let refused = world.take(Act::Extend, done[0].0, 1);
        assert!(matches!(refused, Verdict::Refused { .. }), "{refused:?}");
    }

    #[test]
    fn what_passes_is_charged_later() {
        let world = world(WhenDown::Allow);
        assert!(world.spend(5_000));
        assert_eq!(world.told.settled.borrow()[1].1, 5_000);
    }

    #[test]
    fn what_happened_is_counted_once() {
        let world = world(WhenDown::Refuse);
        assert_eq!(world.reserve(1), Verdict::Down);
        let mut counted = Vec::new();
        for _ in 0..2 {
            let mut count = |name: &str, _, times| counted.push(format!("{name} {times}"));
            world.stand_in.take_counts(&mut count);
        }
        assert_eq!(counted, ["s 1", "s 1"]);
    }

    #[test]
    fn keys_at_one_place_take_it_from_each_other() {
        let mut world = world(WhenDown::Share);
        world.answers(400);
        world.account.key = 17;
        assert_eq!(world.reserve(1), Verdict::Down);
        world.answers(400);
        world.account.key = 7;
        assert_eq!(world.reserve(1), Verdict::Down);
    }
}
