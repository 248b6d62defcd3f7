//! Budgets: what is reserved before a request leaves, and settled after it ended.
//!
//! A [`Budget`] says what is counted and over which [`Window`]. Each key of it has a bucket, an [`Account`];
//! how a bucket stands is a [`Cell`], whose arithmetic is pure. Where cells are kept is a [`Store`]'s affair.
//! Amounts are whole numbers: requests, thousandths of tokens where classes have weights, and nano-dollars.
//!
//! Invariants: used and held together never exceed the limit by an admission; a hold whose request is
//! forgotten is gone when its lease ends; what a request cost is charged once, to the window in which it
//! was admitted. This room refuses to know policies, formats, clocks, randomness and hosts.

mod account;
mod blocks;
mod calibration;
mod cell;
mod estimate;
mod local;
#[cfg(test)]
mod memory;
mod outbox;
mod price;
mod redis;
mod rls;
mod seen;
mod stand_in;
mod store;
mod weigh;
mod window;
mod zone;

pub use account::{Account, Budget, Hold, Unit, Weights, WhenDown};
pub use calibration::{Calibration, FRAME_TOKENS};
pub use cell::{Cell, Frame, LEASE_MS, Level, Shortfall};
pub use estimate::{Content, Estimate, TOOLS_TOKENS};
pub use local::Local;
pub use price::{Price, Tokens};
pub use redis::{Protocol, Redis, Settings as RedisSettings, Slices};
pub use rls::{Rls, Settings as RlsSettings};
pub use seen::{Seen, Sight};
pub use stand_in::StandIn;
pub use store::{
    Act, Count, Inbound, Line, ORDER_CALLS_MAX, Order, Outbound, Shared, Step, Store, Unanswered,
    Verdict,
};
pub use window::{PERIODS, Period, Window};
pub use zone::Zone;
