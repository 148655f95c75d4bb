//! What each target may take of this node, by its document and the node's: one for all runs and
//! all documents that are in force one after the other, so that what two runs send to one
//! target together stays within its limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::TargetName;
use drydock_documents::ThrottleSpec;
use drydock_sandbox::{Pace, Rate, Throttle, Turns};
use tokio::sync::Semaphore;

/// Clones are the same table.
#[derive(Debug, Clone, Default)]
pub struct Throttles {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    node: Limit,
    targets: BTreeMap<TargetName, Known>,
}

/// What a document says, and what is held to it.
#[derive(Debug, Clone, Default)]
struct Limit {
    spec: ThrottleSpec,
    upload: Option<Arc<Rate>>,
    download: Option<Arc<Rate>>,
    requests: Option<Arc<Semaphore>>,
}

#[derive(Debug)]
struct Known {
    spec: ThrottleSpec,
    throttle: Throttle,
}

impl Throttles {
    /// What a target may take by these limits of its own and of the node. As long as neither
    /// changes it is the same for all; a run that began before a change keeps what it had.
    pub fn of(&self, target: &TargetName, own: ThrottleSpec, node: ThrottleSpec) -> Throttle {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.node.spec != node {
            table.node = Limit::new(node);
            table.targets.clear();
        }
        if let Some(known) = table.targets.get(target).filter(|known| known.spec == own) {
            return known.throttle.clone();
        }
        let throttle = throttle(&Limit::new(own), &table.node);
        let known = Known {
            spec: own,
            throttle: throttle.clone(),
        };
        table.targets.insert(target.clone(), known);
        throttle
    }
}

impl Limit {
    fn new(spec: ThrottleSpec) -> Self {
        let rate = |rate: u64| Arc::new(Rate::new(rate));
        let calls = spec.parallel_requests();
        Self {
            upload: spec.upload_bytes_per_second().map(rate),
            download: spec.download_bytes_per_second().map(rate),
            requests: calls.map(|calls| Arc::new(Semaphore::new(calls))),
            spec,
        }
    }
}

fn throttle(own: &Limit, node: &Limit) -> Throttle {
    let pace = |own: &Option<Arc<Rate>>, node: &Option<Arc<Rate>>| {
        Pace::new(own.iter().chain(node).map(Arc::clone).collect())
    };
    Throttle {
        upload: pace(&own.upload, &node.upload),
        download: pace(&own.download, &node.download),
        turns: Turns::new(own.spec.parallel_requests(), node.requests.clone()),
    }
}
