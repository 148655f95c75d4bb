//! Waiting for a condition, with a limit and never for a time alone.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks: short beside everything that is waited for, long enough
/// that looking costs nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Looks until `holds` is true.
///
/// # Errors
/// When it is not true within `limit`; the message says `what` was waited for.
pub async fn wait_until(
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) -> Result<()> {
    let start = Instant::now();
    while !holds().await {
        if start.elapsed() > limit {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}
