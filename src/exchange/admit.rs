//! Admission: what a request may cost is held in every budget that it meets, before it leaves.
//!
//! ```text
//! match -> estimate -> reserve --granted--> thresholds --none or warn--> leave
//!             ^           |                     \-- another model, fewer tokens --+
//!             |           \--no room-- fewer tokens, if the policy says so -------+
//!             +---------------------------------------------------------------------
//! ```
//! What is held is a bound: the prompt as it is estimated, with the guard that was learnt for the model, in
//! the dearest class that it may turn out to have, and all tokens that the answer may have. A stream whose
//! length nobody bounds holds for its first step only, and more as it goes.

use std::cell::RefCell;
use std::rc::Rc;

use crate::budget::{
    Calibration, Content, Estimate, FRAME_TOKENS, Outbound, Price, Shared, Shortfall, TOOLS_TOKENS,
    Unit, WhenDown,
};
use crate::codec::json::{Edits, Kind, Members, Walk, write_string};
use crate::fault::{self, Exhausted, Fault};
use crate::limits::ADMIN_BYTES_MAX;
use crate::policy::{Action, Caller, Due, Facts, Policy, PromptBound, Threshold};
use crate::turn::{Ask, Format, Headers};

use super::Host;
use super::journal::{Journal, Weight};
use super::ledger::{Entry, Ledger, Promise, Refusal, Tally};
use super::tell::{amount_text, duration_text};

/// A request that its budgets have room for.
pub(super) struct Admission {
    pub(super) ledger: Rc<RefCell<Ledger>>,
    /// By how much the holds grow; nothing where they are for the whole answer.
    pub(super) step_tokens: Option<u64>,
    /// The prompt as it was estimated, before any guard.
    pub(super) estimated_tokens: u64,
    /// The model's name in the policy, which may be a pattern: calibration is kept under it, so its number is
    /// bounded by the policy and not by what apps ask for.
    pub(super) row: String,
    /// The body, where the request leaves otherwise than it came.
    pub(super) body: Option<Vec<u8>>,
    /// What the answer's head says of thresholds.
    pub(super) warnings: Vec<String>,
}

/// Thresholds may send a request from model to model, and budgets shorten it, so often.
const ROUNDS_MAX: u128 = 6;

/// An answer that nobody bounded is not made shorter than this.
const UNBOUNDED_TOKENS_MIN: u64 = 256;

/// What of a request matters to its budgets.
struct Wish<'w> {
    /// The model's public name.
    model: String,
    /// What each answer may have at most, if anybody said so.
    asked_tokens: Option<u64>,
    /// A bound that a threshold or a shortage brought.
    bound_tokens: Option<u64>,
    /// How many answers are wanted.
    answers: u64,
    ask: &'w Ask<'w>,
}

/// What an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowance {
    /// The tokens that each answer may have; of a stream that grows, in its first step.
    tokens: u64,
    /// The upstream has to be told.
    is_told: bool,
    step_tokens: Option<u64>,
}

/// Where requests are admitted.
struct Desk<'d> {
    policy: &'d Policy,
    caller: &'d Caller,
    headers: &'d Headers,
    host: &'d dyn Host,
}

/// What comes of one round at the desk.
enum Round {
    Done(Option<Admission>),
    /// The wish has changed.
    Again,
}

/// Admits a request; nothing where no budget counts it.
///
/// # Errors
/// A budget has no room for it, or cannot tell.
pub(super) fn admit(
    policy: &Policy,
    caller: &Caller,
    headers: &Headers,
    ask: &Ask<'_>,
    host: &dyn Host,
    journal: &mut Journal,
) -> Result<Option<Admission>, Halt> {
    if policy.budgets.is_empty() {
        return Ok(None);
    }
    let mut wish = Wish {
        model: ask.model.to_string(),
        asked_tokens: asked_tokens(ask),
        bound_tokens: None,
        answers: answers(ask),
        ask,
    };
    let desk = Desk {
        policy,
        caller,
        headers,
        host,
    };
    for round in 0..ROUNDS_MAX {
        if let Round::Done(admitted) = desk.round(&mut wish, round, journal)? {
            return Ok(admitted);
        }
    }
    Err(Halt::from(Fault::from(fault::Policy::Store)))
}

