//! Keeps objects in a bucket of S3, or of whoever speaks it.
//!
//! An object that fits one request is put with `If-None-Match: *`. A larger one is a multipart
//! upload: each part goes with the checksum that the host computed of it, which the service
//! compares; the upload is completed with `If-None-Match: *`, the size, and the checksum of the
//! whole, joined out of those of the parts. A session is key and upload id, so that
//! `list-sessions` tells of the same one that `begin` handed out.
//!
//! Where an object could not be made for whatever reason, the plugin looks at what has its name:
//! an answer may be lost, a 200 may hold an error, and an upload is gone once it was completed.
//!
//! The plugin holds no key: the host signs each request. Over TLS it signs no payload, since a
//! checksum goes with it; in the clear it signs the SHA-256, which the plugin names.
//!
//! **Invariant:** nothing is overwritten: every request that makes an object carries
//! `If-None-Match: *`.
//! **Invariant:** a 404 is `not-found` only in a bucket that is there.
//!
//! A crash leaves at most an upload, which is listed, and parts of it, which are paid for until
//! it is aborted.

mod check;
mod checksum;
mod config;
mod dialect;
mod object;
mod page;
mod place;
mod upload;

use drydock_plugin_sdk::{
    Acknowledgement, Error, Finding, ObjectPage, ObjectStat, PartReceipt, SessionPage, Sink, Slice,
    Store, StoreLayout, plugin,
};
use drydock_store_kit::Keys;
use drydock_store_kit::call::{Answer, Call, Client, Failure};

use config::Config;
use place::Place;

/// A bucket as a store.
struct S3 {
    config: Config,
    place: Place,
    keys: Keys,
    client: Client,
}

impl S3 {
    fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.client.send(call)
    }
}

impl Store for S3 {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check()
    }

    fn open(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            place: Place::of(&config)?,
            keys: Keys::below(config.prefix.as_deref())?,
            client: Client::new(dialect::judge),
            config,
        })
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        self.look_around()
    }

    fn layout(&self) -> Result<StoreLayout, Error> {
        Ok(self.config.layout())
    }

    fn make_place(&self) -> Result<(), Error> {
        self.make_bucket()
    }

    fn put_object(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        self.put(object, bytes, retain_until)
    }

    fn begin(
        &self,
        object: &str,
        _size_max: Option<u64>,
        _part_size: u64,
    ) -> Result<Vec<u8>, Error> {
        self.begin_upload(object)
    }

    fn put_part(
        &self,
        session: &[u8],
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error> {
        self.upload_part(session, number, offset, bytes)
    }

    fn complete(
        &self,
        session: &[u8],
        receipts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        _whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        self.complete_upload(session, receipts, size, sha256)
    }

    fn retain(&self, object: &str, until: u64) -> Result<(), Error> {
        self.lock(object, until)
    }

    fn abort(&self, session: &[u8]) -> Result<(), Error> {
        self.abort_upload(session)
    }

    fn list_sessions(&self, prefix: &str, cursor: Option<&str>) -> Result<SessionPage, Error> {
        self.open_uploads(prefix, cursor)
    }

    fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        self.objects(prefix, cursor)
    }

    fn stat(&self, object: &str) -> Result<ObjectStat, Error> {
        self.head(object)
    }

    fn get_range(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        self.read(object, offset, length, into)
    }

    fn delete(&self, object: &str) -> Result<(), Error> {
        self.remove(object)
    }
}

plugin! { world: store, step: S3, requests: ["http"] }
