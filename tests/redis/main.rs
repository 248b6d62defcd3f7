//! The stores that many gateways share, against a real Redis behind a real Webdis.
//!
//! What the script computes is compared with the arithmetic of `budget::Cell`, step by step, under a clock
//! that the test drives: the time is one more word at the end of each call.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "clippy knows test functions, not the helpers of a test file"
)]
#![expect(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a run of random steps is read in one piece, and a real Redis has a real clock"
)]

mod server;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use server::{Client, Server};
use tollgate::budget::{
    Account, Act, Budget, Cell, Hold, Inbound, Line, Order, Outbound, Period, Protocol, Redis,
    RedisSettings, Shared, Shortfall, Slices, Step, Store, Unanswered, Unit, Verdict, Window, Zone,
};

const T: u64 = 1_795_435_200_000;

/// Memory as Envoy shares it.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (Vec<u8>, u32)>>);

impl Shared for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let found = self.0.lock().unwrap().get(key).cloned();
        // As the SDK tells it (proxy-wasm 0.2.5).
        found.filter(|(bytes, _)| !bytes.is_empty())
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        let mut values = self.0.lock().unwrap();
        let known = values.get(key).map(|(_, version)| *version);
        if known != version {
            return false;
        }
        let next = known.unwrap_or(0) + 1;
        values.insert(key.to_owned(), (bytes.to_owned(), next));
        true
    }
}

/// The same numbers on every run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % bound
    }
}

fn settings(tag: &str) -> RedisSettings {
    RedisSettings {
        name: "redis".to_owned(),
        cluster: "webdis".to_owned(),
        authority: "webdis".to_owned(),
        path: "/".to_owned(),
        protocol: Protocol::Webdis,
        authorization: None,
        tag: tag.to_owned(),
        timeout_ms: 2_000,
    }
}

fn account(name: &str, window: Window, limit: u64, is_shadow: bool) -> Account {
    let budget = Budget::new(name.to_owned(), Unit::Requests, window, is_shadow, 100);
    Account {
        budget: Rc::new(budget),
        key: Budget::fingerprint([name].into_iter()),
        label: String::new(),
        values: Vec::new(),
        limit,
    }
}

fn calendar(period: Period) -> Window {
    let zone = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    Window::Calendar { period, zone }
}

/// One gateway: a store, its memory, a connection; and the time, if the test drives it.
struct Gateway<'s> {
    store: &'s dyn Store,
    memory: Rc<Memory>,
    client: Client,
    redis_ms: Option<u64>,
    calls: u64,
    /// What may be lost or come twice on the way.
    weather: Option<Random>,
    /// Calls that come once more, later. Requests' own do not: what they hold then lapses with its lease.
    late: Vec<Outbound>,
}

impl<'s> Gateway<'s> {
    fn new(store: &'s dyn Store, server: &Server) -> Self {
        Self {
            store,
            memory: Rc::default(),
            client: server.client(),
            redis_ms: None,
            calls: 0,
            weather: None,
            late: Vec::new(),
        }
    }