/// Admits a request to the agents API; nothing where no budget counts it. `model` is the one that it names, if it
/// names one.
///
/// # Errors
/// A budget has no room for it, cannot tell, or counts what no answer of this API tells.
pub(super) fn admit_passage(
    policy: &Policy,
    caller: &Caller,
    (headers, model, provider): (&Headers, Option<&str>, &str),
    host: &dyn Host,
    journal: &mut Journal,
) -> Result<Option<Admission>, Halt> {
    let due = policy.due(&Facts {
        caller,
        headers,
        property: &|path| host.property(path),
        model,
        providers: &[provider],
    });
    let is_blind = |due: &Due| {
        let budget = &due.account.budget;
        !budget.is_shadow && matches!(budget.unit, Unit::Tokens(_) | Unit::Usd)
    };
    if let Some(due) = due.iter().find(|due| is_blind(due)) {
        let budget = due.account.budget.name.clone();
        return Err(Halt::from(Fault::Policy(fault::Policy::Uncounted {
            budget,
        })));
    }
    if due.is_empty() {
        return Ok(None);
    }
    let promise = Promise {
        input_tokens: 0,
        input_tokens_most: 0,
        output_tokens: 0,
    };
    let id = journal.id(0);
    match Ledger::reserve(id, due, Vec::new(), promise, journal, host.shared()) {
        Ok(ledger) => Ok(Some(Admission {
            step_tokens: None,
            estimated_tokens: 0,
            row: String::new(),
            body: None,
            warnings: warnings(&ledger),
            ledger: Rc::new(RefCell::new(ledger)),
        })),
        Err(refusal) => Err(refusal.halt(journal)),
    }
}

/// Why an admission does not go on.
pub(super) enum Halt {
    /// It is refused.
    Fault(Fault),
    /// A store has to make this call first.
    Call(Outbound),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Refusal {
    fn halt(self, journal: &mut Journal) -> Halt {
        match self {
            Self::Down(tallies) => {
                journal.tallies = tallies;
                Halt::from(Fault::from(fault::Policy::Store))
            }
            Self::Call(call) => Halt::Call(call),
            Self::Short {
                due,
                amount,
                shortfall,
            } => {
                journal.tallies.push(Tally::refused(&due, &shortfall));
                Halt::from(exhausted(&due, amount, &shortfall, journal.now_ms()))
            }
        }
    }
}

impl Desk<'_> {
    fn round(
        &self,
        wish: &mut Wish<'_>,
        round: u128,
        journal: &mut Journal,
    ) -> Result<Round, Halt> {
        let Some(model) = self.policy.route(&wish.model) else {
            return Err(Halt::from(Fault::from(fault::Client::UnknownModel)));
        };
        let costs: Vec<_> = model
            .targets()
            .map(|target| {
                (
                    target.provider.clone(),
                    self.policy.cost(target, &wish.model),
                )
            })
            .collect();
        let providers: Vec<&str> = costs.iter().map(|(provider, _)| &**provider).collect();
        let due = self.policy.due(&Facts {
            caller: self.caller,
            headers: self.headers,
            property: &|path| self.host.property(path),
            model: Some(&wish.model),
            providers: &providers,
        });
        if due.is_empty() {
            let body = wish.body(None)?;
            return Ok(Round::Done(body.map(Admission::free)));
        }
        let prices = prices(&costs, &due)?;
        let bounds = costs
            .iter()
            .filter_map(|(_, cost)| cost.as_ref()?.output_tokens_max);
        let allowance = wish.allowance(self.policy, bounds.max());
        let shared = self.host.shared();
        let row = model.name.as_str();
        let weight = journal.weight(|| weigh(wish.ask));
        check_bounded(&due, weight)?;
        let learnt = || Calibration::read(row, shared).bound(weight.estimated_tokens);
        let input_tokens = journal.bound(learnt);
        let promise = Promise {
            input_tokens,
            input_tokens_most: weight.most_tokens.unwrap_or(input_tokens),
            output_tokens: allowance.tokens.saturating_mul(wish.answers),
        };
        let dearest = prices.iter().map(|(_, price)| *price);
        let dearest = dearest.fold(Price::default(), Price::max);
        match Ledger::reserve(journal.id(round), due, prices, promise, journal, shared) {
            Ok(ledger) => self.admitted(wish, row, (ledger, allowance), journal),
            Err(refusal) => {
                if let Refusal::Short { due, shortfall, .. } = &refusal {
                    let affordable = affordable(due, shortfall, promise.input(due), &dearest);
                    let each = affordable.checked_div(wish.answers).unwrap_or(0);
                    // Who set no bound takes what there is.
                    let own = wish.asked_tokens.is_none().then_some(UNBOUNDED_TOKENS_MIN);
                    let least = self.policy.completion.shorten_to_tokens.or(own);
                    if least.is_some_and(|least| least <= each) && each < allowance.tokens {
                        wish.bound_tokens = Some(each);
                        return Ok(Round::Again);
                    }
                }
                Err(refusal.halt(journal))
            }
        }
    }

