//! Instants that a test may choose to end the process at, so that what a crash leaves there
//! can be looked at.

/// Hears of them. Numbers count from 1, and within this process, unless it says otherwise.
/// Whoever does not end the process returns, and nothing comes of it.
pub trait CrashPoint: Send + Sync {
    /// Something happened in a run and is not recorded yet. `n` counts the run's
    /// transactions.
    fn before_record(&self, _n: u64) {}

    /// It is recorded and synced, and no effect that it caused has been started.
    fn after_record(&self, _n: u64) {}

    /// The daemon's decisions, the `n`-th batch, are recorded and nothing has come of them.
    fn after_decision(&self, _n: u64) {}

    /// The `n`-th phase of a restore has ended.
    fn after_phase(&self, _n: u64) {}

    /// A phase of a drill begins: 0 prepare, 1 fetch, 2 check, 3 restore, 4 boot, 5 compare,
    /// 6 API server, 7 its end.
    fn in_phase(&self, _phase: u64) {}
}

/// Never ends anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCrash;

impl CrashPoint for NoCrash {}
