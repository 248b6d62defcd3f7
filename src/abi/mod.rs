//! The only room that names `proxy_wasm`: entry, contexts, and hostcalls as Results.
//!
//! A context turns callbacks into `exchange::Input`s and applies the `Effect`s that come back, in
//! order, before the next callback. It decides nothing else. `host` is the only file that calls the
//! proxy; it uses the byte forms of header calls, for the SDK's string forms panic on bytes that are
//! no UTF-8. The SDK's own entry points are `unsafe`, and all of that is inside its macro.

mod host;
mod http;
mod metrics;
mod root;
mod watch;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // The host filters by its own level; debug lines are few and tell lengths, never text.
    proxy_wasm::set_log_level(LogLevel::Debug);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
