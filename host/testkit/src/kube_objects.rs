//! Keys and values as a Kubernetes API server writes them to etcd.
//!
//! A [`plan`] is made first, pure and from a seed: which objects there are, which are
//! updated, which are deleted, in which transactions. [`load`] then carries it out. So a
//! cluster holds revisions, tombstones and leases as a real one does, and the same seed
//! gives the same keys and values (uids and times included).

mod make;
mod wire;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use etcd_client::{Client, LeaseGrantOptions, PutOptions, Txn, TxnOp};

use crate::random::Random;

/// Operations in one transaction: below etcd's own limit of 128.
const OPERATIONS_MAX: usize = 100;

/// Every so many objects one is updated later, and another is deleted.
const UPDATED_EVERY: usize = 5;
const DELETED_EVERY: usize = 11;

/// How long the leases of events live, as the API server's default has it.
const EVENT_LEASE_SECONDS: i64 = 3600;

/// The id of the first lease; the next ones follow. Fixed, so that values repeat.
const FIRST_LEASE: i64 = 0x0d7d_0000_0000_0001;

/// How many objects and from which seed.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions {
    /// Keys that are there when loading is done.
    pub objects: usize,
    pub seed: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            objects: 5_000,
            seed: 1,
        }
    }
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that are there now.
    pub live_keys: usize,
    pub updated: usize,
    pub deleted: usize,
    pub leases: usize,
    /// The cluster's revision after the last write.
    pub revision: i64,
}

/// What is to be written, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub leases: Vec<i64>,
    pub transactions: Vec<Vec<Write>>,
    pub live_keys: usize,
    pub updated: usize,
    pub deleted: usize,
}

/// One write of a transaction; no transaction names a key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put {
        key: String,
        value: Vec<u8>,
        lease: Option<i64>,
    },
    Delete {
        key: String,
    },
}

/// An object with its place in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    key: String,
    value: Vec<u8>,
    /// Events live on a lease.
    expires: bool,
}

/// Loads objects into a cluster, some of them updated, and others deleted again.
///
/// # Errors
/// When the cluster refuses a write.
pub async fn load(client: &mut Client, options: LoadOptions) -> Result<Loaded> {
    let plan = plan(options);
    for lease in &plan.leases {
        let options = LeaseGrantOptions::new().with_id(*lease);
        client
            .lease_grant(EVENT_LEASE_SECONDS, Some(options))
            .await
            .context("cannot grant a lease")?;
    }
    let mut revision = 0;
    for writes in &plan.transactions {
        revision = apply(client, writes).await?;
    }
    Ok(Loaded {
        live_keys: plan.live_keys,
        updated: plan.updated,
        deleted: plan.deleted,
        leases: plan.leases.len(),
        revision,
    })
}

async fn apply(client: &mut Client, writes: &[Write]) -> Result<i64> {
    let operations: Vec<TxnOp> = writes.iter().map(operation).collect();
    let answer = client
        .txn(Txn::new().and_then(operations))
        .await
        .context("cannot write objects")?;
    let header = answer.header().context("etcd answered without a header")?;
    Ok(header.revision())
}

fn operation(write: &Write) -> TxnOp {
    match write {
        Write::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease));
            TxnOp::put(key.as_str(), value.clone(), options)
        }
        Write::Delete { key } => TxnOp::delete(key.as_str(), None),
    }
}

/// Plans what [`load`] writes. Objects are created in more transactions than one, then
/// some are updated, then some are deleted, until exactly `objects` keys are left.
pub fn plan(options: LoadOptions) -> Plan {
    let mut random = Random::new(options.seed);
    let doomed_count = options.objects / DELETED_EVERY;
    let objects = make::objects(&mut random, options.objects + doomed_count);
    let leases = leases_for(&objects);
    let doomed = doomed_keys(&objects, doomed_count);
    let creations = creations(&objects, &leases);
    let updates = updates(&mut random, &objects, &leases);
    let updated = updates.len();
    let deletions = doomed.iter().map(|key| Write::Delete { key: key.clone() });
    let phases: [Vec<Write>; 3] = [creations, updates, deletions.collect()];
    let transactions = phases
        .iter()
        .flat_map(|writes| writes.chunks(OPERATIONS_MAX))
        .map(<[Write]>::to_vec);
    Plan {
        leases,
        transactions: transactions.collect(),
        live_keys: objects.len() - doomed.len(),
        updated,
        deleted: doomed.len(),
    }
}

/// The API server gives one lease to many events; here it is one for every hundred.
fn leases_for(objects: &[Object]) -> Vec<i64> {
    let events = objects.iter().filter(|object| object.expires).count();
    let count = events.div_ceil(OPERATIONS_MAX);
    (FIRST_LEASE..).take(count).collect()
}

fn doomed_keys(objects: &[Object], count: usize) -> BTreeSet<String> {
    let spread = objects.iter().rev().step_by(DELETED_EVERY).chain(objects);
    let mut doomed = BTreeSet::new();
    for object in spread {
        if doomed.len() == count {
            break;
        }
        doomed.insert(object.key.clone());
    }
    doomed
}

fn creations(objects: &[Object], leases: &[i64]) -> Vec<Write> {
    let puts = objects
        .iter()
        .enumerate()
        .map(|(index, object)| put(index, object, object.value.clone(), leases));
    puts.collect()
}

fn put(index: usize, object: &Object, value: Vec<u8>, leases: &[i64]) -> Write {
    let lease = object.expires.then(|| leases[index % leases.len()]);
    Write::Put {
        key: object.key.clone(),
        value,
        lease,
    }
}

/// New values for some keys, of another size now and then.
fn updates(random: &mut Random, objects: &[Object], leases: &[i64]) -> Vec<Write> {
    let chosen = objects.iter().enumerate().skip(2).step_by(UPDATED_EVERY);
    let puts = chosen.map(|(index, object)| {
        let value = make::touched(random, &object.value);
        put(index, object, value, leases)
    });
    puts.collect()
}

#[cfg(test)]
mod tests;