    /// Makes a call over a network that may lose it, lose its answer, or deliver it twice.
    fn send<T>(
        &mut self,
        mut call: Outbound,
        hear: impl FnOnce(Result<Inbound<'_>, Unanswered>) -> T,
    ) -> T {
        if let Some(redis_ms) = self.redis_ms {
            call.body
                .extend_from_slice(format!("/{redis_ms}").as_bytes());
        }
        match self.weather.as_mut().map(|weather| weather.below(10)) {
            Some(0) => hear(Err(Unanswered)),
            Some(1) => {
                self.client.call(&call, |_| ());
                hear(Err(Unanswered))
            }
            Some(2) => {
                self.client.call(&call, |_| ());
                self.client.call(&call, hear)
            }
            Some(3) => {
                let is_of_request = String::from_utf8_lossy(&call.body).contains(",R,");
                self.late.extend((!is_of_request).then(|| call.clone()));
                if self.late.len() > 5 {
                    let late = self.late.remove(0);
                    self.client.call(&late, |_| ());
                }
                self.client.call(&call, hear)
            }
            _ => self.client.call(&call, hear),
        }
    }

    /// Takes an order as the exchange does.
    fn take(&mut self, order: &Order<'_>) -> Verdict {
        let mut step = self.store.take(order, &*self.memory);
        loop {
            match step {
                Step::Done(verdict) => return verdict,
                Step::Call(call) => {
                    self.calls += 1;
                    let (store, memory) = (self.store, Rc::clone(&self.memory));
                    step = self.send(call, |answer| store.hear(order, answer, &*memory));
                }
            }
        }
    }

    /// Makes the calls that nobody waits for; each of them so many times.
    fn errands(&mut self, now_ms: u64, times: u64) {
        while let Some(call) = self.store.errand(now_ms, &*self.memory) {
            for _ in 0..times {
                let (store, memory) = (self.store, Rc::clone(&self.memory));
                self.send(call.clone(), |answer| {
                    store.errand_done(now_ms, answer, &*memory)
                });
            }
        }
    }
}

/// What the script has to compute: a cell for each bucket, and what is held for each request.
struct Model {
    cells: Vec<Cell>,
}

impl Model {
    fn raise(
        &mut self,
        act: Act,
        now_ms: u64,
        accounts: &[Account],
        lines: &[(usize, Hold, u64)],
    ) -> Result<Vec<Hold>, (usize, Shortfall)> {
        let mut cells = self.cells.clone();
        let mut holds = Vec::new();
        for (at, (which, hold, amount)) in lines.iter().enumerate() {
            let account = &accounts[*which];
            let frame = account.budget.window.frame(now_ms);
            let limit = if account.budget.is_shadow {
                u64::MAX
            } else {
                account.limit
            };
            let cell = &mut cells[*which];
            let done = match act {
                Act::Reserve => cell.reserve(now_ms, &frame, limit, *amount),
                _ => cell.extend(now_ms, &frame, limit, *hold, *amount),
            };
            holds.push(done.map_err(|mut shortfall| {
                shortfall.level.limit = account.limit;
                (at, shortfall)
            })?);
        }
        self.cells = cells;
        Ok(holds)
    }
}

/// A request under way: its buckets and what is held in each.
struct Request {
    id: u128,
    lines: Vec<(usize, Hold, u64)>,
}

fn accounts() -> Vec<Account> {
    vec![
        account("a", calendar(Period::Minute), 1_000, false),
        account("b", Window::Rolling { length_ms: 45_000 }, 1_500, false),
        account("c", calendar(Period::Day), 5_000, false),
        account("d", Window::Always, 12, false),
        account("e", calendar(Period::Second), 400, true),
        account("f", calendar(Period::Month), 9_007_199_254_740_000, false),
    ]
}

fn lines<'a>(accounts: &'a [Account], lines: &[(usize, Hold, u64)]) -> Vec<Line<'a>> {
    let line = |(which, hold, amount): &(usize, Hold, u64)| Line {
        account: &accounts[*which],
        hold: *hold,
        amount: *amount,
    };
    lines.iter().map(line).collect()
}

