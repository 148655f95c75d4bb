//! A service as a store of the contract: what is the same whoever it is, and what each has to say
//! for itself. [`store!`](crate::store) makes a plugin of it.

use drydock_plugin_sdk::{
    Acknowledgement, Classed as _, DigestAlgorithm, Error, Finding, ObjectPage, ObjectStat,
    PartReceipt, SessionPage, Sink, Slice, StoreLayout,
};
use serde::de::DeserializeOwned;

use crate::read::{self, Range};
use crate::wanted::{Readable, Wanted};

/// The place, and what may be done there.
pub trait Service: Objects + Uploads + Sized {
    /// What the target's `config:` holds.
    type Config: DeserializeOwned;

    /// Judges a configuration that could be parsed.
    ///
    /// # Errors
    /// `bad-configuration`.
    fn judge_config(config: &Self::Config) -> Result<Vec<Finding>, Error>;

    /// # Errors
    /// As [`Service::judge_config`].
    fn at(config: Self::Config) -> Result<Self, Error>;

    /// What the place is like and what may be done there.
    ///
    /// # Errors
    /// What makes the question useless, e.g. `place-missing`.
    fn look_around(&self) -> Result<Vec<Finding>, Error>;

    fn terms(&self) -> StoreLayout;

    /// Makes the bucket or container; no error when it is there.
    ///
    /// # Errors
    /// What the service says.
    fn make(&self) -> Result<(), Error>;
}

