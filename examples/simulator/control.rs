//! The port that tests talk to.
//!
//! ```text
//! POST   /faults       [{"upstream": "bedrock" | "azure" | "openai", "match": "part of path and query", "times": 1,
//!                        "fault": {"kind": ..} or a list of them}]        see fault.rs for the kinds
//! GET    /faults       {"waiting": how many requests the rules still wait for}
//! DELETE /faults       forgets all rules
//! GET    /requests     the last requests, oldest first     DELETE /requests   forgets them
//! PUT    /deployments  ["gpt-4o"] are all that Azure has; null for any but "missing"
//! GET    /health       {}
//! ```
//!
//! A request that an upstream refuses uses up no rule.

use serde_json::{Value, json};

use crate::exchange::Reply;
use crate::fault::Rule;
use crate::server::Simulator;

pub(crate) fn answer(simulator: &Simulator, method: &str, path: &str, body: &[u8]) -> Reply {
    match (method, path) {
        ("GET", "/health") => done(),
        ("GET", "/faults") => Reply::json(200, &json!({"waiting": simulator.rules().waiting()})),
        ("POST", "/faults") => match serde_json::from_slice::<Vec<Rule>>(body) {
            Ok(rules) => {
                simulator.rules().add(rules);
                done()
            }
            Err(error) => mistake(&error.to_string()),
        },
        ("DELETE", "/faults") => {
            simulator.rules().clear();
            done()
        }
        ("GET", "/requests") => Reply::json(200, &simulator.records().list()),
        ("DELETE", "/requests") => {
            simulator.records().clear();
            done()
        }
        ("PUT", "/deployments") => match serde_json::from_slice(body) {
            Ok(deployments) => {
                *simulator.deployments() = deployments;
                done()
            }
            Err(error) => mistake(&error.to_string()),
        },
        _ => Reply::json(
            404,
            &json!({"error": format!("there is no {method} {path}")}),
        ),
    }
}

fn done() -> Reply {
    Reply::json(200, &Value::Object(serde_json::Map::new()))
}

fn mistake(message: &str) -> Reply {
    Reply::json(400, &json!({"error": message}))
}