/// Random interleavings of what gateways do, each step against the model.
#[track_caller]
fn check_against_cells(server: &Server, seed: u64, steps: u64) {
    let mut random = Random::new(seed);
    let store = Redis::new(settings(&format!("{{s{seed}}}")));
    let mut gateway = Gateway::new(&store, server);
    let accounts = accounts();
    let mut model = Model {
        cells: vec![Cell::default(); accounts.len()],
    };
    let mut now_ms = T + random.below(100_000);
    let mut requests: Vec<Request> = Vec::new();
    let mut outcomes = [0_u64; 2];
    for step in 0..steps {
        now_ms += [0, 7, 900, 4_000, 30_000][random.below(5) as usize] * random.below(3);
        if random.below(200) == 0 {
            now_ms += random.below(3_000_000);
        }
        gateway.redis_ms = Some(now_ms);
        let at = random.below(requests.len().max(1) as u64) as usize;
        let act = match random.below(10) {
            _ if requests.is_empty() => Act::Reserve,
            0..=3 => Act::Reserve,
            4 => Act::Extend,
            5 => Act::Renew,
            6 => Act::Look,
            _ => Act::Settle,
        };
        let (id, mut wanted) = if act == Act::Reserve {
            let wanted = (0..accounts.len()).filter(|_| random.below(2) == 0);
            let wanted = wanted.map(|which| (which, Hold::default(), 0)).collect();
            (u128::from(seed << 32 | step), wanted)
        } else {
            (requests[at].id, requests[at].lines.clone())
        };
        for (which, _, amount) in &mut wanted {
            *amount = match (act, *which) {
                (Act::Renew | Act::Look, _) => 0,
                (Act::Settle, 3) => 0,
                (_, 3) => 1,
                (_, 5) => 1 + random.below(900_719_925_474_099),
                _ => 1 + random.below(300),
            };
        }
        let order_lines = lines(&accounts, &wanted);
        let order = Order {
            act,
            id,
            now_ms,
            lines: &order_lines,
        };
        let verdict = gateway.take(&order);
        let case = format!("seed {seed}, step {step}, {act:?} at {now_ms} of {wanted:?}");
        let expected = match act {
            Act::Reserve | Act::Extend => model.raise(act, now_ms, &accounts, &wanted),
            _ => Ok(wanted
                .iter()
                .map(|(which, hold, amount)| {
                    let frame = accounts[*which].budget.window.frame(now_ms);
                    let cell = &mut model.cells[*which];
                    match act {
                        Act::Renew => cell.renew(now_ms, &frame, *hold),
                        Act::Settle => {
                            cell.settle(now_ms, &frame, *hold, *amount);
                            Hold::default()
                        }
                        _ => *hold,
                    }
                })
                .collect()),
        };
        if act == Act::Settle {
            assert_eq!(verdict, Verdict::Granted(vec![]), "{case}");
            gateway.errands(now_ms, 1 + random.below(2));
            requests.swap_remove(at);
            continue;
        }
        match expected {
            Ok(holds) => {
                outcomes[0] += 1;
                let level = |which: usize| {
                    let account = &accounts[which];
                    let frame = account.budget.window.frame(now_ms);
                    model.cells[which].level(now_ms, &frame, account.limit)
                };
                let each = wanted.iter().zip(&holds);
                let want: Vec<_> = each
                    .map(|((which, ..), hold)| (*hold, level(*which)))
                    .collect();
                assert_eq!(verdict, Verdict::Granted(want), "{case}");
                for ((_, hold, _), new) in wanted.iter_mut().zip(&holds) {
                    *hold = *new;
                }
                if act == Act::Reserve {
                    if random.below(8) == 0 {
                        // It comes again: nothing more is held.
                        assert_eq!(gateway.take(&order), verdict, "again: {case}");
                    }
                    requests.push(Request { id, lines: wanted });
                } else {
                    requests[at].lines = wanted;
                }
            }
            Err((line, shortfall)) => {
                outcomes[1] += 1;
                assert_eq!(verdict, Verdict::Refused { line, shortfall }, "{case}");
            }
        }
    }
    assert!(
        outcomes.iter().all(|count| *count > steps / 20),
        "{outcomes:?}"
    );
}

#[test]
fn the_script_computes_what_cells_compute() {
    let server = Server::start();
    for seed in 1..=8 {
        check_against_cells(&server, seed, 1_500);
    }
}

#[test]
fn the_script_has_the_name_that_is_asked_for() {
    let server = Server::start();
    let script = include_str!("../../src/budget/redis/script.lua");
    let name = server.redis(&["SCRIPT", "LOAD", script]);
    let wire = include_str!("../../src/budget/redis/wire.rs");
    assert!(wire.contains(&name[0]), "write {} into wire.rs", name[0]);
}

/// One gateway's requests under way.
type Live = Vec<(u128, Vec<(usize, Hold, u64)>)>;

/// How two gateways spent a limit.
#[derive(Debug, Default)]
struct Spent {
    admitted: u64,
    refused: u64,
    /// Requests that waited for a call.
    waited: u64,
    /// What was charged in the end.
    charged: u64,
}

