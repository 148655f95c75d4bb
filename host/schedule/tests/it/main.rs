//! From files to decisions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod shipped;
