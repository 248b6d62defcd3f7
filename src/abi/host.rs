//! Hostcalls. Nothing above this file knows how the proxy is spoken to.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status};

use crate::budget::{Outbound, Shared};
use crate::exchange::{Body, Dispatch, Host, Lost};
use crate::turn::{Headers, Now};

/// The host's clock.
pub(super) fn now() -> Now {
    let since_epoch = hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    Now {
        unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Whether lines of the level `info` are kept.
pub(super) fn logs_info() -> bool {
    hostcalls::get_log_level().is_ok_and(|level| level as u32 <= LogLevel::Info as u32)
}

/// What the proxy knows of the current stream.
pub(super) struct Properties;

impl Host for Properties {
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        property(path)
    }

    fn now(&self) -> Now {
        now()
    }

    fn shared(&self) -> &dyn Shared {
        &Memory
    }

    fn entropy(&self) -> [u64; 2] {
        // The standard library seeds each state from the host's random numbers.
        [(); 2].map(|()| RandomState::new().build_hasher().finish())
    }
}

/// The memory that all workers of the proxy share whose VMs have the same id.
pub(super) struct Memory;

/// A version that nothing ever has: such a write succeeds only where nothing stands yet (seen on 1.40).
const NEVER: u32 = u32::MAX;

impl Shared for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let (bytes, version) = hostcalls::get_shared_data(key).ok()?;
        Some((bytes?, version?))
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        let version = version.unwrap_or(NEVER);
        let is_written = hostcalls::set_shared_data(key, Some(bytes), Some(version)).is_ok();
        if !is_written {
            LOST.set(LOST.get().saturating_add(1));
        }
        is_written
    }
}

thread_local! {
    /// Writes of this VM that came second since they were last told.
    static LOST: Cell<u64> = const { Cell::new(0) };
}

/// How often another worker had changed what this one was about to write, since this was last asked.
pub(super) fn lost_writes() -> u64 {
    LOST.take()
}

pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// The bytes of the current request that have reached the proxy, its head included.
pub(super) fn received_bytes() -> Option<u64> {
    let bytes = property(&["request", "total_size"])?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// By what the end of a call is known. Each kind is numbered for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Http(u32),
    Grpc(u32),
}

/// Makes a call to a cluster; its end comes with the token that is returned.
pub(super) fn dispatch(call: &Dispatch) -> Result<Token, Status> {
    let text = |(name, value)| Some((name, str::from_utf8(value).ok()?));
    let headers = call.headers.iter().filter_map(text).collect();
    send(
        &call.cluster,
        headers,
        &call.body,
        call.timeout_ms,
        call.is_grpc,
    )
}

/// Makes a store's call; its end comes to the root context.
pub(super) fn call_store(call: &Outbound) -> Result<Token, Status> {
    let headers = call
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    send(
        &call.cluster,
        headers,
        &call.body,
        call.timeout_ms,
        call.is_grpc,
    )
}

fn send(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    body: &[u8],
    timeout_ms: u64,
    is_grpc: bool,
) -> Result<Token, Status> {
    let timeout = Duration::from_millis(timeout_ms);
    if !is_grpc {
        let token = hostcalls::dispatch_http_call(cluster, headers, Some(body), vec![], timeout)?;
        return Ok(Token::Http(token));
    }
    let path = headers.iter().find(|(name, _)| *name == ":path");
    let method = path.and_then(|(_, path)| path.strip_prefix('/')?.split_once('/'));
    let (service, method) = method.ok_or(Status::BadArgument)?;
    let service_of = grpc_service(cluster);
    let service_of = service_of.as_deref().unwrap_or(cluster);
    hostcalls::dispatch_grpc_call(service_of, service, method, vec![], Some(body), timeout)
        .map(Token::Grpc)
}

/// A cluster as Envoy's `GrpcService { envoy_grpc = 1 { cluster_name = 1 } }`. Envoy takes a bare name only if
/// it is no such message by accident, and `analytics` is one: a field that it skips. What is longer than its
/// lengths can say in a byte is none.
fn grpc_service(cluster: &str) -> Option<String> {
    let inner = u8::try_from(cluster.len()).ok()?;
    let outer = inner.checked_add(2).filter(u8::is_ascii)?;
    let [inner, outer] = [inner, outer].map(char::from);
    Some(format!("\n{outer}\n{inner}{cluster}"))
}

