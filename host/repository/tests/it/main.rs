//! The repository over a target in memory that fails and lies as it is told to; and what
//! it stored in the hands of somebody without Drydock, where the real `minisign`, `age`,
//! `zstd` and `etcdutl` open it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test where something is not as it should be"
)]

mod format_page;
mod identity;
mod keys;
mod manifest;
mod mark;
mod object;
mod probe;
mod recovery_point;
mod sample;
mod support;
