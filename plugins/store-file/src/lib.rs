//! Keeps objects as plain files in a folder of the node; see `drydock-file-store` for
//! how, and for what a crash leaves.

use drydock_file_store::FileStore;
use drydock_plugin_sdk::plugin;

plugin! { world: store, step: FileStore, requests: ["files.read", "files.write"] }
