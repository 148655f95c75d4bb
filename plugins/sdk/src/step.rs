//! The kinds of plugins as traits, and how they answer the host's calls.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::action::exports::drydock::plugin::action_step::Probed;
pub use crate::bindings::backup::exports::drydock::plugin::backup_step::Report;
pub use crate::bindings::store::exports::drydock::plugin::store_step::{
    Acknowledgement, Checksum, ObjectPage, ObjectStat, PartReceipt, PassedOver, SessionInfo,
    SessionKeeping, SessionPage, StoreLayout,
};
pub use crate::bindings::verify::exports::drydock::plugin::verify_step::Verdict;

use crate::bindings::action::exports::drydock::plugin::action_step;
use crate::bindings::backup::exports::drydock::plugin::backup_step;
use crate::bindings::store::exports::drydock::plugin::store_step;
use crate::bindings::verify::exports::drydock::plugin::verify_step;
use crate::{DigestAlgorithm, Error, Facts, Finding, Level, Sink, Slice, config};

/// Produces artifacts.
pub trait Backup {
    /// What the step's `config:` holds.
    type Config: DeserializeOwned;

    /// Judges a configuration that could be parsed, without touching anything outside.
    fn check_config(_config: &Self::Config) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }

    /// Produces the artifacts.
    fn run(config: Self::Config) -> Result<Report, Error>;
}

/// Judges an artifact.
pub trait Verify {
    /// What the step's `config:` holds.
    type Config: DeserializeOwned;

    /// Judges a configuration that could be parsed, without touching anything outside.
    fn check_config(_config: &Self::Config) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }

    /// Judges the artifact. `plain` is absent when a run is taken up after a crash.
    fn judge(config: Self::Config, facts: &Facts, plain: Option<&Slice>) -> Result<Verdict, Error>;
}

/// Keeps objects. Every call starts from a fresh value, made by [`Store::open`].
pub trait Store: Sized {
    /// What the target's `config:` holds.
    type Config: DeserializeOwned;

    /// Judges a configuration that could be parsed, without touching anything outside.
    fn check_config(_config: &Self::Config) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }

    /// Makes the store ready for one call.
    fn open(config: Self::Config) -> Result<Self, Error>;

    /// Looks at the target itself: reachable, writable, room, what it lacks.
    fn check(&self) -> Result<Vec<Finding>, Error>;

    /// What the store is like. Follows from the configuration: this call can reach nothing.
    fn layout(&self) -> Result<StoreLayout, Error>;

    /// Makes the folder, container or bucket itself; no error when it is there. No other call
    /// may.
    fn make_place(&self) -> Result<(), Error>;

    /// Creates an object in one request, if absent. Where that fails, look: another object
    /// there is the error `exists`, the same one is success.
    fn put_object(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error>;

    /// Opens an upload and answers its session, at most 4 KiB.
    fn begin(&self, object: &str, size_max: Option<u64>, part_size: u64) -> Result<Vec<u8>, Error>;

    /// Stores one part and answers its receipt, at most 4 KiB, and the checksum under which the
    /// server took it.
    fn put_part(
        &self,
        session: &[u8],
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error>;

    /// Makes the object visible, whole or not at all, if absent. `whole` is all of it, where
    /// the host still has it.
    fn complete(
        &self,
        session: &[u8],
        receipts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error>;

    /// Locks a finished object until an instant, in seconds since 1970. Asked of a store whose
    /// layout says `retain`.
    fn retain(&self, _object: &str, _until: u64) -> Result<(), Error> {
        Err(Error::permanent("no-retention", "this store locks no objects").not_done())
    }

    /// Forgets an upload. No error when it is not there. Asked of a store whose layout says
    /// `listed`.
    fn abort(&self, session: &[u8]) -> Result<(), Error>;

    /// Uploads that were neither completed nor aborted. Asked of a store whose layout says
    /// `listed`.
    fn list_sessions(&self, prefix: &str, cursor: Option<&str>) -> Result<SessionPage, Error>;

    /// Objects of this prefix, sorted by key; what cannot be read is told as passed over.
    fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error>;

    /// Error code `not-found` when there is no such object, and for no other reason.
    fn stat(&self, object: &str) -> Result<ObjectStat, Error>;

    /// Hands `length` bytes from `offset` on to the sink.
    fn get_range(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error>;

    /// No error when it is not there.
    fn delete(&self, object: &str) -> Result<(), Error>;
}

/// Changes the world, and takes that back. What may be done with it stands in its manifest,
/// see [`plugin!`](crate::plugin); what comes of it is said by [`outcome`](crate::outcome).
pub trait Action {
    /// What the step's `config:` holds.
    type Config: DeserializeOwned;

    /// Judges a configuration that could be parsed, without touching anything outside.
    fn check_config(_config: &Self::Config) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }

    /// What [`Action::run`] would do now, a sentence each. It can only look.
    fn plan(config: Self::Config) -> Result<Vec<String>, Error>;

    /// Does the work. May come again with the same [`key`](crate::configuration::key).
    fn run(config: Self::Config) -> Result<(), Error>;

    /// What became of the attempts of this key. It can only look. Asked of an action that
    /// says `repeat: "keyed"` or `hold: "state"`.
    fn probe(_config: Self::Config) -> Result<Probed, Error> {
        Ok(Probed::Other)
    }

    /// Takes the step back, however far it came; no error where there is nothing to take
    /// back. Asked of an action that says `undo: true`.
    fn undo(_config: Self::Config) -> Result<(), Error> {
        Err(Error::permanent("not-undone", "this step cannot be taken back").not_done())
    }

    /// Removes what an earlier run kept elsewhere; no error when it is not there. Asked of an
    /// action that keeps things by [`outcome::keep`](crate::outcome::keep).
    fn forget(_config: Self::Config, _kept: &str) -> Result<(), Error> {
        Err(Error::permanent("keeps-nothing", "this step keeps nothing elsewhere").not_done())
    }
}

/// Session or receipt bytes that hold a value of the plugin's own.
pub fn to_token<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| {
        Error::permanent(
            "bad-token",
            format!("cannot write a token as JSON: {error}"),
        )
    })
}

