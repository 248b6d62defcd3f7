//! Listens, reads a request, lets its upstream judge it, and sends what the script says.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::bedrock::Bedrock;
use crate::bedrock::agents::Kind;
use crate::cuts::Cuts;
use crate::exchange::{Body, Dialect, Received, Reply, Turn, Upstream};
use crate::fault::{Rules, default_word};
use crate::model::Words;
use crate::openai::{self, Deployments};
use crate::quick::Quick;
use crate::record::Records;
use crate::sessions::{self, Sessions};
use crate::{control, script};

pub(crate) struct Simulator {
    pub(crate) bedrock: Bedrock,
    pub(crate) keys: openai::Keys,
    pub(crate) deployments: Mutex<Deployments>,
    pub(crate) rules: Mutex<Rules>,
    pub(crate) sessions: Sessions,
    pub(crate) records: Mutex<Records>,
    pub(crate) quick: Option<Quick>,
    /// Every answer has so many words.
    pub(crate) words: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) write_bytes_max: usize,
    pub(crate) served: AtomicU64,
}

#[derive(Clone, Copy)]
pub(crate) enum Port {
    Upstream(Upstream),
    Control,
}

pub(crate) async fn serve(simulator: Arc<Simulator>, port: Port, listener: TcpListener) {
    loop {
        // A client that is gone before it is accepted is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let is_set = stream.set_nodelay(true);
        debug_assert!(is_set.is_ok(), "sockets take nodelay");
        let simulator = Arc::clone(&simulator);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let simulator = Arc::clone(&simulator);
                async move { Ok::<_, Infallible>(response(simulator.answer(port, request).await)) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // Clients close when they like, and scripted cuts end here too.
            drop(connection.await);
        });
    }
}

fn response(reply: Reply) -> Response<Body> {
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status has three digits");
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header has a legal name");
        response.headers_mut().append(
            name,
            HeaderValue::from_str(&value).expect("a header has a legal value"),
        );
    }
    response
}

impl Simulator {
    async fn answer(&self, port: Port, request: Request<Incoming>) -> Reply {
        let upstream = match port {
            Port::Upstream(upstream) => upstream,
            Port::Control => {
                let (head, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .map(http_body_util::Collected::to_bytes)
                    .unwrap_or_default();
                return control::answer(self, head.method.as_str(), head.uri.path(), &body);
            }
        };
        if let Some(quick) = &self.quick {
            let (head, body) = request.into_parts();
            return quick.answer(upstream, head.uri.path(), body).await;
        }
        let number = self.served.fetch_add(1, Ordering::Relaxed);
        let reply = self.answer_upstream(upstream, request, number).await;
        dress(reply, upstream, number)
    }

    async fn answer_upstream(
        &self,
        upstream: Upstream,
        request: Request<Incoming>,
        number: u64,
    ) -> Reply {
        let received = receive(upstream, request).await;
        let cuts = Cuts::new(self.seed.wrapping_add(number), self.write_bytes_max);
        if sessions::is_here(&received) {
            return self.answer_agents(&received, cuts);
        }
        let turn = self.accept(&received);
        self.record(&received, turn.as_ref().err());
        let mut turn = match turn {
            Ok(turn) => turn,
            Err(refusal) => return refusal,
        };
        let faults = self.rules().take(&received);
        if script::is_silent(&faults) {
            return std::future::pending().await;
        }
        if let Some(delay) = script::first_delay(&faults) {
            tokio::time::sleep(delay).await;
        }
        turn.prompt.words = self.words.map(|count| Words {
            count,
            word: default_word(),
        });
        let is_agent = matches!(turn.dialect, Dialect::Agent(Kind::Invoke));
        let reply = script::reply(turn, &faults, &received, cuts);
        match received.path().split('/').nth(6) {
            Some(session) if is_agent => reply.with("x-amz-bedrock-agent-session-id", session),
            _ => reply,
        }
    }

    fn answer_agents(&self, received: &Received, cuts: Cuts) -> Reply {
        let operation = self.sessions.accept(&self.bedrock, &self.keys, received);
        self.record(received, operation.as_ref().err());
        let operation = match operation {
            Ok(operation) => operation,
            Err(refusal) => return refusal,
        };
        let faults = self.rules().take(received);
        if let Some(status) = script::status_of(&faults, received.upstream) {
            return status;
        }
        self.sessions.answer(operation, received, &faults, cuts)
    }

    fn accept(&self, request: &Received) -> Result<Turn, Reply> {
        match request.upstream {
            Upstream::Bedrock | Upstream::Mantle => self.bedrock.accept(request),
            Upstream::Azure | Upstream::OpenAi => {
                openai::accept(&self.keys, &self.deployments(), request)
            }
        }
    }

    fn record(&self, request: &Received, refusal: Option<&Reply>) {
        let mut records = self.records();
        if records.is_on() {
            records.add(request, refusal);
        }
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn deployments(&self) -> MutexGuard<'_, Deployments> {
        self.deployments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(upstream: Upstream, request: Request<Incoming>) -> Received {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    Received {
        upstream,
        method: head.method.as_str().to_owned(),
        target: head
            .uri
            .path_and_query()
            .map_or_else(String::new, |target| target.as_str().to_owned()),
        headers: headers.collect(),
        body: body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default(),
        at: SystemTime::now(),
    }
}

/// Headers that the real ones send with every answer, unless a rule has sent its own.
fn dress(reply: Reply, upstream: Upstream, number: u64) -> Reply {
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let headers: &[(&str, &str)] = match upstream {
        Upstream::Bedrock | Upstream::Mantle => &[("x-amzn-requestid", &id)],
        Upstream::Azure => &[
            ("apim-request-id", &id),
            ("x-ms-region", "Simulator"),
            ("x-ratelimit-remaining-requests", "99"),
            ("x-ratelimit-remaining-tokens", "99900"),
        ],
        Upstream::OpenAi => &[
            ("x-request-id", &id),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "199900"),
        ],
    };
    headers.iter().fold(reply, |reply, (name, value)| {
        let is_there = reply.headers.iter().any(|(known, _)| known == name);
        if is_there {
            reply
        } else {
            reply.with(name, *value)
        }
    })
}
