//! Many bytes quickly: values that do not compress, for measuring.

use anyhow::{Context, Result};
use etcd_client::{Client, Txn, TxnOp};
use tokio::task::JoinSet;

use crate::random::Random;

/// The sizes of the values.
const VALUE_BYTES_MIN: usize = 4 * 1024;
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// The bytes of one transaction, below etcd's limit of 1.5 MiB a request.
const TRANSACTION_BYTES_MAX: usize = 1024 * 1024;

/// The values of one transaction, below etcd's limit of 128 operations.
const TRANSACTION_VALUES_MAX: usize = 100;

/// Transactions on their way at a time: enough to keep a cluster on loopback busy.
const PARALLEL: usize = 4;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    pub keys: usize,
    pub bytes: usize,
}

/// Writes values of 4 to 64 KiB under `/fill/` until they have `total_bytes` together.
/// The same seed writes the same keys and values, but their revisions may differ.
///
/// # Errors
/// When the cluster refuses a write, such as for its quota.
pub async fn fill(client: &Client, total_bytes: usize, seed: u64) -> Result<Filled> {
    let mut random = Random::new(seed);
    let mut filled = Filled { keys: 0, bytes: 0 };
    let mut writing = JoinSet::new();
    while filled.bytes < total_bytes {
        if writing.len() == PARALLEL {
            finish_one(&mut writing).await?;
        }
        let operations = transaction(&mut random, &mut filled, total_bytes);
        let mut client = client.clone();
        writing.spawn(async move { client.txn(Txn::new().and_then(operations)).await });
    }
    while !writing.is_empty() {
        finish_one(&mut writing).await?;
    }
    Ok(filled)
}

type Answer = std::result::Result<etcd_client::TxnResponse, etcd_client::Error>;

async fn finish_one(writing: &mut JoinSet<Answer>) -> Result<()> {
    let Some(finished) = writing.join_next().await else {
        return Ok(());
    };
    finished
        .context("a writing task ended early")?
        .context("cannot write values")?;
    Ok(())
}

fn transaction(random: &mut Random, filled: &mut Filled, total_bytes: usize) -> Vec<TxnOp> {
    let mut operations = Vec::new();
    let mut bytes = 0;
    while bytes + VALUE_BYTES_MAX <= TRANSACTION_BYTES_MAX
        && operations.len() < TRANSACTION_VALUES_MAX
        && filled.bytes < total_bytes
    {
        let length = VALUE_BYTES_MIN + random.below(VALUE_BYTES_MAX - VALUE_BYTES_MIN + 1);
        let length = length.min((total_bytes - filled.bytes).max(VALUE_BYTES_MIN));
        let key = format!("/fill/{:08}", filled.keys);
        operations.push(TxnOp::put(key, random.bytes(length), None));
        bytes += length;
        filled.keys += 1;
        filled.bytes += length;
    }
    operations
}