/// The value that [`to_token`] wrote. `what` names it in the error, e.g. `session`.
pub fn from_token<T: DeserializeOwned>(what: &str, token: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(token).map_err(|error| {
        Error::permanent(
            "bad-token",
            format!("this {what} was not made by this plugin: {error}"),
        )
    })
}

impl Checksum {
    /// A SHA-256.
    #[must_use]
    pub fn sha256(digest: &[u8]) -> Self {
        Self {
            algorithm: DigestAlgorithm::Sha256,
            value: digest.to_vec(),
        }
    }
}

impl Report {
    /// Nothing to say.
    #[must_use]
    pub fn clean() -> Self {
        Self::with(Vec::new())
    }

    /// An ordinary backup with findings.
    #[must_use]
    pub fn with(findings: Vec<Finding>) -> Self {
        Self {
            degraded: false,
            findings,
        }
    }
}

impl Verdict {
    /// Passes unless one of the findings is a failure.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Self {
        let pass = findings.iter().all(|found| found.level != Level::Failure);
        Self { pass, findings }
    }
}

impl<T: Backup> backup_step::Guest for T {
    fn check_config() -> Result<Vec<Finding>, Error> {
        T::check_config(&config::of_step()?)
    }

    fn run() -> Result<Report, Error> {
        T::run(config::of_step()?)
    }
}

impl<T: Verify> verify_step::Guest for T {
    fn check_config() -> Result<Vec<Finding>, Error> {
        T::check_config(&config::of_step()?)
    }

    fn judge(facts: &Facts, plain: Option<&Slice>) -> Result<Verdict, Error> {
        T::judge(config::of_step()?, facts, plain)
    }
}

impl<T: Store> store_step::Guest for T {
    fn check_config() -> Result<Vec<Finding>, Error> {
        T::check_config(&config::of_target()?)
    }

    fn check() -> Result<Vec<Finding>, Error> {
        opened::<T>()?.check()
    }

    fn layout() -> Result<StoreLayout, Error> {
        opened::<T>()?.layout()
    }

    fn make_place() -> Result<(), Error> {
        opened::<T>()?.make_place()
    }

    fn put_object(
        object: String,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        opened::<T>()?.put_object(&object, bytes, retain_until)
    }

    fn begin(object: String, size_max: Option<u64>, part_size: u64) -> Result<Vec<u8>, Error> {
        opened::<T>()?.begin(&object, size_max, part_size)
    }

    fn put_part(
        session: Vec<u8>,
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error> {
        opened::<T>()?.put_part(&session, number, offset, bytes)
    }

    fn complete(
        session: Vec<u8>,
        receipts: Vec<PartReceipt>,
        size: u64,
        sha256: Vec<u8>,
        whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        opened::<T>()?.complete(&session, &receipts, size, &sha256, whole)
    }

    fn retain(object: String, until: u64) -> Result<(), Error> {
        opened::<T>()?.retain(&object, until)
    }

    fn abort(session: Vec<u8>) -> Result<(), Error> {
        opened::<T>()?.abort(&session)
    }

    fn list_sessions(prefix: String, cursor: Option<String>) -> Result<SessionPage, Error> {
        opened::<T>()?.list_sessions(&prefix, cursor.as_deref())
    }

    fn list(prefix: String, cursor: Option<String>) -> Result<ObjectPage, Error> {
        opened::<T>()?.list(&prefix, cursor.as_deref())
    }

    fn stat(object: String) -> Result<ObjectStat, Error> {
        opened::<T>()?.stat(&object)
    }

    fn get_range(object: String, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        opened::<T>()?.get_range(&object, offset, length, into)
    }

    fn delete(object: String) -> Result<(), Error> {
        opened::<T>()?.delete(&object)
    }
}

impl<T: Action> action_step::Guest for T {
    fn check_config() -> Result<Vec<Finding>, Error> {
        T::check_config(&config::of_step()?)
    }

    fn plan() -> Result<(), Error> {
        let lines = T::plan(config::of_step()?)?;
        lines.iter().for_each(|line| crate::plan::line(line));
        Ok(())
    }

    fn run() -> Result<(), Error> {
        T::run(config::of_step()?)
    }

    fn probe() -> Result<Probed, Error> {
        T::probe(config::of_step()?)
    }

    fn undo() -> Result<(), Error> {
        T::undo(config::of_step()?)
    }

    fn forget(kept: String) -> Result<(), Error> {
        T::forget(config::of_step()?, &kept)
    }
}

fn opened<T: Store>() -> Result<T, Error> {
    T::open(config::of_target()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_passes_unless_something_failed() {
        assert!(Verdict::of(Vec::new()).pass);
        assert!(Verdict::of(vec![Finding::warning("w", "")]).pass);
        assert!(!Verdict::of(vec![Finding::note("n", ""), Finding::failure("f", "")]).pass);
    }

    #[test]
    fn token_comes_back_or_is_refused() {
        let token = to_token(&("a", 1)).unwrap();
        assert_eq!(
            from_token::<(String, u32)>("session", &token).unwrap(),
            ("a".to_owned(), 1)
        );
        let error = from_token::<(String, u32)>("session", b"nonsense").unwrap_err();
        assert_eq!(error.code, "bad-token");
        assert!(
            error
                .message
                .starts_with("this session was not made by this plugin")
        );
    }
}
