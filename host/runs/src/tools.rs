//! What the parts of one run have in common, whatever their kinds.

use std::path::PathBuf;
use std::sync::Arc;

use drydock_documents::Step;
use drydock_repository::{SigningKey, TrustedSigners};
use drydock_sandbox::StepCall;

use crate::node::Signals;
use crate::steps::{Attempts, RunTargets};

/// Hears what a check is at.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What is told of a plugin that is asked.
pub fn asked(plugin: &str, subject: &str) -> String {
    format!("plugin {plugin} is asked whether it accepts the configuration of {subject}")
}

/// What the parts of one run share.
pub struct RunTools {
    pub attempts: Attempts,
    pub key: Arc<SigningKey>,
    pub signers: Arc<TrustedSigners>,
    /// The places at which the run stores.
    pub targets: Arc<RunTargets>,
    pub signals: Arc<Signals>,
    pub call: StepCall,
    pub spool_root: PathBuf,
}

impl RunTools {
    /// The surroundings of a step's plugin.
    pub fn call_of(&self, step: &Step) -> StepCall {
        StepCall {
            config: step.config_json(),
            ..self.call.clone()
        }
    }
}
