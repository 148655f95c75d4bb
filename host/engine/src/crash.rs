//! Where a test may end the process, so that a run can be killed at every record and
//! between every effect and its record.

/// Called around each transaction of a run. `n` counts the run's transactions in this
/// process from 1.
pub trait CrashPoint: Send + Sync + 'static {
    /// Something happened and is not recorded yet.
    fn before_record(&self, n: u64);
    /// It is recorded and synced, and no effect that it caused has been started.
    fn after_record(&self, n: u64);
}

/// Never ends anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCrash;

impl CrashPoint for NoCrash {
    fn before_record(&self, _n: u64) {}
    fn after_record(&self, _n: u64) {}
}
