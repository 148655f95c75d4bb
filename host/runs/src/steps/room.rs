//! How much room a backup step needs in the spool: as much as the members say of the size of
//! their databases. Of a member that does not tell, nothing is known; it is not taken for an
//! empty one.

use drydock_capability_etcd::EtcdAccess;
use drydock_core::{ErrorCode, Fault, Finding, Level};
use tokio::task::JoinSet;

/// The spool holds the plain and the sealed bytes at once, and sealed bytes that do not
/// compress are a little longer than plain ones.
const SPOOL_COPIES: u64 = 2;

/// Room that is left to the rest of the node.
const SPOOL_BYTES_SPARE: u64 = 64 * 1024 * 1024;

/// What is known of the room that a step needs.
#[derive(Debug, Default)]
pub struct Room {
    /// The largest database in bytes among the members that told theirs; none if none did.
    largest: Option<u64>,
    /// Why a member did not tell, each with its endpoint.
    untold: Vec<String>,
}

impl Room {
    /// Of a step that takes snapshots: asks every endpoint, all at once.
    pub async fn ask(etcd: &EtcdAccess) -> Self {
        let mut asked = JoinSet::new();
        for (number, endpoint) in etcd.endpoints().iter().cloned().enumerate() {
            let etcd = etcd.clone();
            asked.spawn(async move {
                let status = etcd.status(&endpoint).await;
                (number, endpoint, status.map(|status| status.db_size))
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(number, ..)| *number);
        let answers = answers.into_iter();
        Self::of(answers.map(|(_, endpoint, size)| (endpoint, size)))
    }

    fn of(answers: impl Iterator<Item = (String, Result<u64, Fault>)>) -> Self {
        let mut room = Self::default();
        for (endpoint, size) in answers {
            match size {
                Ok(size) => room.largest = room.largest.max(Some(size)),
                Err(fault) => room.untold.push(format!("{endpoint}: {}", fault.message)),
            }
        }
        room
    }

    /// Bytes that have to be free before the step begins, as far as is known.
    pub fn bytes(&self) -> u64 {
        let database = self.largest.unwrap_or(0);
        let copies = database.saturating_mul(SPOOL_COPIES);
        copies.saturating_add(SPOOL_BYTES_SPARE)
    }

    /// What an operator has to know where no member told the size of its database.
    pub fn finding(&self) -> Option<Finding> {
        let unknown = self.largest.is_none() && !self.untold.is_empty();
        unknown.then(|| {
            let message = format!(
                "whether the spool has room for a snapshot was not known before it was taken, since no member told the size of its database ({})",
                self.untold.join("; ")
            );
            Finding::new(Level::Note, "room-unknown", message)
        })
    }

    /// A spool that turned out to be too small says whose size was not reckoned with.
    pub fn explain(&self, fault: Fault) -> Fault {
        if self.untold.is_empty() || fault.code != ErrorCode::NoSpace {
            return fault;
        }
        let message = format!(
            "{}; how much is needed was not known before, since not every member told the size of its database ({})",
            fault.message,
            self.untold.join("; ")
        );
        Fault { message, ..fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn room(answers: &[Result<u64, &str>]) -> Room {
        let answers = (1..).zip(answers).map(|(number, size)| {
            let size = size.map_err(|why| Fault::transient(ErrorCode::Unreachable, why));
            (format!("http://m{number}:2379"), size)
        });
        Room::of(answers)
    }

    fn full() -> Fault {
        Fault::transient(ErrorCode::NoSpace, "the spool is full")
    }

    #[test]
    fn the_largest_that_was_told_counts_and_silence_is_no_size() {
        let silent = Err("it does not answer");
        for (answers, largest) in [
            (vec![], None),
            (vec![silent], None),
            (vec![silent, silent], None),
            (vec![Ok(0)], Some(0)),
            (vec![silent, Ok(GIB), Ok(3)], Some(GIB)),
        ] {
            let room = room(&answers);
            assert_eq!(room.largest, largest, "{answers:?}");
            let expected = largest.unwrap_or(0) * SPOOL_COPIES + SPOOL_BYTES_SPARE;
            assert_eq!(room.bytes(), expected);
            let all_silent = largest.is_none() && !answers.is_empty();
            assert_eq!(room.finding().is_some(), all_silent, "{answers:?}");
        }
    }

    #[test]
    fn a_size_beyond_all_reason_does_not_wrap_round() {
        assert_eq!(room(&[Ok(u64::MAX)]).bytes(), u64::MAX);
    }

    #[test]
    fn what_was_not_known_is_said_where_it_matters() {
        let unknown = room(&[Err("it does not answer"), Err("it hangs")]);
        assert_eq!(
            unknown.finding().unwrap().message,
            "whether the spool has room for a snapshot was not known before it was taken, since no member told the size of its database (http://m1:2379: it does not answer; http://m2:2379: it hangs)"
        );
        let partial = room(&[Ok(1), Err("it hangs")]);
        assert_eq!(partial.finding(), None);
        assert_eq!(
            partial.explain(full()).message,
            "the spool is full; how much is needed was not known before, since not every member told the size of its database (http://m2:2379: it hangs)"
        );
        assert_eq!(room(&[Ok(1)]).explain(full()), full());
        let other = Fault::transient(ErrorCode::Timeout, "it hangs");
        assert_eq!(partial.explain(other.clone()), other);
    }
}
