//! The border between the graph and the recovery point: what the point asks of the graph,
//! and when the graph has all that belongs to it.

use std::collections::BTreeMap;

use drydock_core::{ErrorCode, Fault, StepName, UnixTime};
use drydock_point::model::{Gathered, KeptThing, MeasuredHold, Request};

use super::{HoldAt, NodePhase, RunState, UnitEnd};

impl RunState {
    pub(super) fn settle_point(&mut self) -> bool {
        let requests = self.point.as_mut().map(|point| point.take_requests());
        let requests = requests.unwrap_or_default();
        let asked = !requests.is_empty();
        for request in requests {
            match request {
                Request::Again { step, reason } => self.again(&step, &reason),
                Request::End { fault } => self.end(fault),
            }
        }
        asked | self.settle_gathered()
    }

    /// Refused once a node that takes something from it began, or where it stood during a
    /// hold: that was let go.
    fn again(&mut self, step: &StepName, reason: &Fault) {
        let index = self.index_of(step);
        let runs = index.is_some_and(|index| self.run_again(index, reason));
        if let Some(point) = self.point.as_mut().filter(|_| !runs) {
            point.again_refused(step, reason);
        }
    }

    fn settle_gathered(&mut self) -> bool {
        let is_open = self
            .point
            .as_ref()
            .is_some_and(|point| !point.is_gathered());
        if !is_open || self.is_ending() || self.failing.is_some() {
            return false;
        }
        if let Some(fault) = self.missing() {
            self.end(fault);
            return true;
        }
        if !self.has_all() {
            return false;
        }
        let gathered = self.gathered();
        self.point.as_mut().is_some_and(|point| {
            point.gathered(gathered);
            point.is_gathered()
        })
    }

    /// Whether each contributor is done, and the holds that it stood during were let go.
    fn has_all(&self) -> bool {
        self.contributors().all(|index| {
            let node = &self.nodes[index];
            let unit = node.unit.map(|unit| &self.units[unit]);
            node.phase == NodePhase::Done && unit.is_none_or(|unit| unit.end.is_some())
        })
    }

    /// Why one of the contributors will give nothing, although nothing has ended the run.
    fn missing(&self) -> Option<Fault> {
        self.contributors().find_map(|index| {
            let node = &self.nodes[index];
            let unit = node.unit.map(|unit| &self.units[unit]);
            let is_open = unit.is_some_and(|unit| unit.end.is_none());
            let step = &self.spec.nodes[index].step;
            match &node.phase {
                _ if is_open => None,
                NodePhase::Failed(fault) => Some(fault.clone()),
                NodePhase::Skipped(why) => Some(Fault::permanent(
                    ErrorCode::NoOutput,
                    format!("step {step}, which belongs to the recovery point, was skipped: {why}"),
                )),
                _ => None,
            }
        })
    }

    fn contributors(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.nodes.len()).filter(|index| self.spec.nodes[*index].contributes)
    }

    fn gathered(&self) -> Gathered {
        let cuts = self.contributors().filter_map(|index| {
            let cut = self.nodes[index].cut?;
            Some((self.spec.nodes[index].step.clone(), cut))
        });
        let kept = self.contributors().flat_map(|index| {
            let step = &self.spec.nodes[index].step;
            let handles = self.nodes[index].kept.iter();
            handles.map(|handle| KeptThing {
                step: step.clone(),
                handle: handle.clone(),
            })
        });
        Gathered {
            kept: kept.collect(),
            cuts: cuts.collect::<BTreeMap<StepName, UnixTime>>(),
            holds: self.measured_holds(),
        }
    }

    /// How long each hold of a pass that counts stood.
    fn measured_holds(&self) -> Vec<MeasuredHold> {
        let whole = self
            .units
            .iter()
            .filter(|unit| unit.end == Some(UnitEnd::Whole));
        let holds = whole.flat_map(|unit| unit.holds.iter().copied());
        holds
            .filter_map(|index| {
                let hold = self.nodes[index].hold.as_ref()?;
                let HoldAt::Released(to) = hold.at else {
                    return None;
                };
                Some(MeasuredHold {
                    step: self.spec.nodes[index].step.clone(),
                    from: hold.held?,
                    to,
                })
            })
            .collect()
    }
}
