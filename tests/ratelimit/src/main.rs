//! A small server of Envoy's rate limit service (`envoy.service.ratelimit.v3`), for tests: Limitador's counters
//! behind Envoy's own messages.
//!
//! ```text
//! ratelimit '{"port": 0, "domain": "tollgate", "limits": [{"max": 100, "seconds": 3600, "keys": {"budget": "b"}}]}'
//! ```
//! A limit counts the descriptors that have all of its keys, apart for each combination of their other entries.
//! Each descriptor is counted for itself, as the service does: one that is over its limit does not undo the
//! others. Negative hits, which Limitador does not have, are kept as credit that is spent before anything is
//! counted again. `"tells": false` leaves out how descriptors stand, as Limitador's own server does.
//!
//! It prints its address, and to every line on its standard input what each counter has used.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit::Unit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration as PbDuration;
use limitador::RateLimiter;
use limitador::limit::{Context, Limit};
use serde::Deserialize;
use serde_json::json;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Server {
    domain: String,
    tells: bool,
    delay: Duration,
    limiter: RateLimiter,
    state: Arc<Mutex<State>>,
}

/// What was given back and not spent again, and what stands in all; both by descriptor.
#[derive(Default)]
struct State {
    credit: BTreeMap<String, u64>,
    used: BTreeMap<String, i64>,
    calls: u64,
}

#[derive(Deserialize)]
struct Config {
    domain: String,
    limits: Vec<Counted>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default = "yes")]
    tells: bool,
}

#[derive(Deserialize)]
struct Counted {
    max: u64,
    seconds: u64,
    keys: BTreeMap<String, String>,
    #[serde(default)]
    per: Vec<String>,
}

const fn yes() -> bool {
    true
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args()
        .nth(1)
        .ok_or("give the configuration as JSON")?;
    let config: Config = serde_json::from_str(&text)?;
    let domain = config.domain;
    let limiter = RateLimiter::new(10_000);
    for limit in config.limits {
        let mut conditions = Vec::new();
        for (key, value) in limit.keys {
            conditions.push(format!("descriptors[0]['{key}'] == '{value}'").try_into()?);
        }
        let mut variables = Vec::new();
        for key in limit.per {
            variables.push(format!("descriptors[0]['{key}']").try_into()?);
        }
        limiter.add_limit(Limit::new(
            domain.as_str(),
            limit.max,
            limit.seconds,
            conditions,
            variables,
        ));
    }
    let state = Arc::new(Mutex::new(State::default()));
    let server = Server {
        domain,
        tells: config.tells,
        delay: Duration::from_millis(config.delay_ms),
        limiter,
        state: Arc::clone(&state),
    };
    let incoming = TcpIncoming::bind(format!("127.0.0.1:{}", config.port).parse()?)?;
    println!("{}", incoming.local_addr()?);
    std::thread::spawn(move || {
        for _line in std::io::stdin().lock().lines() {
            let state = state.lock().unwrap();
            println!("{}", json!({"used": state.used, "calls": state.calls}));
        }
        // Whoever started it has gone.
        std::process::exit(0);
    });
    tonic::transport::Server::builder()
        .add_service(RateLimitServiceServer::new(server))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

#[tonic::async_trait]
impl RateLimitService for Server {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let request = request.into_inner();
        tokio::time::sleep(self.delay).await;
        if request.domain != self.domain {
            return Err(Status::invalid_argument("another domain"));
        }
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let mut statuses = Vec::new();
        for descriptor in &request.descriptors {
            statuses.push(self.count(descriptor, &mut state)?);
        }
        let is_over = statuses
            .iter()
            .any(|status| status.code == Code::OverLimit as i32);
        let code = if is_over { Code::OverLimit } else { Code::Ok };
        Ok(Response::new(RateLimitResponse {
            overall_code: code as i32,
            statuses: if self.tells { statuses } else { Vec::new() },
            ..RateLimitResponse::default()
        }))
    }
}

impl Server {
    fn count(
        &self,
        descriptor: &RateLimitDescriptor,
        state: &mut State,
    ) -> Result<DescriptorStatus, Status> {
        let entries: BTreeMap<String, String> = descriptor
            .entries
            .iter()
            .map(|each| (each.key.clone(), each.value.clone()))
            .collect();
        let name: Vec<_> = entries
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let name = name.join(" ");
        let hits = descriptor.hits_addend.as_ref().map_or(1, |hits| hits.value);
        let mut context = Context::default();
        context.list_binding(
            "descriptors".to_owned(),
            vec![entries.into_iter().collect()],
        );
        let credit = state.credit.entry(name.clone()).or_default();
        let mut is_over = false;
        let mut counted = 0;
        if descriptor.is_negative_hits {
            *credit += hits;
        } else {
            counted = hits.saturating_sub(*credit);
        }
        let namespace = self.domain.as_str().into();
        let result = if counted == 0 {
            self.limiter.is_rate_limited(&namespace, &context, 0)
        } else {
            self.limiter
                .check_rate_limited_and_update(&namespace, &context, counted)
        };
        let mut result = result.map_err(|error| Status::internal(error.to_string()))?;
        result
            .counters
            .sort_by_key(|counter| counter.remaining().unwrap_or(u64::MAX));
        if descriptor.is_negative_hits {
            *state.used.entry(name).or_default() -= i64::try_from(hits).unwrap_or(0);
        } else if result.limited {
            is_over = true;
        } else {
            *credit -= hits - counted;
            *state.used.entry(name).or_default() += i64::try_from(hits).unwrap_or(0);
        }
        let counter = result.counters.first();
        let limit = counter.map(|counter| RateLimit {
            requests_per_unit: u32::try_from(counter.max_value()).unwrap_or(u32::MAX),
            unit: Unit::Hour as i32,
            ..RateLimit::default()
        });
        let left = counter
            .and_then(|counter| counter.remaining())
            .unwrap_or(0)
            .saturating_add(*credit);
        let resets = counter
            .and_then(|counter| counter.expires_in())
            .unwrap_or_default();
        Ok(DescriptorStatus {
            code: if is_over { Code::OverLimit } else { Code::Ok } as i32,
            current_limit: limit,
            limit_remaining: u32::try_from(left).unwrap_or(u32::MAX),
            duration_until_reset: Some(PbDuration {
                seconds: i64::try_from(resets.as_secs()).unwrap_or(0),
                nanos: 0,
            }),
            ..DescriptorStatus::default()
        })
    }
}
