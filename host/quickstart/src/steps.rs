//! The scenario's output: one line a step, with the seconds since the beginning.

use std::time::Instant;

pub struct Steps {
    begin: Instant,
}

impl Steps {
    pub fn begin() -> Self {
        Self {
            begin: Instant::now(),
        }
    }

    pub fn done(&self, what: &str) {
        println!("[{:5.1} s] {what}", self.begin.elapsed().as_secs_f64());
    }
}
