//! Drydock's recovery points in the hands of somebody without Drydock: the real
//! `minisign`, `age`, `zstd` and `etcdutl` open what the repository stored.

mod format_page;
mod keys;
mod support;
