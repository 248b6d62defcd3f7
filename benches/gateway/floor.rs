//! The do-nothing filter: what any proxy-wasm filter that needs the whole request pays.
//!
//! It holds the request's head, waits for the whole body, reads it and sets it back. The answer's
//! callbacks enter the VM and let everything pass, streams chunk by chunk. What Tollgate costs beyond
//! this is Tollgate's own; what this costs beyond plain Envoy is the price of the interface.
//!
//! `cargo build --release --target wasm32-wasip1 --example floor`
#![cfg(target_arch = "wasm32")]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Floor))
    }
}

struct Floor;

impl Context for Floor {}

// The SDK's own callbacks for the answer continue.
impl HttpContext for Floor {
    fn on_http_request_headers(&mut self, _: usize, ends: bool) -> Action {
        if ends {
            Action::Continue
        } else {
            Action::Pause
        }
    }

    fn on_http_request_body(&mut self, bytes: usize, ends: bool) -> Action {
        if !ends {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_request_body(0, bytes) {
            self.set_http_request_body(0, bytes, &body);
        }
        Action::Continue
    }
}