/// Two gateways spend one limit until no request fits any more. What is settled and what is held together
/// never exceed it, and in the end Redis has charged what requests cost.
#[track_caller]
fn check_two_gateways(
    server: &Server,
    make: &dyn Fn(RedisSettings) -> Box<dyn Store>,
    seed: u64,
    limit: u64,
    is_stormy: bool,
) -> Spent {
    let settings = settings(&format!("{{two{seed}{is_stormy}}}"));
    let stores = [make(settings.clone()), make(settings)];
    let mut gateways = [0, 1].map(|at| {
        let mut gateway = Gateway::new(&*stores[at], server);
        gateway.weather = is_stormy.then(|| Random::new(seed * 7 + at as u64));
        gateway
    });
    let accounts = [
        account("team", calendar(Period::Day), limit, false),
        account(
            "all",
            Window::Rolling {
                length_ms: 3_600_000,
            },
            limit * 2,
            false,
        ),
    ];
    let mut random = Random::new(seed);
    let mut live: [Live; 2] = [vec![], vec![]];
    let (mut now_ms, mut id) = (T, u128::from(seed) << 64);
    let mut spent = Spent::default();
    let (mut charged, mut quiet) = (0, 0);
    // Until nothing fits for two seconds, in which gateways give back what they do not use.
    while quiet < 400 {
        now_ms += random.below(10);
        let at = random.below(2) as usize;
        let gateway = &mut gateways[at];
        gateway.redis_ms = Some(now_ms);
        if live[at].len() < 16 && random.below(2) == 0 {
            id += 1;
            let amount = 1 + random.below(50);
            let mut wanted = vec![(0, Hold::default(), amount), (1, Hold::default(), amount)];
            let before = gateway.calls;
            let order_lines = lines(&accounts, &wanted);
            let order = Order {
                act: Act::Reserve,
                id,
                now_ms,
                lines: &order_lines,
            };
            let verdict = gateway.take(&order);
            spent.waited += u64::from(gateway.calls > before);
            match verdict {
                Verdict::Granted(done) => {
                    spent.admitted += 1;
                    quiet = 0;
                    for (line, (hold, _)) in wanted.iter_mut().zip(done) {
                        line.1 = hold;
                    }
                    live[at].push((id, wanted));
                    let held = live.iter().flatten().map(|(_, lines)| lines[0].1.amount);
                    let held: u64 = held.sum();
                    assert!(charged + held <= limit, "{charged} + {held}, seed {seed}");
                }
                Verdict::Refused { .. } => {
                    spent.refused += 1;
                    quiet += 1;
                }
                Verdict::Down => {
                    let order = Order {
                        act: Act::Settle,
                        ..order
                    };
                    let nothing = lines(
                        &accounts,
                        &[(0, Hold::default(), 0), (1, Hold::default(), 0)],
                    );
                    gateway.take(&Order {
                        lines: &nothing,
                        ..order
                    });
                }
            }
        } else if !live[at].is_empty() {
            let which = random.below(live[at].len() as u64) as usize;
            let (id, mut wanted) = live[at].swap_remove(which);
            let actual = random.below(wanted[0].1.amount + 1);
            wanted.iter_mut().for_each(|line| line.2 = actual);
            charged += actual;
            let order_lines = lines(&accounts, &wanted);
            gateway.take(&Order {
                act: Act::Settle,
                id,
                now_ms,
                lines: &order_lines,
            });
        }
        gateway.errands(now_ms, 1);
    }
    // Everything ends, and what the network lost is delivered again.
    for round in 0..8 {
        now_ms += 3_000;
        for (gateway, live) in gateways.iter_mut().zip(&mut live) {
            gateway.redis_ms = Some(now_ms);
            for (id, mut wanted) in live.drain(..) {
                wanted.iter_mut().for_each(|line| line.2 = 0);
                let order_lines = lines(&accounts, &wanted);
                gateway.take(&Order {
                    act: Act::Settle,
                    id,
                    now_ms,
                    lines: &order_lines,
                });
            }
            if round == 4 {
                gateway.weather = None;
            }
            gateway.errands(now_ms, 1);
        }
    }
    let looked = lines(
        &accounts,
        &[(0, Hold::default(), 0), (1, Hold::default(), 0)],
    );
    let look = Order {
        act: Act::Look,
        id: 0,
        now_ms,
        lines: &looked,
    };
    let Verdict::Granted(levels) = gateways[0].take(&look) else {
        panic!("redis cannot say");
    };
    for (_, level) in levels {
        assert_eq!((level.used, level.held), (charged, 0), "seed {seed}");
    }
    spent.charged = charged;
    spent
}

