//! Counting keys: for the host's own drills. No grant leads here, and no plugin.

use drydock_core::Fault;
use etcd_client::{Client, GetOptions};

use crate::backend::EtcdAccess;

impl EtcdAccess {
    /// Keys that begin with `prefix` (empty for all keys) and were alive at `revision`.
    ///
    /// # Errors
    /// `unknown-endpoint`, `compacted`, `future-revision`, or what the way there came to.
    pub async fn count(&self, endpoint: &str, prefix: &str, revision: i64) -> Result<u64, Fault> {
        let all = if prefix.is_empty() {
            GetOptions::new().with_all_keys()
        } else {
            GetOptions::new().with_prefix()
        };
        let options = all.with_count_only().with_revision(revision);
        let call = |mut client: Client| {
            let (key, options) = (prefix.to_owned(), options.clone());
            async move { client.get(key, Some(options)).await }
        };
        let answer = self.answer(endpoint, "count the keys at", call).await?;
        Ok(u64::try_from(answer.count()).unwrap_or(0))
    }
}
