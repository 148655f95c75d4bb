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

use drydock_plugin_sdk::{Error, Finding, StoreLayout};
use drydock_store_kit::call::{Answer, Call, Client, Failure};
use drydock_store_kit::service::Service;
use drydock_store_kit::{Keys, store};

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

impl Service for S3 {
    type Config = Config;

    fn judge_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check()
    }

    fn at(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            place: Place::of(&config)?,
            keys: Keys::below(config.prefix.as_deref())?,
            client: Client::new(dialect::judge),
            config,
        })
    }

    fn look_around(&self) -> Result<Vec<Finding>, Error> {
        self.found()
    }

    fn terms(&self) -> StoreLayout {
        self.config.layout()
    }

    fn make(&self) -> Result<(), Error> {
        self.make_bucket()
    }
}

store! { S3 }
