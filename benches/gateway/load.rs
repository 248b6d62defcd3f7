//! Loads a gateway: one request over and over, every answer read to its end and checked.
//!
//! - Closed loop: each connection sends again as soon as its answer is whole. This saturates.
//! - Open loop (`--rate`): requests are due at fixed times. Latency counts from when a request was
//!   due, not from when it could be sent, so a gateway that stalls cannot hide it.
//!
//! It speaks just enough HTTP/1.1, on one thread, so that it leaves the core to the upstream it shares
//! it with. An answer is right if its status is 200 and, being a stream, if it ends with `[DONE]`. The
//! last line of output is JSON; times are in microseconds.

#![expect(clippy::disallowed_methods, reason = "it has a clock of its own")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use memchr::memchr;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

const HELP: &str = "\
load --to ADDR --body FILE     posts the file's bytes
  --path PATH                  (/v1/chat/completions)
  --key KEY                    authorization: Bearer KEY
  --connections N              (32)
  --seconds S                  no new request after S seconds (2)
  --requests N                 nor after N requests
  --rate R                     open loop: R requests per second
  --any-end                    a stream need not end with [DONE]
";

/// What is missing this long after the end will not come.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;
const LINE_BYTES_MAX: usize = 16 * 1024;
const DONE: &[u8] = b"data: [DONE]\n\n";

fn main() -> ExitCode {
    match Options::parse(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    to: String,
    path: String,
    body: Vec<u8>,
    key: Option<String>,
    connections: usize,
    seconds: f64,
    requests: u64,
    rate: Option<f64>,
    is_any_end: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            to: String::new(),
            path: "/v1/chat/completions".to_owned(),
            body: Vec::new(),
            key: None,
            connections: 32,
            seconds: 2.0,
            requests: u64::MAX,
            rate: None,
            is_any_end: false,
        };
        while let Some(name) = arguments.next() {
            if name == "--any-end" {
                options.is_any_end = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value\n{HELP}"))?;
            match name.as_str() {
                "--to" => options.to = value,
                "--path" => options.path = value,
                "--body" => {
                    options.body = fs::read(&value).map_err(|error| format!("{value}: {error}"))?;
                }
                "--key" => options.key = Some(value),
                "--connections" => options.connections = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--requests" => options.requests = value.parse()?,
                "--rate" => options.rate = Some(value.parse()?),
                _ => return Err(format!("unknown option {name}\n{HELP}").into()),
            }
        }
        if options.to.is_empty() || options.body.is_empty() {
            return Err(HELP.into());
        }
        Ok(options)
    }

    /// Head and body, as one write.
    fn request(&self) -> Vec<u8> {
        let credential = self
            .key
            .as_ref()
            .map(|key| format!("authorization: Bearer {key}\r\n"))
            .unwrap_or_default();
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\n{credential}content-type: application/json\r\n\
             accept: application/json\r\nuser-agent: load\r\ncontent-length: {}\r\n\r\n",
            self.path,
            self.to,
            self.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&self.body);
        request
    }
}

/// What all connections share.
struct Run {
    to: String,
    request: Vec<u8>,
    is_any_end: bool,
    schedule: Schedule,
    latencies: RefCell<Vec<Duration>>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

/// When the next request goes out.
enum Schedule {
    /// At once, while there is time and something left.
    Closed { until: Instant, left: Cell<u64> },
    /// When it is due.
    Open(Mutex<UnboundedReceiver<Instant>>),
}

impl Schedule {
    fn new(options: &Options, start: Instant) -> io::Result<Self> {
        let length = Duration::from_secs_f64(options.seconds);
        let Some(rate) = options.rate else {
            return Ok(Self::Closed {
                until: start.checked_add(length).unwrap_or(start),
                left: Cell::new(options.requests),
            });
        };
        let requests = options.requests;
        // The kernel may round a sleep up by 50 us; the thread below inherits what is set here.
        // Where that is not allowed, every variant waits the same 50 us longer.
        drop(fs::write("/proc/self/timerslack_ns", "1"));
        let (sender, receiver) = unbounded_channel();
        // tokio's timer counts in milliseconds, which is longer than what is measured.
        thread::Builder::new().spawn(move || {
            let gap = Duration::from_secs_f64(rate.recip());
            let mut after = Duration::ZERO;
            let mut left = requests;
            while after < length && left > 0 {
                let Some(due) = start.checked_add(after) else {
                    return;
                };
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if sender.send(due).is_err() {
                    return;
                }
                after = after.saturating_add(gap);
                left = left.saturating_sub(1);
            }
        })?;
        Ok(Self::Open(Mutex::new(receiver)))
    }

    /// The time from which the next request's latency counts; nothing when there is no next one.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed { until, left } => {
                let now = Instant::now();
                if now >= *until || left.get() == 0 {
                    return None;
                }
                left.set(left.get().saturating_sub(1));
                Some(now)
            }
            Self::Open(due) => due.lock().await.recv().await,
        }
    }
}

