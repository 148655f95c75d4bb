//! Keeps objects in a container of Azure Blob Storage, as block blobs.
//!
//! An object that fits one request is put with `If-None-Match: *`. A larger one is a list of
//! blocks: each goes with the checksum that the host computed of it, which the service compares,
//! under an id that tells upload, number and digest; `Put Block List` with `If-None-Match: *`
//! makes a blob of them. There is nothing to abort: blocks that no list names go by themselves a
//! week after the last one came.
//!
//! Where a blob could not be made for whatever reason, the plugin looks: its list of blocks tells
//! whether it is the one of this very upload.
//!
//! The plugin holds no key: the host completes each request. What a refusal means is decided by
//! the header `x-ms-error-code`, which is there also where a body is not.
//!
//! **Invariant:** nothing is overwritten: every request that makes a blob carries
//! `If-None-Match: *`.
//! **Invariant:** ids of blocks have one length, whatever upload they are of: the service refuses
//! others, and uploads of one name share their blocks.
//!
//! A crash leaves at most blocks that go by themselves.

mod blob;
mod block;
mod check;
mod config;
mod dialect;
mod page;

use drydock_plugin_sdk::{Error, Finding, StoreLayout};
use drydock_store_kit::call::{Answer, Call, Client, Failure};
use drydock_store_kit::service::Service;
use drydock_store_kit::{Keys, encode, store};

use config::Config;

/// The one version of the service's interface that is spoken.
const VERSION: &str = "2023-11-03";

/// A container as a store.
struct AzureBlob {
    config: Config,
    /// URL of the container.
    container: String,
    keys: Keys,
    client: Client,
}

impl AzureBlob {
    fn call<'a>(&self, method: &'static str, url: String, what: impl Into<String>) -> Call<'a> {
        Call::new(method, url, what).header("x-ms-version", VERSION)
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.client.send(call)
    }

    fn container_url(&self, query: &[(&str, &str)]) -> String {
        format!("{}{}", self.container, encode::query(query))
    }

    fn blob_url(&self, object: &str, query: &[(&str, &str)]) -> Result<String, Error> {
        let key = encode::path(&self.keys.of(object)?);
        Ok(format!("{}/{key}{}", self.container, encode::query(query)))
    }
}

impl Service for AzureBlob {
    type Config = Config;

    fn judge_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|()| Vec::new())
    }

    fn at(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            container: format!("{}/{}", config.endpoint()?.url(), config.container),
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
        self.make_container()
    }
}

store! { AzureBlob }
