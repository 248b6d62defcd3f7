//! Bedrock, Azure OpenAI and OpenAI on loopback, for people who try Tollgate, for its tests and for its benchmarks.
//!
//! Four listeners play the clouds (Bedrock has two, its runtime and mantle): each checks a request as strictly as the real one, and answers with a small
//! deterministic model. A fifth takes orders: faults for the next requests, and questions about the last ones.
//!
//! ```text
//! listener -> server -> bedrock | openai   is it valid? -> a Turn, or the error the cloud would give
//!                    -> sessions           the agents API of OpenAI and mantle, which keeps what is made
//!                    -> model              what is said
//!                    -> script             how it goes wrong, if a rule says so
//!                    -> wire, cuts         frames or SSE, cut into odd pieces
//! ```
//!
//! `cargo run --example simulator -- --bedrock 127.0.0.1:8081 --control 127.0.0.1:8084` prints one line of JSON with all
//! addresses when it is ready; ports not named are chosen by the system.

#![expect(
    clippy::disallowed_types,
    reason = "a simulator looks at any JSON; it is no part of the filter"
)]
#![expect(clippy::disallowed_methods, reason = "it has a clock of its own")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other JSON, any other fault"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "json!(..) is made to be given away"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]
#![expect(
    clippy::expect_used,
    reason = "a simulator that is wrong should stop loudly"
)]
#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "serde_json's index gives null; the others are checked"
)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of a test tool, which runs with overflow checks"
)]
#![expect(clippy::cast_possible_truncation, reason = "it runs on 64 bits")]

mod bedrock;
mod control;
mod cuts;
mod exchange;
mod fault;
mod model;
mod openai;
mod quick;
mod record;
mod schema;
mod script;
mod server;
mod sessions;
mod vector;
mod wire;

use std::env;
use std::error::Error;
use std::fs::OpenOptions;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::net::TcpListener;

use self::exchange::Upstream;
use self::server::{Port, Simulator};

const HELP: &str = "\
simulator [--bedrock ADDR] [--mantle ADDR] [--azure ADDR] [--openai ADDR] [--control ADDR]   default 127.0.0.1:0 each
  --threads N            worker threads (1)
  --record N             requests kept for GET /requests (1000)
  --record-file PATH     append every request as a line of JSON
  --chunks N             answer every request with N words, one per delta
  --write-bytes-max N    cut streams into writes of 1 to N bytes (200); 0 writes whole events
  --seed N               of the cuts (1)
  --quick                for benchmarks: check nothing, record nothing, answer with fixed bytes of --chunks (100) words
  --writes N             with --quick: a stream goes out in N writes (1)
";

struct Options {
    bedrock: String,
    mantle: String,
    azure: String,
    openai: String,
    control: String,
    threads: usize,
    record: usize,
    record_file: Option<String>,
    chunks: Option<usize>,
    write_bytes_max: usize,
    seed: u64,
    is_quick: bool,
    writes: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let any = || "127.0.0.1:0".to_owned();
        let mut options = Self {
            bedrock: any(),
            mantle: any(),
            azure: any(),
            openai: any(),
            control: any(),
            threads: 1,
            record: 1000,
            record_file: None,
            chunks: None,
            write_bytes_max: 200,
            seed: 1,
            is_quick: false,
            writes: 1,
        };
        while let Some(name) = arguments.next() {
            if name == "--quick" {
                options.is_quick = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value\n{HELP}"))?;
            match name.as_str() {
                "--bedrock" => options.bedrock = value,
                "--mantle" => options.mantle = value,
                "--azure" => options.azure = value,
                "--openai" => options.openai = value,
                "--control" => options.control = value,
                "--threads" => options.threads = value.parse()?,
                "--record" => options.record = value.parse()?,
                "--record-file" => options.record_file = Some(value),
                "--chunks" => options.chunks = Some(value.parse()?),
                "--write-bytes-max" => options.write_bytes_max = value.parse()?,
                "--seed" => options.seed = value.parse()?,
                "--writes" => options.writes = value.parse()?,
                _ => return Err(format!("unknown option {name}\n{HELP}").into()),
            }
        }
        Ok(options)
    }

    fn simulator(&self) -> Result<Simulator, Box<dyn Error>> {
        let open = |path: &String| OpenOptions::new().create(true).append(true).open(path);
        let records = record::Records::new(
            self.record,
            self.record_file.as_ref().map(open).transpose()?,
        );
        Ok(Simulator {
            bedrock: bedrock::Bedrock::new(bedrock::Keys {
                access_key_id: variable("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
                secret_access_key: variable("AWS_SECRET_ACCESS_KEY", "simulator-secret"),
                session_token: env::var("AWS_SESSION_TOKEN")
                    .ok()
                    .filter(|token| !token.is_empty()),
                region: variable("AWS_REGION", "us-east-1"),
                bearer: variable("AWS_BEARER_TOKEN_BEDROCK", "simulator-bedrock-key"),
            }),
            keys: openai::Keys {
                openai: variable("OPENAI_API_KEY", "simulator-openai-key"),
                azure: variable("AZURE_OPENAI_API_KEY", "simulator-azure-key"),
                entra: variable("AZURE_OPENAI_AD_TOKEN", "simulator-entra-token"),
            },
            deployments: Mutex::default(),
            rules: Mutex::default(),
            sessions: sessions::Sessions::default(),
            records: Mutex::new(records),
            quick: self
                .is_quick
                .then(|| quick::Quick::new(self.chunks.unwrap_or(100), self.writes)),
            words: self.chunks,
            seed: self.seed,
            write_bytes_max: self.write_bytes_max,
            served: AtomicU64::new(0),
        })
    }
}

fn variable(name: &str, default: &str) -> String {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| default.to_owned())
}

fn main() -> ExitCode {
    match Options::parse(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let simulator = Arc::new(options.simulator()?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut addresses = serde_json::Map::new();
        for (name, address, port) in [
            (
                "bedrock",
                &options.bedrock,
                Port::Upstream(Upstream::Bedrock),
            ),
            ("mantle", &options.mantle, Port::Upstream(Upstream::Mantle)),
            ("azure", &options.azure, Port::Upstream(Upstream::Azure)),
            ("openai", &options.openai, Port::Upstream(Upstream::OpenAi)),
            ("control", &options.control, Port::Control),
        ] {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| format!("--{name} {address}: {error}"))?;
            addresses.insert(name.to_owned(), json!(listener.local_addr()?.to_string()));
            tokio::spawn(server::serve(Arc::clone(&simulator), port, listener));
        }
        println!("{}", serde_json::Value::Object(addresses));
        std::future::pending::<()>().await;
        Ok(())
    })
}
