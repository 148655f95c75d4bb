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

use drydock_plugin_sdk::{
    Acknowledgement, Error, Finding, ObjectPage, ObjectStat, PartReceipt, SessionPage, Sink, Slice,
    Store, StoreLayout, plugin,
};
use drydock_store_kit::call::{Answer, Call, Client, Failure};
use drydock_store_kit::{Keys, encode};

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

impl Store for AzureBlob {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|()| Vec::new())
    }

    fn open(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            container: format!("{}/{}", config.endpoint()?.url(), config.container),
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
        self.make_container()
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
        self.put_block(session, number, offset, bytes)
    }

    fn complete(
        &self,
        session: &[u8],
        receipts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        _whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        self.put_block_list(session, receipts, size, sha256)
    }

    fn retain(&self, object: &str, until: u64) -> Result<(), Error> {
        self.lock(object, until)
    }

    fn abort(&self, _session: &[u8]) -> Result<(), Error> {
        Err(only_expire())
    }

    fn list_sessions(&self, _prefix: &str, _cursor: Option<&str>) -> Result<SessionPage, Error> {
        Err(only_expire())
    }

    fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        self.objects(prefix, cursor)
    }

    fn stat(&self, object: &str) -> Result<ObjectStat, Error> {
        self.properties(object)
    }

    fn get_range(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        self.read(object, offset, length, into)
    }

    fn delete(&self, object: &str) -> Result<(), Error> {
        self.remove(object)
    }
}

/// The layout says so, and the host goes by it.
fn only_expire() -> Error {
    let message = "blocks of an upload can be neither listed nor taken back here: they go by themselves after a week";
    Error::permanent("unsupported", message).not_done()
}

plugin! { world: store, step: AzureBlob, requests: ["http"] }
