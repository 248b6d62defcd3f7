//! A real Redis behind a real Webdis, as the README's `make run-global` starts them, and a plain HTTP client.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use tollgate::budget::{Inbound, Outbound, Unanswered};

/// Both processes; they end with it.
pub(crate) struct Server {
    directory: PathBuf,
    redis: Child,
    webdis: Child,
    redis_port: u16,
    webdis_port: u16,
}

const REMEDY: &str = "apt-get install redis-server webdis";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        sleep(Duration::from_millis(25));
    }
    panic!("nothing listens on port {port}");
}

fn start_redis(directory: &PathBuf, port: u16) -> Child {
    let port_text = port.to_string();
    let arguments = ["--bind", "127.0.0.1", "--port", &port_text, "--save", ""];
    let redis = Command::new("redis-server")
        .args(arguments)
        .args(["--appendonly", "yes"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .expect(REMEDY);
    wait_for(port);
    redis
}

impl Server {
    pub(crate) fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-redis-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let (redis_port, webdis_port) = (free_port(), free_port());
        let redis = start_redis(&directory, redis_port);
        let config = format!(
            r#"{{"redis_host":"127.0.0.1","redis_port":{redis_port},"http_host":"127.0.0.1","http_port":{webdis_port},
            "threads":1,"pool_size":4,"daemonize":false,"verbosity":1,"logfile":"webdis.log",
            "acl":[{{"disabled":["*"]}},{{"ip":["127.0.0.1/32"],"enabled":["EVALSHA","EVAL","SCRIPT","PING","TIME"]}}]}}"#
        );
        fs::write(directory.join("webdis.json"), config).unwrap();
        let webdis = Command::new("webdis")
            .arg("webdis.json")
            .current_dir(&directory)
            .stdout(Stdio::null())
            .spawn()
            .expect(REMEDY);
        wait_for(webdis_port);
        Self {
            directory,
            redis,
            webdis,
            redis_port,
            webdis_port,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            port: self.webdis_port,
            stream: RefCell::new(None),
        }
    }

    /// Kills Redis.
    pub(crate) fn kill_redis(&mut self) {
        self.redis.kill().unwrap();
        self.redis.wait().unwrap();
    }

    /// Starts Redis again with what it had written down.
    pub(crate) fn restart_redis(&mut self) {
        self.redis = start_redis(&self.directory, self.redis_port);
        // Webdis connects again in its own time.
        let client = self.client();
        for _ in 0..200 {
            let ping = client.post(b"PING", Duration::from_millis(500));
            if ping.is_some_and(|(status, _)| status == 200) {
                return;
            }
            sleep(Duration::from_millis(25));
        }
        panic!("webdis does not find redis again");
    }

    /// Stops Redis in the middle of whatever it does, or lets it go on.
    pub(crate) fn signal_redis(&self, signal: &str) {
        let id = self.redis.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(done.success());
    }

    /// What a command of Redis's own answers.
    pub(crate) fn redis(&self, words: &[&str]) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis_port)).unwrap();
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        stream.write_all(text.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let head = line();
        let count = match head.split_at(1) {
            ("*", count) => count.parse().unwrap(),
            ("$", "-1") => return vec![],
            ("$", _) => return vec![line()],
            (_, value) => return vec![value.to_owned()],
        };
        (0..count)
            .map(|_| {
                line();
                line()
            })
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in [&mut self.webdis, &mut self.redis] {
            let _killed = process.kill();
            let _ended = process.wait();
        }
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// One connection, made again when it breaks.
pub(crate) struct Client {
    port: u16,
    stream: RefCell<Option<BufReader<TcpStream>>>,
}

impl Client {
    /// Makes a store's call and gives its answer to `hear`.
    pub(crate) fn call<T>(
        &self,
        call: &Outbound,
        hear: impl FnOnce(Result<Inbound<'_>, Unanswered>) -> T,
    ) -> T {
        let timeout = Duration::from_millis(call.timeout_ms);
        match self.post(&call.body, timeout) {
            Some((status, body)) => hear(Ok(Inbound {
                status,
                body: &body,
            })),
            None => hear(Err(Unanswered)),
        }
    }

    pub(crate) fn post(&self, body: &[u8], timeout: Duration) -> Option<(u16, Vec<u8>)> {
        let answer = self.exchange(body, timeout);
        if answer.is_none() {
            *self.stream.borrow_mut() = None;
        }
        answer
    }

    fn exchange(&self, body: &[u8], timeout: Duration) -> Option<(u16, Vec<u8>)> {
        let mut stream = self.stream.borrow_mut();
        if stream.is_none() {
            let connected = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            connected.set_nodelay(true).ok()?;
            *stream = Some(BufReader::new(connected));
        }
        let reader = stream.as_mut()?;
        reader.get_ref().set_read_timeout(Some(timeout)).ok()?;
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: webdis\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        reader.get_mut().write_all(&request).ok()?;
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some((status, body))
    }
}
