//! `drydock daemon`: runs the node's schedules until it is told to stop.

use super::args::{DaemonArgs, Global};
use crate::runtime::block_on_uninterrupted;
use crate::{Exit, Outcome};
use drydock_node::Need;
use drydock_scheduler::Process;
use drydock_terminal::{interrupt, stderr};

pub fn dispatch(global: &Global, args: &DaemonArgs) -> Outcome {
    let node = crate::runtime::load(global, &Need::ALL)?;
    let process = Process {
        end_within: |limit| interrupt::end_within(limit, Exit::Done.code()),
        lost_log_lines: stderr::lost(),
    };
    let daemon = drydock_scheduler::run(global.config.clone(), node, args.accept_clock, process);
    block_on_uninterrupted(async {
        daemon.await?;
        Ok(Exit::Done)
    })
}