    /// There is room; the thresholds may still want something else.
    fn admitted(
        &self,
        wish: &mut Wish<'_>,
        row: &str,
        (ledger, allowance): (Ledger, Allowance),
        journal: &mut Journal,
    ) -> Result<Round, Halt> {
        let shared = self.host.shared();
        if wish.heed(&ledger, allowance) {
            ledger.undo(journal, shared);
            return Ok(Round::Again);
        }
        let body = match wish.body(allowance.is_told.then_some(allowance.tokens)) {
            Ok(body) => body,
            Err(fault) => {
                ledger.undo(journal, shared);
                return Err(Halt::from(fault));
            }
        };
        Ok(Round::Done(Some(Admission {
            step_tokens: allowance.step_tokens,
            estimated_tokens: journal.weight(|| weigh(wish.ask)).estimated_tokens,
            row: row.to_owned(),
            body,
            warnings: warnings(&ledger),
            ledger: Rc::new(RefCell::new(ledger)),
        })))
    }
}

impl Admission {
    /// A request that was sent to another model, which no budget counts.
    fn free(body: Vec<u8>) -> Self {
        Self {
            ledger: Rc::new(RefCell::new(Ledger::empty())),
            step_tokens: None,
            estimated_tokens: 0,
            row: String::new(),
            body: Some(body),
            warnings: Vec::new(),
        }
    }

    /// Learns how far the estimate was from what the provider counted.
    pub(super) fn learn(&self, counted_tokens: u64, shared: &dyn Shared) {
        Calibration::learn(&self.row, self.estimated_tokens, counted_tokens, shared);
    }
}

/// The thresholds of a budget that are passed, the highest first.
fn passed(entry: &Entry) -> impl Iterator<Item = &Threshold> {
    let stands = stands(entry);
    let limit = u128::from(entry.level.limit);
    let thresholds = entry.due.rule.thresholds.iter();
    thresholds.filter(move |threshold| stands >= limit.saturating_mul(threshold.percent.into()))
}

/// What of a budget is used or held, in hundredths of its amounts.
fn stands(entry: &Entry) -> u128 {
    let level = entry.level;
    u128::from(level.used.saturating_add(level.held)).saturating_mul(100)
}

/// What the app is told: of each budget one thing at most, but for a store that is down.
fn warnings(ledger: &Ledger) -> Vec<String> {
    let mut warnings = Vec::new();
    for entry in ledger.entries() {
        let budget = &entry.due.account.budget;
        let name = &budget.name;
        if entry.is_aside() {
            let way = match budget.when_down {
                WhenDown::Share => "; local-share",
                WhenDown::Refuse | WhenDown::Allow => "",
            };
            warnings.push(format!("{name}; store-down{way}"));
        }
        let limit = u128::from(entry.level.limit).saturating_mul(100);
        if budget.is_shadow && stands(entry) > limit {
            warnings.push(format!("{name}; shadow-refused"));
        } else if let (false, Some(threshold)) = (
            entry.is_aside(),
            passed(entry).find(|threshold| threshold.action == Action::Warn),
        ) {
            warnings.push(format!("{name}; at={}", threshold.percent));
        }
    }
    warnings
}

