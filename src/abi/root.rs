//! The root context: reads the policy, makes the contexts of requests, watches the proxy.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::client::error::write_error;
use crate::exchange::Exchange;
use crate::fault::{self, Fault};
use crate::limits::MIB;
use crate::policy::{Placement, Policy};
use crate::turn::Headers;

use super::host::{self, Token};
use super::http::{Http, Worker};
use super::watch::Watch;

#[derive(Default)]
pub(super) struct Root {
    running: Option<Running>,
    worker: Worker,
    looked_ms: u64,
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

/// How often the timer looks at what waits.
const LOOK: Duration = Duration::from_secs(1);
/// A little less, for timers ring late.
const LOOK_MS: u64 = 990;
/// How often it looks where stores may have errands: settlements make room for others.
const ERRANDS: Duration = Duration::from_millis(20);

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

impl Root {
    /// Writes what the metrics have to tell.
    fn tell(&self) {
        if let Some(Running { placement, policy }) = &self.running
            && *placement != Placement::Upstream
        {
            self.worker.metrics.tell(policy);
        }
    }
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        self.tell();
        true
    }

    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        let answer = host::call_answer(body_size, MIB);
        self.worker.leases.answered(Token::Http(token), &answer);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, body_size: usize) {
        let answer = host::grpc_answer(status, body_size, MIB);
        self.worker.leases.answered(Token::Grpc(token), &answer);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match Self::compile() {
            Ok(running) => {
                let has_stores = !running.policy.stores().is_empty();
                Watch::start(if has_stores { ERRANDS } else { LOOK });
                self.running = Some(running);
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
        if let Some(running) = &self.running {
            self.worker.leases.run_errands(running.policy.stores());
        }
        // The rest is due once a second, however often the timer rings.
        let now_ms = host::now().unix_ms;
        if now_ms.abs_diff(self.looked_ms) < LOOK_MS {
            return;
        }
        self.looked_ms = now_ms;
        if let Some(running) = &self.running {
            for store in running.policy.stores() {
                self.worker.metrics.count_store(&**store);
            }
        }
        self.worker.leases.renew();
        self.tell();
        for context_id in self.worker.watch.overdue(host::now()) {
            if host::speak_of(context_id).is_err() {
                self.worker.watch.gone(context_id);
                continue;
            }
            // A client that has sent no body yet is slow; that is no fault of the gateway's.
            if !self
                .worker
                .watch
                .is_kept_back(context_id, host::received_bytes())
            {
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
        let http = Http::new(context_id, exchange, self.worker.clone(), logs);
        Some(Box::new(http))
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