/// Objects: made in one request, listed, read, locked, removed.
pub trait Objects: Readable {
    /// Puts an object, if there is none of its name.
    ///
    /// # Errors
    /// `exists`, or what the service says.
    fn put(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error>;

    /// # Errors
    /// What the service says.
    fn page(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error>;

    /// Asks for a lock, whatever there is of one.
    ///
    /// # Errors
    /// What the service says.
    fn send_lock(&self, object: &str, until: u64) -> Result<(), Error>;

    /// Asks for a removal.
    ///
    /// # Errors
    /// What the service says; `not-found` is none for [`Objects::remove`].
    fn send_removal(&self, object: &str) -> Result<(), Error>;

    /// After a put that failed: the same object may be there from an earlier call.
    ///
    /// # Errors
    /// `exists` for another one, else `error`.
    fn put_before(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
        error: Error,
    ) -> Result<ObjectStat, Error>
    where
        Self: Sized,
    {
        let wanted = Wanted {
            object,
            size: bytes.size(),
            checksum: None,
            sha256: &|| bytes.digest(DigestAlgorithm::Sha256),
        };
        let found = wanted.after(self, error)?;
        match retain_until {
            Some(until) => {
                self.lock_found(&found, until)?;
                self.stat_of(object)
            }
            None => Ok(found),
        }
    }

    /// Locks an object, unless it is locked as long already: a lock is never shortened.
    ///
    /// # Errors
    /// What the service says.
    fn lock(&self, object: &str, until: u64) -> Result<(), Error> {
        let found = self.stat_of(object)?;
        self.lock_found(&found, until)
    }

    /// The same for one that was looked at.
    ///
    /// # Errors
    /// As [`Objects::lock`].
    fn lock_found(&self, found: &ObjectStat, until: u64) -> Result<(), Error> {
        if found.retained_until >= Some(until) {
            return Ok(());
        }
        self.send_lock(&found.object, until)
    }

    /// Hands bytes on; of no bytes it only looks whether the object is there.
    ///
    /// # Errors
    /// `not-found`, `out-of-range`, or what the service says.
    fn read(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        if length == 0 {
            return self.stat_of(object).map(drop);
        }
        let range = Range::new(offset, length)?;
        read::into_sink(self.client(), range, self.range_of(object)?, into)
    }

    /// # Errors
    /// What the service says; it is none that there is no such object.
    fn remove(&self, object: &str) -> Result<(), Error> {
        self.send_removal(object).absent_if("not-found").map(|_| ())
    }
}

/// Uploads in parts.
pub trait Uploads {
    /// # Errors
    /// What the service says.
    fn begin(&self, object: &str) -> Result<Vec<u8>, Error>;

    /// # Errors
    /// What the service says.
    fn part(
        &self,
        session: &[u8],
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error>;

    /// # Errors
    /// `exists`, or what the service says.
    fn finish(
        &self,
        session: &[u8],
        receipts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error>;

    /// Of a service whose uploads are listed.
    ///
    /// # Errors
    /// What the service says.
    fn abort(&self, _session: &[u8]) -> Result<(), Error> {
        Err(only_expire())
    }

    /// The same.
    ///
    /// # Errors
    /// What the service says.
    fn open_uploads(&self, _prefix: &str, _cursor: Option<&str>) -> Result<SessionPage, Error> {
        Err(only_expire())
    }
}

/// The layout says so, and the host goes by it.
fn only_expire() -> Error {
    let message = "uploads can be neither listed nor taken back here: what is left of one goes by itself after a while";
    Error::permanent("unsupported", message).not_done()
}

/// Makes a plugin of a [`Service`]: `store! { S3 }`.
#[macro_export]
macro_rules! store {
    ($service:ident) => {
        const _: () = {
            use $crate::sdk::{
                Acknowledgement, Error, Finding, ObjectPage, ObjectStat, PartReceipt, SessionPage,
                Sink, Slice, StoreLayout,
            };
            use $crate::service::{Objects, Service, Uploads};
            use $crate::wanted::Readable;

            impl $crate::sdk::Store for $service {
                type Config = <$service as Service>::Config;

                fn check_config(config: &Self::Config) -> Result<Vec<Finding>, Error> {
                    <$service as Service>::judge_config(config)
                }

                fn open(config: Self::Config) -> Result<Self, Error> {
                    <$service as Service>::at(config)
                }

                fn check(&self) -> Result<Vec<Finding>, Error> {
                    Service::look_around(self)
                }

                fn layout(&self) -> Result<StoreLayout, Error> {
                    Ok(Service::terms(self))
                }

                fn make_place(&self) -> Result<(), Error> {
                    Service::make(self)
                }

                fn put_object(
                    &self,
                    object: &str,
                    bytes: &Slice,
                    retain_until: Option<u64>,
                ) -> Result<ObjectStat, Error> {
                    Objects::put(self, object, bytes, retain_until)
                }

                fn begin(
                    &self,
                    object: &str,
                    _size_max: Option<u64>,
                    _part_size: u64,
                ) -> Result<Vec<u8>, Error> {
                    Uploads::begin(self, object)
                }

                fn put_part(
                    &self,
                    session: &[u8],
                    number: u32,
                    offset: u64,
                    bytes: &Slice,
                ) -> Result<Acknowledgement, Error> {
                    Uploads::part(self, session, number, offset, bytes)
                }

                fn complete(
                    &self,
                    session: &[u8],
                    receipts: &[PartReceipt],
                    size: u64,
                    sha256: &[u8],
                    whole: Option<&Slice>,
                ) -> Result<ObjectStat, Error> {
                    Uploads::finish(self, session, receipts, size, sha256, whole)
                }

                fn retain(&self, object: &str, until: u64) -> Result<(), Error> {
                    Objects::lock(self, object, until)
                }

                fn abort(&self, session: &[u8]) -> Result<(), Error> {
                    Uploads::abort(self, session)
                }

                fn list_sessions(
                    &self,
                    prefix: &str,
                    cursor: Option<&str>,
                ) -> Result<SessionPage, Error> {
                    Uploads::open_uploads(self, prefix, cursor)
                }

                fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
                    Objects::page(self, prefix, cursor)
                }

                fn stat(&self, object: &str) -> Result<ObjectStat, Error> {
                    Readable::stat_of(self, object)
                }

                fn get_range(
                    &self,
                    object: &str,
                    offset: u64,
                    length: u64,
                    into: &Sink,
                ) -> Result<(), Error> {
                    Objects::read(self, object, offset, length, into)
                }

                fn delete(&self, object: &str) -> Result<(), Error> {
                    Objects::remove(self, object)
                }
            }
        };

        $crate::sdk::plugin! { world: store, step: $service, requests: ["http"] }
    };
}
