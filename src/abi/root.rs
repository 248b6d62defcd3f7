//! The root context: reads the policy, makes the contexts of requests, watches the proxy.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::client::error::write_error;
use crate::exchange::Exchange;
use crate::fault::{self, Fault};
use crate::policy::{Placement, Policy};
use crate::turn::Headers;

use super::host;
use super::http::Http;
use super::metrics::Metrics;
use super::watch::Watch;

#[derive(Default)]
pub(super) struct Root {
    running: Option<Running>,
    watch: Rc<Watch>,
    metrics: Rc<Metrics>,
}

/// The policy as it serves.
struct Running {
    placement: Placement,
    policy: Rc<Policy>,
}

/// Answers every request while there is no policy: the proxy was told to go on without one.
struct Refuser;

const BODIES_NEVER_COME: &str = "the gateway delivers no request bodies to the filter; its admin has to set \
     allow_on_headers_stop_iteration: true in the filter's configuration";

impl Root {
    fn compile() -> Result<Running, String> {
        let root_id = host::property(&["plugin_root_id"]).unwrap_or_default();
        let placement = Placement::parse(&root_id).map_err(|problem| problem.to_string())?;
        let text = host::plugin_configuration().unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok();
        let policy = Policy::compile(&text, placement, &variable)
            .map_err(|problems| problems.to_string())?;
        Ok(Running {
            placement,
            policy: Rc::new(policy),
        })
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match Self::compile() {
            Ok(running) => {
                self.running = Some(running);
                Watch::start();
                true
            }
            Err(problems) => {
                for problem in problems.lines() {
                    log::error!("policy refused: {problem}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        for context_id in self.watch.overdue(host::now()) {
            if host::speak_of(context_id).is_err() {
                self.watch.gone(context_id);
                continue;
            }
            // A client that has sent no body yet is slow; that is no fault of the gateway's.
            if !self.watch.is_kept_back(context_id, host::received_bytes()) {
                continue;
            }
            let fault = Fault::Host(BODIES_NEVER_COME);
            log::error!("{fault}");
            if refuse(&fault).is_err() {
                log::error!("the proxy refused a reply");
            }
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let Some(Running { placement, policy }) = &self.running else {
            return Some(Box::new(Refuser));
        };
        let exchange = Exchange::new(*placement, policy.clone());
        let logs = *placement != Placement::Upstream;
        let shared = (self.watch.clone(), self.metrics.clone());
        Some(Box::new(Http::new(context_id, exchange, shared, logs)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Refuser {}

impl HttpContext for Refuser {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> proxy_wasm::types::Action {
        if refuse(&Fault::Policy(fault::Policy::Missing)).is_err() {
            log::error!("the proxy refused a reply");
        }
        proxy_wasm::types::Action::Pause
    }
}

fn refuse(fault: &Fault) -> Result<(), proxy_wasm::types::Status> {
    let mut body = Vec::new();
    write_error(fault, &mut body);
    let mut headers = Headers::new();
    headers.push("content-type", "application/json");
    host::reply(fault.status(), &headers, &body)
}
