//! Drydock's recovery points in the hands of somebody without Drydock: the real
//! `minisign`, `age`, `zstd` and `etcdutl` open what the repository stored.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test where something is not as it should be"
)]

mod format_page;
mod keys;
mod support;