fn atomic(settings: RedisSettings) -> Box<dyn Store> {
    Box::new(Redis::new(settings))
}

fn slices(settings: RedisSettings) -> Box<dyn Store> {
    Box::new(Slices::new(settings))
}

#[test]
fn two_gateways_that_ask_for_each_request_spend_the_limit_and_no_more() {
    let server = Server::start();
    for seed in 1..=4 {
        let spent = check_two_gateways(&server, &atomic, seed, 20_000, false);
        assert!(spent.charged > 19_950, "{spent:?}");
    }
}

#[test]
fn two_gateways_that_fetch_slices_spend_the_limit_and_no_more() {
    let server = Server::start();
    for seed in 1..=4 {
        let spent = check_two_gateways(&server, &slices, seed, 100_000, false);
        assert!(spent.charged > 99_000, "{spent:?}");
        let admitted_at_once = spent.admitted + spent.refused - spent.waited;
        assert!(admitted_at_once * 10 > spent.admitted * 9, "{spent:?}");
    }
}

#[test]
fn whatever_the_network_loses_or_doubles_is_charged_once() {
    let server = Server::start();
    for seed in 1..=4 {
        check_two_gateways(&server, &atomic, seed, 5_000, true);
        check_two_gateways(&server, &slices, seed + 100, 5_000, true);
    }
}

/// Reserves and settles once, and says whether Redis could be asked.
fn spend(gateway: &mut Gateway<'_>, account: &Account, id: u128, now_ms: u64) -> Verdict {
    let line = |hold, amount| {
        [Line {
            account,
            hold,
            amount,
        }]
    };
    let reserve = line(Hold::default(), 10);
    let verdict = gateway.take(&Order {
        act: Act::Reserve,
        id,
        now_ms,
        lines: &reserve,
    });
    if let Verdict::Granted(done) = &verdict {
        let settle = line(done[0].0, 7);
        gateway.take(&Order {
            act: Act::Settle,
            id,
            now_ms,
            lines: &settle,
        });
    }
    verdict
}