#[derive(Serialize)]
struct Figures {
    requests: usize,
    errors: u64,
    first_error: Option<String>,
    seconds: f64,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let mut connections = Vec::new();
        for _ in 0..options.connections {
            connections.push(connect(&options.to).await?);
        }
        let start = Instant::now();
        let run = Rc::new(Run {
            to: options.to.clone(),
            request: options.request(),
            is_any_end: options.is_any_end,
            schedule: Schedule::new(options, start)?,
            latencies: RefCell::default(),
            errors: Cell::new(0),
            first_error: RefCell::default(),
        });
        let workers: Vec<_> = connections
            .into_iter()
            .map(|stream| tokio::task::spawn_local(work(Rc::clone(&run), stream)))
            .collect();
        let end = Duration::from_secs_f64(options.seconds).saturating_add(PATIENCE);
        for worker in workers {
            let left = end.saturating_sub(start.elapsed());
            match tokio::time::timeout(left, worker).await {
                Ok(done) => done?,
                Err(_) => run.fail("an answer never ended"),
            }
        }
        let figures = run.figures(start.elapsed());
        Ok(serde_json::to_string(&figures)?)
    }))
}

async fn connect(to: &str) -> Result<TcpStream, String> {
    let fail = |error| format!("{to}: {error}");
    let stream = TcpStream::connect(to).await.map_err(fail)?;
    stream.set_nodelay(true).map_err(fail)?;
    Ok(stream)
}

/// One connection's life: requests one after the other, and a new connection after a failure.
async fn work(run: Rc<Run>, mut stream: TcpStream) {
    let mut buffer = vec![0; READ_BYTES];
    while let Some(from) = run.schedule.next().await {
        let is_open = match run.exchange(&mut stream, &mut buffer).await {
            Ok(is_open) => {
                run.latencies.borrow_mut().push(from.elapsed());
                is_open
            }
            Err(error) => {
                run.fail(&error);
                false
            }
        };
        if is_open {
            continue;
        }
        match connect(&run.to).await {
            Ok(new) => stream = new,
            Err(error) => return run.fail(&error),
        }
    }
}

impl Run {
    /// Sends the request and reads its answer. Whether the connection can be used again.
    async fn exchange(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> Result<bool, String> {
        let io = |error: io::Error| error.to_string();
        stream.write_all(&self.request).await.map_err(io)?;
        let mut answer = Answer::default();
        while !answer.is_over() {
            let count = stream.read(buffer).await.map_err(io)?;
            if count == 0 {
                return Err("the connection closed in the middle of an answer".to_owned());
            }
            answer.push(buffer.get(..count).unwrap_or_default())?;
        }
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        if answer.is_stream && !self.is_any_end && !answer.tail.ends_with(DONE) {
            return Err("a stream did not end with [DONE]".to_owned());
        }
        Ok(!answer.closes)
    }

    fn fail(&self, error: &str) {
        self.errors.set(self.errors.get().saturating_add(1));
        let mut first = self.first_error.borrow_mut();
        first.get_or_insert_with(|| error.to_owned());
    }

    fn figures(&self, took: Duration) -> Figures {
        let mut latencies = self.latencies.take();
        latencies.sort_unstable();
        let quantile = |per_mille: usize| {
            let rank = latencies.len().saturating_mul(per_mille).div_ceil(1000);
            let found = latencies.get(rank.saturating_sub(1));
            found.map_or(0.0, |found| found.as_secs_f64() * 1e6)
        };
        let seconds = took.as_secs_f64();
        let requests = latencies.len();
        Figures {
            requests,
            errors: self.errors.get(),
            first_error: self.first_error.take(),
            seconds,
            per_second: u32::try_from(requests).map_or(0.0, f64::from) / seconds,
            p50_us: quantile(500),
            p99_us: quantile(990),
            max_us: quantile(1000),
        }
    }
}

/// An answer as it arrives. Reads may be cut anywhere.
#[derive(Default)]
struct Answer {
    status: u16,
    is_stream: bool,
    closes: bool,
    /// The body's last bytes.
    tail: Vec<u8>,
    /// A line whose end has not arrived.
    line: Vec<u8>,
    length: Length,
    due: Due,
}

#[derive(Default)]
enum Length {
    #[default]
    Unknown,
    Bytes(usize),
    Chunks,
}

/// What comes next.
#[derive(Default)]
enum Due {
    #[default]
    Status,
    Header,
    /// So many bytes of a whole body.
    Whole(usize),
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(usize),
    /// The line end after a chunk.
    ChunkEnd,
    Trailer,
    Over,
}

impl Answer {
    const fn is_over(&self) -> bool {
        matches!(self.due, Due::Over)
    }

