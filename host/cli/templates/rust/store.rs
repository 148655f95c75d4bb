//! {{name}}: a store, which keeps objects. Only its configuration is written; the other calls
//! say that they are not. `docs/plugins.md` has what each has to hold, and a store to copy.

use drydock_plugin_sdk::{
    Acknowledgement, Error, Finding, ObjectPage, ObjectStat, PartReceipt, SessionKeeping,
    SessionPage, Sink, Slice, Store, StoreLayout, plugin,
};
use serde::Deserialize;

/// The target's `config:`. An unknown key is refused by name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    part_mebibytes: u64,
}

struct Place {
    config: Config,
}

impl Store for Place {
    type Config = Config;

    /// Comes before each call, which starts in a fresh instance.
    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { config })
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        Ok(vec![Finding::warning("unwritten", "this store keeps nothing yet")])
    }

    fn layout(&self) -> Result<StoreLayout, Error> {
        Ok(StoreLayout {
            part_min: 1,
            part_max: self.config.part_mebibytes << 20,
            parts_max: 10_000,
            parallel_max: 4,
            equal_parts: false,
            object_max: self.config.part_mebibytes << 20,
            part_checksum: None,
            sessions: SessionKeeping::Listed,
            retain: false,
        })
    }

    fn make_place(&self) -> Result<(), Error> {
        Err(unwritten("make-place"))
    }

    fn put_object(&self, _: &str, _: &Slice, _: Option<u64>) -> Result<ObjectStat, Error> {
        Err(unwritten("put-object"))
    }

    fn begin(&self, _: &str, _: Option<u64>, _: u64) -> Result<Vec<u8>, Error> {
        Err(unwritten("begin"))
    }

    fn put_part(
        &self,
        _: &[u8],
        _: u32,
        _: u64,
        _: &Slice,
    ) -> Result<Acknowledgement, Error> {
        Err(unwritten("put-part"))
    }

    fn complete(
        &self,
        _: &[u8],
        _: &[PartReceipt],
        _: u64,
        _: &[u8],
        _: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        Err(unwritten("complete"))
    }

    fn abort(&self, _: &[u8]) -> Result<(), Error> {
        Err(unwritten("abort"))
    }

    fn list_sessions(&self, _: &str, _: Option<&str>) -> Result<SessionPage, Error> {
        Err(unwritten("list-sessions"))
    }

    fn list(&self, _: &str, _: Option<&str>) -> Result<ObjectPage, Error> {
        Err(unwritten("list"))
    }

    fn stat(&self, _: &str) -> Result<ObjectStat, Error> {
        Err(unwritten("stat"))
    }

    fn get_range(&self, _: &str, _: u64, _: u64, _: &Sink) -> Result<(), Error> {
        Err(unwritten("get-range"))
    }

    fn delete(&self, _: &str) -> Result<(), Error> {
        Err(unwritten("delete"))
    }
}

fn unwritten(call: &str) -> Error {
    Error::permanent("unwritten", format!("{call} of this store is not written yet")).not_done()
}

// What it may reach is asked for here, and granted by an operator.
plugin! { world: store, step: Place, requests: [] }
