//! How long something takes at best: others share the machine. The same natively and in wasm, where divan does not run.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Times what `wanted` asks for, and tells it.
pub(crate) struct Timing {
    wanted: String,
    is_bench: bool,
}

impl Timing {
    /// Of the program's arguments, the first that is no option is a word of the names that are wanted.
    pub(crate) fn new() -> Self {
        let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
        Self {
            wanted: wanted.unwrap_or_default(),
            is_bench: std::env::args().any(|word| word == "--bench"),
        }
    }

    /// Of a run over so many bytes also how many it takes in a second.
    pub(crate) fn bench(&self, name: &str, bytes: usize, run: &mut dyn FnMut() -> usize) {
        if !name.contains(&self.wanted) {
            return;
        }
        let best = self.best(run).as_secs_f64();
        print!("{name:<24} {:>10.2} us", best * 1e6);
        match bytes {
            0 => println!(),
            _ => println!(" {:>8.0} MB/s", bytes as f64 / best / 1e6),
        }
    }

    /// The fastest of many runs, in less than half a second: V8 optimizes while it runs. As a test it runs once.
    fn best(&self, run: &mut dyn FnMut() -> usize) -> Duration {
        let (began, limit) = (Instant::now(), Duration::from_millis(400));
        let mut best = Duration::MAX;
        while best == Duration::MAX || self.is_bench && began.elapsed() < limit {
            let start = Instant::now();
            black_box(run());
            best = best.min(start.elapsed());
        }
        best
    }
}
