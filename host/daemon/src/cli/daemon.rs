//! `drydock daemon`: runs the node's schedules until it is told to stop.

use super::args::{DaemonArgs, Global};
use super::block_on_uninterrupted;
use crate::daemon;
use crate::exit::Outcome;
use crate::node::{Need, Node};

pub fn dispatch(global: &Global, args: &DaemonArgs) -> Outcome {
    let node = Node::load(global, &Need::ALL)?;
    block_on_uninterrupted(daemon::run(global.config.clone(), node, args.accept_clock))
}