impl Wish<'_> {
    fn allowance(&self, policy: &Policy, model_tokens: Option<u64>) -> Allowance {
        let completion = policy.completion;
        if self.ask.format == Format::Embeddings {
            return Allowance {
                tokens: 0,
                is_told: false,
                step_tokens: None,
            };
        }
        let bounds = [completion.tokens_max, self.bound_tokens]
            .into_iter()
            .flatten();
        let bound = bounds.min();
        let said = self.asked_tokens;
        if said.is_none() && bound.is_none() && self.ask.stream {
            let step = completion.stream_step_tokens;
            return Allowance {
                tokens: step,
                is_told: false,
                step_tokens: Some(step.saturating_mul(self.answers)),
            };
        }
        // A model keeps its own bound by itself; but that is far more than most answers have.
        let assumed = completion.assumed_tokens;
        let own = said.unwrap_or_else(|| model_tokens.map_or(assumed, |most| most.min(assumed)));
        let tokens = bound.map_or(own, |bound| own.min(bound));
        let is_kept = said == Some(tokens) || (said.is_none() && model_tokens == Some(tokens));
        Allowance {
            tokens,
            is_told: !is_kept,
            step_tokens: None,
        }
    }

    /// Looks at the thresholds that are passed. Says whether the request has to be admitted anew.
    fn heed(&mut self, ledger: &Ledger, allowance: Allowance) -> bool {
        for threshold in ledger.entries().iter().flat_map(passed) {
            match &threshold.action {
                Action::Warn => {}
                Action::Clamp(tokens) => {
                    if *tokens < allowance.tokens || allowance.step_tokens.is_some() {
                        self.bound_tokens = Some(*tokens);
                        return true;
                    }
                }
                Action::Model(model) => {
                    if *model != self.model {
                        self.model.clone_from(model);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// The body with what has to change.
    fn body(&self, tokens: Option<u64>) -> Result<Option<Vec<u8>>, Fault> {
        let model = (*self.ask.model != *self.model).then_some(&self.model);
        if model.is_none() && tokens.is_none() {
            return Ok(None);
        }
        let mut edits = Edits::new(4, ADMIN_BYTES_MAX);
        let done = self.edit(model, tokens, &mut edits);
        let mut out = Vec::with_capacity(self.ask.body.len().saturating_add(64));
        let done = done.and_then(|()| edits.apply(self.ask.body.as_bytes(), &mut out).ok());
        match done {
            Some(()) => Ok(Some(out)),
            None => Err(Fault::Internal("an edit of a request for its budgets")),
        }
    }

    fn edit(&self, model: Option<&String>, tokens: Option<u64>, edits: &mut Edits) -> Option<()> {
        if let Some(model) = model {
            let mut text = Vec::new();
            write_string(&mut text, model);
            let span = self.ask.member("model")?.value_span.clone();
            edits.replace(span, &text).ok()?;
        }
        let Some(tokens) = tokens else {
            return Some(());
        };
        let names = bounds(self.ask.format);
        let mut is_there = false;
        for member in names.iter().filter_map(|name| self.ask.member(name)) {
            is_there = true;
            let span = member.value_span.clone();
            edits.replace(span, tokens.to_string().as_bytes()).ok()?;
        }
        if !is_there {
            let at = self.ask.body.find('{')?.checked_add(1)?;
            let name = names.last()?;
            let added = format!("\"{name}\":{tokens},");
            edits.insert(at, added.as_bytes()).ok()?;
        }
        Some(())
    }
}

/// What formats call the bound of an answer; the last is what is added where there is none.
const fn bounds(format: Format) -> &'static [&'static str] {
    match format {
        Format::Chat => &["max_completion_tokens", "max_tokens"],
        Format::Completions => &["max_tokens"],
        Format::Responses => &["max_output_tokens"],
        Format::Embeddings => &[],
    }
}

fn asked_tokens(ask: &Ask<'_>) -> Option<u64> {
    let written = bounds(ask.format)
        .iter()
        .filter_map(|name| ask.member(name));
    let mut numbers = written.filter_map(|member| member.value.parse().ok());
    numbers.next()
}

/// How many answers are wanted: `n` for each prompt, or as many as the best is sought in.
fn answers(ask: &Ask<'_>) -> u64 {
    let number = |name| {
        ask.member(name)
            .and_then(|member| member.value.parse().ok())
    };
    let each: u64 = number("n").max(number("best_of")).unwrap_or(1).max(1);
    let prompts = ask.member("prompt").map_or(1, |prompt| items(prompt.value));
    each.saturating_mul(prompts)
}

/// How many prompts a member holds: a list of texts or of lists has several.
fn items(json: &str) -> u64 {
    let mut walk = Walk::new(json);
    if walk.kind() != Kind::Array {
        return 1;
    }
    walk.open();
    let mut count = 0_u64;
    while let Ok(true) = walk.next_item() {
        if walk.kind() == Kind::Number || walk.skip().is_err() {
            break;
        }
        count = count.saturating_add(1);
    }
    count.max(1)
}

fn weigh(ask: &Ask<'_>) -> Weight {
    let mut estimate = Estimate::default();
    let mut tokens = u64::try_from(ask.body.len()).unwrap_or(u64::MAX);
    tokens = tokens.saturating_add(FRAME_TOKENS);
    let mut is_bounded = true;
    for member in &ask.members {
        let content = match &*member.key {
            "messages" | "input" | "prompt" | "instructions" | "suffix" => Content::Messages,
            "tools" | "functions" => {
                estimate.tools();
                Content::Schema
            }
            "response_format" | "text" => Content::Schema,
            "previous_response_id" | "conversation" | "web_search_options" => {
                is_bounded &= member.value == "null";
                continue;
            }
            _ => continue,
        };
        estimate.value(member.value, content);
        if content == Content::Schema {
            tokens = tokens.saturating_add(TOOLS_TOKENS);
        }
        is_bounded &= match &*member.key {
            // A template that the provider keeps.
            "prompt" => !member.value.starts_with('{'),
            "tools" => are_own(member.value),
            _ => true,
        };
    }
    Weight {
        estimated_tokens: estimate.tokens(),
        most_tokens: (is_bounded && estimate.is_text()).then_some(tokens),
    }
}

/// Whether all of these tools are the app's own. What a hosted one finds is added to the prompt.
fn are_own(json: &str) -> bool {
    let mut walk = Walk::new(json);
    if walk.kind() != Kind::Array {
        return true;
    }
    walk.open();
    while let Ok(true) = walk.next_item() {
        let Ok(tool) = walk.skip() else {
            return false;
        };
        let mut members = Members::new(tool);
        let kind = members.find_map(|member| {
            let member = member.ok()?;
            (&*member.key == "type").then_some(member.value)
        });
        if !kind.is_none_or(|kind| matches!(kind, r#""function""# | r#""custom""#)) {
            return false;
        }
    }
    true
}

/// What each provider charges. Where money is limited everybody has to have a price.
fn prices(
    costs: &[(String, Option<crate::policy::Cost>)],
    due: &[Due],
) -> Result<Vec<(String, Price)>, Fault> {
    let needs_price = due.iter().any(|due| due.account.budget.unit == Unit::Usd);
    let price = |(provider, cost): &(String, Option<crate::policy::Cost>)| match cost {
        Some(cost) => Ok((provider.clone(), cost.price)),
        None if needs_price => Err(Fault::from(fault::Policy::Price)),
        None => Ok((provider.clone(), Price::default())),
    };
    costs.iter().map(price).collect()
}

/// Fails where a budget that holds by bytes meets a prompt which they do not bound.
fn check_bounded(due: &[Due], weight: Weight) -> Result<(), Fault> {
    let is_blind = |due: &&Due| {
        let budget = &due.account.budget;
        let counts = matches!(budget.unit, Unit::Tokens(_) | Unit::Usd);
        counts && !budget.is_shadow && due.rule.prompt == PromptBound::Bytes
    };
    match due.iter().find(is_blind) {
        Some(due) if weight.most_tokens.is_none() => {
            let budget = due.account.budget.name.clone();
            Err(Fault::from(fault::Policy::Unbounded { budget }))
        }
        Some(_) | None => Ok(()),
    }
}

/// How many output tokens fit into what a budget has left.
fn affordable(due: &Due, shortfall: &Shortfall, input_tokens: u64, price: &Price) -> u64 {
    const SAMPLE: u64 = 1_000_000;
    let unit = due.account.budget.unit;
    let left = shortfall.level.remaining();
    let left = left.saturating_sub(unit.bound(input_tokens, 0, price));
    let sample = match unit {
        Unit::Requests | Unit::Concurrent => 0,
        Unit::Tokens(_) | Unit::Usd => unit.bound(0, SAMPLE, price),
    };
    let tokens = u128::from(left).saturating_mul(SAMPLE.into());
    let tokens = tokens.checked_div(sample.into()).unwrap_or(0);
    // Amounts are rounded up.
    u64::try_from(tokens).unwrap_or(u64::MAX).saturating_sub(1)
}

/// The refusal in OpenAI's words.
fn exhausted(due: &Due, amount: u64, shortfall: &Shortfall, now_ms: u64) -> Fault {
    let budget = &due.account.budget;
    let level = &shortfall.level;
    let kind = match budget.unit {
        Unit::Requests | Unit::Concurrent => "requests",
        Unit::Tokens(_) | Unit::Usd => "tokens",
    };
    let [limit, used, held, requested] = [level.limit, level.used, level.held, amount]
        .map(|amount| amount_text(budget.unit, amount));
    let retry_ms = shortfall.fits_ms.map(|at| at.saturating_sub(now_ms).max(1));
    let (name, what) = (&budget.name, budget.unit.name());
    let message = match retry_ms {
        None => format!(
            "Request too large for budget '{name}' on {what}: Limit {limit}, Requested {requested}. \
             Shorten the prompt or ask for fewer output tokens."
        ),
        Some(retry_ms) => {
            let lead = if due.rule.is_quota {
                "You exceeded your current quota:"
            } else {
                "Rate limit reached for"
            };
            let retry = duration_text(retry_ms);
            format!(
                "{lead} budget '{name}' on {what}: Limit {limit}, Used {used}, In flight {held}, \
                 Requested {requested}. Please try again in {retry}."
            )
        }
    };
    Fault::Budget(Box::new(Exhausted {
        is_quota: due.rule.is_quota,
        kind,
        message,
        retry_ms,
    }))
}
