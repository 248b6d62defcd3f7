//! Keeps what came in, so that a test can look at it afterwards.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::exchange::{Body, Received, Reply};

pub(crate) struct Records {
    last: VecDeque<Value>,
    count_max: usize,
    file: Option<File>,
}

impl Records {
    pub(crate) fn new(count_max: usize, file: Option<File>) -> Self {
        Self {
            last: VecDeque::new(),
            count_max,
            file,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.count_max > 0 || self.file.is_some()
    }

    /// `refusal` is the reply to a request that was not accepted.
    pub(crate) fn add(&mut self, request: &Received, refusal: Option<&Reply>) {
        let record = record(request, refusal);
        if let Some(file) = &mut self.file {
            file.write_all(format!("{record}\n").as_bytes())
                .expect("the record file takes a line");
        }
        if self.last.len() >= self.count_max {
            self.last.pop_front();
        }
        if self.count_max > 0 {
            self.last.push_back(record);
        }
    }

    pub(crate) fn list(&self) -> Value {
        self.last.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }
}

fn record(request: &Received, refusal: Option<&Reply>) -> Value {
    let error = refusal.map(|reply| match &reply.body {
        Body::Whole(Some(body)) => serde_json::from_slice(body).unwrap_or(Value::Null),
        Body::Whole(None) | Body::Steps(_) | Body::Live(_) => Value::Null,
    });
    json!({
        "upstream": request.upstream,
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": BASE64_STANDARD.encode(&request.body),
        "at": request.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        "verdict": if refusal.is_some() { "refused" } else { "accepted" },
        "status": refusal.map_or(200, |reply| reply.status),
        "error": error,
    })
}
