//! Names that nobody else chose.

use std::hash::{BuildHasher, RandomState};

use crate::clock;

/// 32 hex digits that differ from every earlier answer on any machine. They make a
/// name unique; they are no secret.
#[must_use]
pub fn unique_id() -> String {
    spell(clock::now(), clock::monotonic())
}

/// `RandomState` is seeded from the host's random numbers; the clocks keep names apart
/// even where a host gives every guest the same seed.
fn spell(now: u64, monotonic: u64) -> String {
    let high = RandomState::new().hash_one((now, monotonic));
    let low = RandomState::new().hash_one((monotonic, now));
    format!("{high:016x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_and_differ() {
        let (one, two) = (spell(1, 1), spell(1, 1));
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
