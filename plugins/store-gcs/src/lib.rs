//! Keeps objects in a bucket of Google Cloud Storage, over its JSON interface.
//!
//! An object that fits one request is sent with its metadata, CRC-32C included, under
//! `ifGenerationMatch=0`. A larger one is a resumable upload, begun under that condition, which
//! decides when it ends. Its bytes can only be appended, in multiples of 256 KiB but for the end,
//! and only the end says how long it is: so parts have one size, go one after the other, and the
//! last one is held back until `complete`, which sends it out of what the host still has.
//!
//! Bytes that the service has already it passes over, so that a part may come again. After an
//! attempt of which nobody knows how far it came, the service is asked, and the rest is sent.
//!
//! The session's URI is a password by itself: whoever has it can send bytes. It stands in the
//! session alone, which the host keeps sealed, and in no error and no log.
//!
//! **Invariant:** nothing is overwritten: every request that makes an object carries
//! `ifGenerationMatch=0`.
//! **Invariant:** a 404 is `not-found` only in a bucket that is there.
//! **Invariant:** a session leads nowhere but to the target's own endpoint.
//!
//! A crash leaves at most a session, which goes by itself after a week.

mod check;
mod config;
mod dialect;
mod object;
mod resource;
mod session;
mod upload;

use drydock_plugin_sdk::{Error, Finding, StoreLayout};
use drydock_store_kit::call::{Answer, Call, Client, Failure};
use drydock_store_kit::service::Service;
use drydock_store_kit::{Endpoint, Keys, encode, store};

use config::Config;

/// A bucket as a store.
struct Gcs {
    config: Config,
    endpoint: Endpoint,
    keys: Keys,
    client: Client,
}

impl Gcs {
    fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.client.send(call)
    }

    /// The bucket, or what `path` names below it.
    fn bucket_url(&self, path: &str, query: &[(&str, &str)]) -> String {
        let bucket = encode::name(&self.config.bucket);
        let query = encode::query(query);
        format!("{}/storage/v1/b/{bucket}{path}{query}", self.endpoint.url())
    }

    fn object_url(&self, object: &str, query: &[(&str, &str)]) -> Result<String, Error> {
        let key = encode::name(&self.keys.of(object)?);
        Ok(self.bucket_url(&format!("/o/{key}"), query))
    }

    /// Where an object is made that must not be there.
    fn upload_url(&self, object: &str, kind: &str) -> Result<String, Error> {
        let bucket = encode::name(&self.config.bucket);
        let query = encode::query(&[
            ("uploadType", kind),
            ("name", &self.keys.of(object)?),
            ("ifGenerationMatch", "0"),
        ]);
        let endpoint = self.endpoint.url();
        Ok(format!("{endpoint}/upload/storage/v1/b/{bucket}/o{query}"))
    }
}

impl Service for Gcs {
    type Config = Config;

    fn judge_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|()| Vec::new())
    }

    fn at(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            endpoint: config.endpoint()?,
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

store! { Gcs }
