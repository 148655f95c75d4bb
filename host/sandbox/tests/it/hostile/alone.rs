//! Tests that count what the process holds, and so need a process without other tests.

use std::process::Command;

/// Tells the test that the process is its own.
const ALONE: &str = "DRYDOCK_TEST_ALONE";

/// Whether `test` (its whole path) runs in a process of its own. When it does not, it is
/// started in one, and the answer comes after that one passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the test program has no other words for its own child"
)]
pub fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{complaint}"
    );
    false
}
