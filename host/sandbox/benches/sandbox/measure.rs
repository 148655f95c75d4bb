//! Figures, and how they are printed.

use std::time::Instant;

use serde_json::{Value, json};

/// One way to do a job, and the seconds that each run of it took.
pub struct Side {
    pub name: &'static str,
    pub seconds: Vec<f64>,
}

/// All that was measured.
pub struct Report {
    values: Vec<Value>,
}

/// The unit that a comparison is told in.
#[derive(Clone, Copy)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
}

impl Side {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            seconds: Vec::new(),
        }
    }

    /// Adds what `work` took, shared among so many repetitions.
    pub async fn add<T>(&mut self, repetitions: u64, work: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let value = work.await;
        self.seconds
            .push(begin.elapsed().as_secs_f64() / repetitions as f64);
        value
    }

    pub fn minimum(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            count => f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Report {
    pub fn begin() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        println!(
            "sandbox: {cores} cores, load {}",
            load.split(' ').next().unwrap_or("?")
        );
        Self { values: Vec::new() }
    }

    /// Prints a comparison. The ratios are those of each side to the first one.
    pub fn add(&mut self, title: &str, unit: Unit, sides: &[Side]) {
        println!("\n{title}");
        let first = &sides[0];
        for side in sides {
            println!(
                "  {:<44} min {:>10}  median {:>10}  ratio {:>7.2} {:>7.2}",
                side.name,
                unit.told(side.minimum()),
                unit.told(side.median()),
                side.minimum() / first.minimum(),
                side.median() / first.median(),
            );
        }
        let sides: Vec<_> = sides
            .iter()
            .map(|side| json!({"name": side.name, "seconds": side.seconds}))
            .collect();
        self.values
            .push(json!({"comparison": title, "sides": sides}));
    }

    /// Prints single figures.
    pub fn add_figures(&mut self, title: &str, figures: &[(&str, String)]) {
        println!("\n{title}");
        for (name, figure) in figures {
            println!("  {name:<44} {figure}");
        }
        let figures: Vec<_> = figures
            .iter()
            .map(|(name, figure)| json!({"name": name, "figure": figure}))
            .collect();
        self.values
            .push(json!({"figures": title, "values": figures}));
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.values).unwrap()
    }
}

impl Unit {
    fn told(self, seconds: f64) -> String {
        match self {
            Self::Nanoseconds => format!("{:.0} ns", seconds * 1e9),
            Self::Microseconds => format!("{:.1} us", seconds * 1e6),
            Self::Milliseconds => format!("{:.1} ms", seconds * 1e3),
        }
    }
}