fn used(gateway: &mut Gateway<'_>, account: &Account, now_ms: u64) -> (u64, u64) {
    let hold = Hold::default();
    let look = [Line {
        account,
        hold,
        amount: 0,
    }];
    match gateway.take(&Order {
        act: Act::Look,
        id: 0,
        now_ms,
        lines: &look,
    }) {
        Verdict::Granted(done) => (done[0].1.used, done[0].1.held),
        other => panic!("{other:?}"),
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[test]
fn a_settlement_outlives_redis() {
    let mut server = Server::start();
    let store = Redis::new(settings("{kill}"));
    let mut gateway = Gateway::new(&store, &server);
    let account = account("day", calendar(Period::Day), 100, false);
    let now_ms = wall_ms();
    let granted = spend(&mut gateway, &account, 1, now_ms);
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
    server.kill_redis();
    gateway.errands(now_ms, 1);
    assert_eq!(spend(&mut gateway, &account, 2, now_ms), Verdict::Down);
    server.restart_redis();
    // It has the hold, not the script, and is told what was used.
    assert_eq!(used(&mut gateway, &account, now_ms), (0, 10));
    gateway.errands(now_ms + 3_000, 1);
    assert_eq!(used(&mut gateway, &account, now_ms), (7, 0));
}

#[test]
fn a_redis_that_stands_still_is_asked_no_longer_than_the_timeout_and_gets_everything_later() {
    let server = Server::start();
    let settings = RedisSettings {
        timeout_ms: 100,
        ..settings("{stop}")
    };
    let store = Redis::new(settings);
    let mut gateway = Gateway::new(&store, &server);
    let account = account("day", calendar(Period::Day), 100, false);
    let now_ms = wall_ms();
    spend(&mut gateway, &account, 1, now_ms);
    server.signal_redis("-STOP");
    let began = Instant::now();
    assert_eq!(spend(&mut gateway, &account, 2, now_ms), Verdict::Down);
    assert!(began.elapsed().as_millis() < 1_000);
    let line = [Line {
        account: &account,
        hold: Hold::default(),
        amount: 0,
    }];
    gateway.take(&Order {
        act: Act::Settle,
        id: 2,
        now_ms,
        lines: &line,
    });
    gateway.errands(now_ms, 1);
    server.signal_redis("-CONT");
    // The reservation that nobody waited for came too, and was given back.
    for later in 1..100 {
        gateway.errands(now_ms + later * 3_000, 1);
        if used(&mut gateway, &account, now_ms) == (7, 0) {
            return;
        }
    }
    assert_eq!(used(&mut gateway, &account, now_ms), (7, 0));
}

#[test]
fn a_gateway_whose_clock_is_wrong_is_told_the_time() {
    let server = Server::start();
    let store = Redis::new(settings("{clock}"));
    let mut gateway = Gateway::new(&store, &server);
    let account = account("minute", calendar(Period::Minute), 10, false);
    let wrong_ms = wall_ms() - 3_600_000;
    let granted = spend(&mut gateway, &account, 1, wrong_ms);
    let Verdict::Granted(done) = granted else {
        panic!("{granted:?}");
    };
    let level = done[0].1;
    // By its own clock the window ends within the minute.
    assert!(
        (1..=60_000).contains(&(level.resets_ms - wrong_ms)),
        "{level:?}"
    );
    assert_eq!(gateway.calls, 3, "the script, the clock, the answer");
    gateway.errands(wrong_ms, 1);
    spend(&mut gateway, &account, 2, wrong_ms);
    assert_eq!(gateway.calls, 4, "once it knows the time it asks once");
}

#[test]
fn every_key_expires() {
    let server = Server::start();
    let stores = [atomic(settings("{t}")), slices(settings("{t}"))];
    for (at, store) in stores.iter().enumerate() {
        let mut gateway = Gateway::new(&**store, &server);
        let windows = [
            calendar(Period::Minute),
            Window::Rolling { length_ms: 9_000 },
            Window::Always,
        ];
        for (which, window) in windows.into_iter().enumerate() {
            let account = account(&format!("{at}-{which}"), window, 100, false);
            let hold = Hold::default();
            let line = [Line {
                account: &account,
                hold,
                amount: 1,
            }];
            let id = (at * 10 + which) as u128;
            gateway.take(&Order {
                act: Act::Reserve,
                id,
                now_ms: wall_ms(),
                lines: &line,
            });
        }
    }
    let keys = server.redis(&["KEYS", "*"]);
    assert!(keys.len() >= 12, "{keys:?}");
    for key in keys {
        let lives_ms: i64 = server.redis(&["PTTL", &key])[0]
            .trim_start_matches(':')
            .parse()
            .unwrap();
        assert!(
            (1..=500_000).contains(&lives_ms),
            "{key} lives {lives_ms} ms"
        );
    }
}

#[test]
fn webdis_lets_through_what_the_store_needs_and_nothing_else() {
    let server = Server::start();
    let client = server.client();
    let status = |body: &[u8]| client.post(body, Duration::from_secs(1)).unwrap().0;
    assert_eq!(status(b"PING"), 200);
    for body in [&b"GET/a"[..], b"FLUSHALL", b"CONFIG/GET/*", b"KEYS/*"] {
        assert_eq!(status(body), 403);
    }
}

#[test]
fn what_was_given_back_is_not_given_back_again_when_the_call_comes_late() {
    let server = Server::start();
    let stores = [slices(settings("{late}")), slices(settings("{late}"))];
    let mut gateways = stores
        .each_ref()
        .map(|store| Gateway::new(&**store, &server));
    let account = account("day", calendar(Period::Day), 1_000, false);
    let line = |hold, amount| {
        [Line {
            account: &account,
            hold,
            amount,
        }]
    };
    let reserve = |gateway: &mut Gateway<'_>, id, now_ms, amount| {
        gateway.redis_ms = Some(now_ms);
        let lines = line(Hold::default(), amount);
        gateway.take(&Order {
            act: Act::Reserve,
            id,
            now_ms,
            lines: &lines,
        })
    };
    gateways[0].redis_ms = Some(T);
    spend(&mut gateways[0], &account, 1, T);
    // It tells what was spent; a second later nobody has spent more, and it gives back the rest.
    let mut calls = Vec::new();
    for now_ms in [T + 2_000, T + 4_000] {
        gateways[0].redis_ms = Some(now_ms);
        let gateway = &mut gateways[0];
        while let Some(call) = gateway.store.errand(now_ms, &*gateway.memory) {
            calls.push(call.clone());
            let (store, memory) = (gateway.store, Rc::clone(&gateway.memory));
            gateway.send(call, |answer| store.errand_done(now_ms, answer, &*memory));
        }
    }
    let last = calls.pop().unwrap();
    assert!(
        String::from_utf8_lossy(&last.body).contains(",s,"),
        "it gives back"
    );
    let granted = reserve(&mut gateways[0], 2, T + 5_000, 400);
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
    gateways[0].send(last, |_| ());
    // 7 are used and 400 held.
    let refused = reserve(&mut gateways[1], 3, T + 5_000, 594);
    assert!(matches!(refused, Verdict::Refused { .. }), "{refused:?}");
    let granted = reserve(&mut gateways[1], 4, T + 5_000, 100);
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
}

/// What a reservation of this amount is answered.
fn reserve(
    gateway: &mut Gateway<'_>,
    account: &Account,
    id: u128,
    now_ms: u64,
    amount: u64,
) -> Verdict {
    gateway.redis_ms = Some(now_ms);
    let lines = [Line {
        account,
        hold: Hold::default(),
        amount,
    }];
    gateway.take(&Order {
        act: Act::Reserve,
        id,
        now_ms,
        lines: &lines,
    })
}

#[test]
fn a_slice_that_was_idle_until_it_was_forgotten_does_not_get_back_what_was_spent_of_it() {
    let server = Server::start();
    let store = slices(settings("{idle}"));
    let mut gateway = Gateway::new(&*store, &server);
    let account = account("day", calendar(Period::Day), 100, false);
    let mut now_ms = T;
    for id in 1..=10 {
        gateway.redis_ms = Some(now_ms);
        spend(&mut gateway, &account, id, now_ms);
    }
    // 70 are used. It tells so and gives back the rest, and then nothing happens for longer than any lease.
    for _ in 0..100 {
        now_ms += 1_000;
        gateway.redis_ms = Some(now_ms);
        gateway.errands(now_ms, 1);
    }
    let refused = reserve(&mut gateway, &account, 11, now_ms, 31);
    assert!(matches!(refused, Verdict::Refused { .. }), "{refused:?}");
    let granted = reserve(&mut gateway, &account, 12, now_ms, 30);
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
    assert_eq!(used(&mut gateway, &account, now_ms), (70, 30));
}

#[test]
fn a_reservation_that_comes_after_its_own_release_holds_nothing() {
    let server = Server::start();
    let store = Redis::new(settings("{after}"));
    let mut gateway = Gateway::new(&store, &server);
    let account = account("day", calendar(Period::Day), 100, false);
    gateway.redis_ms = Some(T);
    let lines = [Line {
        account: &account,
        hold: Hold::default(),
        amount: 0,
    }];
    // The call timed out on its way, so it is given back; then it arrives.
    gateway.take(&Order {
        act: Act::Settle,
        id: 1,
        now_ms: T,
        lines: &lines,
    });
    // Redis does not know the script yet, so it takes two calls.
    gateway.errands(T, 1);
    gateway.errands(T + 3_000, 1);
    reserve(&mut gateway, &account, 1, T, 60);
    assert_eq!(used(&mut gateway, &account, T), (0, 0));
}

#[test]
fn what_a_gateway_spent_before_it_was_reloaded_is_told_by_whoever_comes_after() {
    let server = Server::start();
    let stores = [slices(settings("{reload}")), slices(settings("{reload}"))];
    let account = account("day", calendar(Period::Day), 100, false);
    let mut before = Gateway::new(&*stores[0], &server);
    for id in 1..=8 {
        before.redis_ms = Some(T);
        spend(&mut before, &account, id, T);
    }
    // No errand has left when its VM is gone; what workers share stays. Nobody asks for the bucket any more.
    stores[1].adopt(&account.budget);
    let mut after = Gateway::new(&*stores[1], &server);
    after.memory = Rc::clone(&before.memory);
    for seconds in 1..=5 {
        let now_ms = T + seconds * 1_000;
        after.redis_ms = Some(now_ms);
        after.errands(now_ms, 1);
    }
    assert_eq!(used(&mut after, &account, T + 6_000), (56, 0));
}