    fn push(&mut self, mut rest: &[u8]) -> Result<(), String> {
        while !rest.is_empty() {
            self.due = match self.due {
                Due::Over => return Err("there are bytes after an answer".to_owned()),
                Due::Whole(left) => match self.take(left, &mut rest) {
                    0 => Due::Over,
                    left => Due::Whole(left),
                },
                Due::Chunk(left) => match self.take(left, &mut rest) {
                    0 => Due::ChunkEnd,
                    left => Due::Chunk(left),
                },
                Due::Status | Due::Header | Due::ChunkSize | Due::ChunkEnd | Due::Trailer => {
                    let (part, after) = match memchr(b'\n', rest) {
                        Some(at) => rest.split_at(at),
                        None => (rest, &[][..]),
                    };
                    self.line.extend_from_slice(part);
                    if self.line.len() > LINE_BYTES_MAX {
                        return Err("a line is too long".to_owned());
                    }
                    let Some(after) = after.strip_prefix(b"\n") else {
                        return Ok(());
                    };
                    rest = after;
                    self.end_line()?
                }
            };
        }
        Ok(())
    }

    /// Takes up to `left` bytes of the body; returns how many are still missing.
    fn take(&mut self, left: usize, rest: &mut &[u8]) -> usize {
        let (body, after) = rest.split_at(left.min(rest.len()));
        *rest = after;
        if self.is_stream {
            let end = body.len().saturating_sub(DONE.len());
            self.tail
                .extend_from_slice(body.get(end..).unwrap_or_default());
            let old = self.tail.len().saturating_sub(DONE.len());
            self.tail.drain(..old);
        }
        left.saturating_sub(body.len())
    }

    fn end_line(&mut self) -> Result<Due, String> {
        let line = std::mem::take(&mut self.line);
        let line = str::from_utf8(&line).map_err(|error| error.to_string())?;
        let line = line.trim_end();
        let next = match self.due {
            Due::Status => {
                let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
                self.status = status.ok_or("no status")?;
                Due::Header
            }
            Due::Header if !line.is_empty() => {
                self.header(line)?;
                Due::Header
            }
            Due::Header => match self.length {
                Length::Bytes(0) => Due::Over,
                Length::Bytes(bytes) => Due::Whole(bytes),
                Length::Chunks => Due::ChunkSize,
                Length::Unknown => return Err("an answer of unknown length".to_owned()),
            },
            Due::ChunkSize => match usize::from_str_radix(line, 16) {
                Ok(0) => Due::Trailer,
                Ok(bytes) => Due::Chunk(bytes),
                Err(_) => return Err("no chunk size".to_owned()),
            },
            Due::Trailer if line.is_empty() => Due::Over,
            Due::Trailer => Due::Trailer,
            Due::ChunkEnd | Due::Whole(_) | Due::Chunk(_) | Due::Over => Due::ChunkSize,
        };
        Ok(next)
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(':').ok_or("no header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            self.length = Length::Bytes(value.parse().map_err(|_error| "no content-length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.length = Length::Chunks;
        } else if name.eq_ignore_ascii_case("content-type") {
            self.is_stream = value.starts_with("text/event-stream");
        } else if name.eq_ignore_ascii_case("connection") {
            self.closes = value.eq_ignore_ascii_case("close");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, want: Result<&str, &str>) {
        for cut in 0..=answer.len() {
            let mut read = Answer::default();
            let (first, second) = answer.as_bytes().split_at(cut);
            let done = read.push(first).and_then(|()| read.push(second));
            let tail = String::from_utf8_lossy(&read.tail);
            let got = match &done {
                Ok(()) if read.is_over() => Ok(&*tail),
                Ok(()) => Err("more"),
                Err(error) => Err(error.as_str()),
            };
            assert_eq!(got, want, "cut at {cut}");
        }
    }

    const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

    #[test]
    fn a_whole_answer_ends_with_its_length() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok(""));
        check("HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n", Ok(""));
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
            Err("more"),
        );
    }

    #[test]
    fn a_chunked_answer_ends_with_its_last_chunk() {
        let head = format!("{STREAM}transfer-encoding: chunked\r\n\r\n");
        check(
            &format!("{head}3\r\nda:\r\nA\r\n0123456789\r\n0\r\n\r\n"),
            Ok("da:0123456789"),
        );
        check(&format!("{head}3\r\nda:\r\n0\r\n"), Err("more"));
    }

    #[test]
    fn the_tail_is_the_last_event() {
        let body = "data: {}\n\ndata: [DONE]\n\n";
        let head = format!("{STREAM}content-length: {}\r\n\r\n", body.len());
        check(&format!("{head}{body}"), Ok("data: [DONE]\n\n"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        check(
            "HTTP/1.1 200 OK\r\n\r\n",
            Err("an answer of unknown length"),
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}",
            Err("there are bytes after an answer"),
        );
    }
}