/// The answer to a call of gRPC's that has come to its end, as if it were one of HTTP's.
pub(super) fn grpc_answer(
    status: u32,
    bytes: usize,
    bytes_max: usize,
) -> Result<(Headers, Vec<u8>), Lost> {
    if status != 0 {
        return Err(Lost::Unanswered);
    }
    if bytes > bytes_max {
        return Err(Lost::TooLarge);
    }
    let mut headers = Headers::new();
    headers.push(":status", "200");
    let body = match bytes {
        0 => None,
        _ => hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, bytes)
            .ok()
            .flatten(),
    };
    Ok((headers, body.unwrap_or_default()))
}

/// Lets the held request go.
pub(super) fn resume_request() -> Result<(), Status> {
    hostcalls::resume_http_request()
}

/// The answer to a call that has come to its end.
pub(super) fn call_answer(bytes: usize, bytes_max: usize) -> Result<(Headers, Vec<u8>), Lost> {
    let headers: Headers = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders)
        .unwrap_or_default()
        .into_iter()
        .collect();
    // A call that timed out or was reset has no head.
    if headers.status() == 0 {
        return Err(Lost::Unanswered);
    }
    if bytes > bytes_max {
        return Err(Lost::TooLarge);
    }
    if bytes == 0 {
        return Ok((headers, Vec::new()));
    }
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, bytes);
    Ok((headers, body.ok().flatten().unwrap_or_default()))
}

/// Lets the held answer go.
pub(super) fn resume_answer() -> Result<(), Status> {
    hostcalls::resume_http_response()
}

pub(super) fn remember(name: &str, note: &str) -> Result<(), Status> {
    hostcalls::set_property(vec![name], Some(note.as_bytes()))
}

pub(super) fn plugin_configuration() -> Option<Vec<u8>> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
        .ok()
        .flatten()
}

/// A counter by its name; the same number for the same name.
pub(super) fn counter(name: &str) -> Result<u32, Status> {
    hostcalls::define_metric(MetricType::Counter, name)
}

pub(super) fn count(counter: u32, times: u64) -> Result<(), Status> {
    hostcalls::increment_metric(counter, i64::try_from(times).unwrap_or(i64::MAX))
}

/// A gauge by its name.
pub(super) fn gauge(name: &str) -> Result<u32, Status> {
    hostcalls::define_metric(MetricType::Gauge, name)
}

pub(super) fn show(gauge: u32, value: u64) -> Result<(), Status> {
    hostcalls::record_metric(gauge, value)
}

pub(super) fn tick_every(period: Duration) -> Result<(), Status> {
    hostcalls::set_tick_period(period)
}

pub(super) fn headers(side: Side) -> Headers {
    hostcalls::get_map_bytes(side.headers())
        .unwrap_or_default()
        .into_iter()
        .collect()
}

pub(super) fn set_headers(side: Side, headers: &Headers) -> Result<(), Status> {
    hostcalls::set_map_bytes(side.headers(), headers.iter().collect())
}

pub(super) fn reroute() -> Result<(), Status> {
    hostcalls::call_foreign_function("clear_route_cache", None).map(|_| ())
}

pub(super) fn reply(status: u16, headers: &Headers, body: &[u8]) -> Result<(), Status> {
    let text = |(name, value)| Some((name, str::from_utf8(value).ok()?));
    let headers = headers.iter().filter_map(text).collect();
    hostcalls::send_http_response(u32::from(status), headers, Some(body))
}

/// Makes calls that follow speak of this stream. Fails when the stream is gone.
pub(super) fn speak_of(context_id: u32) -> Result<(), Status> {
    hostcalls::set_effective_context(context_id)
}

/// Which half of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Answer,
}

impl Side {
    const fn headers(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Answer => MapType::HttpResponseHeaders,
        }
    }

    const fn body(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Answer => BufferType::HttpResponseBody,
        }
    }
}

/// Body bytes in the proxy's buffer.
pub(super) struct Buffer {
    pub(super) side: Side,
    pub(super) bytes: usize,
}

impl Buffer {
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<(), Status> {
        hostcalls::set_buffer(self.side.body(), 0, self.bytes, bytes)
    }
}

impl Body for Buffer {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn read(&self) -> Vec<u8> {
        if self.bytes == 0 {
            return Vec::new();
        }
        hostcalls::get_buffer(self.side.body(), 0, self.bytes)
            .ok()
            .flatten()
            .unwrap_or_default()
    }
}
