//! A few of the random sequences that `cargo xtask torture` runs by the thousand.

use std::time::Duration;

use super::alone::is_alone;
use crate::torture::run::{Plan, run};
use crate::torture::sequence::sequence;

/// Few enough for a test, and more than there are lanes.
const SEQUENCES: u64 = 20;

const SEED: u64 = 20_261_121;

#[test]
fn hostile_sequences_leave_a_real_backup_unharmed() {
    if !is_alone("hostile::sequences::hostile_sequences_leave_a_real_backup_unharmed") {
        return;
    }
    let plan = Plan {
        sequences: SEQUENCES,
        seed: SEED,
        time_max: Duration::from_secs(600),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary = runtime.block_on(run(plan, |_, _| {})).unwrap();
    assert_eq!(summary.sequences, SEQUENCES, "{summary}");
    assert!(summary.backups > 0, "{summary}");
}

#[test]
fn a_seed_gives_the_same_sequence_each_time() {
    let spelled = |seed, number| format!("{:?}", sequence(seed, number));
    assert_eq!(spelled(1, 7), spelled(1, 7));
    assert_ne!(spelled(1, 7), spelled(1, 8));
    assert_ne!(spelled(1, 7), spelled(2, 7));
}
