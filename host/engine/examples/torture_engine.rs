//! Whole runs in a model world, a hundred thousand of them; `cargo xtask torture engine`
//! builds and starts it. It is an example of this crate so that it shares the simulator with
//! its tests. A run that breaks a law is told of in one line that runs it again, and its
//! records are kept for `drydock run replay`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it prints"
)]
#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "these are the tests' modules, of which only some functions are wanted here"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use clap::Parser;

#[path = "../tests/it/actions.rs"]
mod actions;
#[path = "../tests/it/cases.rs"]
mod cases;
#[path = "../tests/it/chaos.rs"]
mod chaos;
#[path = "../tests/it/graph.rs"]
mod graph;
#[path = "../tests/it/laws.rs"]
mod laws;
#[path = "../tests/it/laws_at_end.rs"]
mod laws_at_end;
#[path = "../tests/it/operator.rs"]
mod operator;
#[path = "../tests/it/random.rs"]
mod random;
#[path = "../tests/it/scripts.rs"]
mod scripts;
#[path = "../tests/it/simulator.rs"]
mod simulator;
#[path = "../tests/it/stores.rs"]
mod stores;
#[path = "../tests/it/world.rs"]
mod world;

use simulator::Failure;

/// Runs between two lines of progress.
const RUNS_TOLD: u64 = 5_000;

/// Broken runs that are told of: more of them tell nothing new.
const BROKEN_MAX: u64 = 10;

/// Simulate runs.
#[derive(Parser)]
struct Arguments {
    /// How many runs; with a seed alone, that one.
    #[arg(long)]
    sequences: Option<u64>,
    /// The seed of the first run; the tests take those from 0.
    #[arg(long)]
    seed: Option<u64>,
    /// Start no run after so many minutes.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
}

/// What the threads share.
struct Torture {
    next: AtomicU64,
    end: u64,
    first: u64,
    broken: AtomicU64,
    start: Instant,
    limit: Duration,
    /// One line at a time.
    printing: Mutex<()>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match (arguments.seed, arguments.sequences) {
        (Some(seed), None) => one(seed),
        (seed, sequences) => {
            let first = seed.unwrap_or(0);
            let torture = Torture {
                next: AtomicU64::new(first),
                end: first + sequences.unwrap_or(100_000),
                first,
                broken: AtomicU64::new(0),
                start: Instant::now(),
                limit: Duration::from_secs(60 * arguments.minutes),
                printing: Mutex::new(()),
            };
            torture.run()
        }
    }
}

/// Runs one seed and tells its whole story.
fn one(seed: u64) -> ExitCode {
    match simulator::simulate(&cases::case_of(seed)) {
        Ok(end) => {
            println!("{}", end.simulation.story());
            println!("seed {seed} keeps every law and ends {:?}", end.outcome);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}", failure.story);
            tell(seed, &failure);
            ExitCode::FAILURE
        }
    }
}

impl Torture {
    fn run(&self) -> ExitCode {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.work());
            }
        });
        let done = self.next.load(Ordering::Relaxed).min(self.end) - self.first;
        let broken = self.broken.load(Ordering::Relaxed);
        println!("{done} runs, {broken} of them broke a law");
        if broken == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn work(&self) {
        while self.start.elapsed() < self.limit {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                return;
            }
            if let Err(failure) = simulator::simulate(&cases::case_of(seed)) {
                let told = self.broken.fetch_add(1, Ordering::Relaxed);
                if told < BROKEN_MAX {
                    let _printing = self.printing.lock();
                    tell(seed, &failure);
                }
            }
            self.progress(seed);
        }
    }

    fn progress(&self, seed: u64) {
        let done = seed - self.first + 1;
        if done.is_multiple_of(RUNS_TOLD) {
            let milliseconds = self.start.elapsed().as_millis().max(1);
            let each_second = u128::from(done) * 1000 / milliseconds;
            let _printing = self.printing.lock();
            println!("{done:8} runs done, {each_second} a second");
        }
    }
}

fn tell(seed: u64, failure: &Failure) {
    eprintln!("seed {seed} breaks a law: {}", failure.broken);
    eprintln!("to run it again: cargo xtask torture engine --seed {seed}");
    match save(seed, failure) {
        Ok(path) => eprintln!("its records: drydock run replay {}", path.display()),
        Err(error) => eprintln!("its records cannot be kept: {error}"),
    }
}

/// Keeps the records beside what was built.
fn save(seed: u64, failure: &Failure) -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).unwrap_or(&program);
    let folder = target.join("torture");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("engine-{seed}.jsonl"));
    failure.save(&path)?;
    Ok(path)
}
