//! This process's surroundings: the only place that reads environment variables and the
//! files that documents name.

use std::path::Path;

use drydock_core::reason;
use drydock_documents::Lookup;

/// Largest file that a document may name: a certificate bundle, a key, a list.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The real ones.
pub struct ProcessEnvironment;

impl Lookup for ProcessEnvironment {
    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let size = std::fs::metadata(path)
            .map_err(|error| reason(&error))?
            .len();
        if size > FILE_BYTES_MAX {
            return Err(format!(
                "it has {size} bytes, more than the {FILE_BYTES_MAX} allowed"
            ));
        }
        std::fs::read(path).map_err(|error| reason(&error))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
