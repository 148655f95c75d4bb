//! What each input means for the state. Nothing here asks for an effect; the few judgements
//! that are made here (a store is given up, the recovery point cannot come about, an output
//! does not count) follow from the input and the state alone, so that a replay makes them
//! again.

mod answer;
mod failure;
mod gathering;
mod upload;

use drydock_core::{Fault, StepName};

use crate::model::Request;
use crate::state::{Point, Store};

impl Point {
    /// Brings the recovery point to an end before its time, unless there is nothing left to
    /// stop. The first reason counts.
    pub fn ending(&mut self, fault: &Fault) {
        if self.ending.is_none() && !self.is_settled() {
            self.ending = Some(fault.clone());
        }
    }

    /// Taking back what was begun came to no end in its time: what is left is left where it
    /// is.
    pub fn cleanup_given_up(&mut self, fault: &Fault) {
        self.cleanup_given_up = Some(fault.clone());
    }

    /// A contributor cannot run anew although what it made is gone: where another store had
    /// all parts, nothing was asked for; here the recovery point cannot come about.
    pub fn again_refused(&mut self, step: &StepName, reason: &Fault) {
        if self.contributor(step).is_some() {
            self.end(reason.clone());
        }
    }

    /// The process that worked at it is gone: what was in flight is lost, and waits are over.
    /// What becomes of the attempts of contributors is told one by one.
    pub fn resumed(&mut self) {
        self.sign.task.resumed();
        self.sign.is_void = false;
        self.drop_spool.resumed();
        for output in self.outputs.values_mut() {
            output.judging.values_mut().for_each(|judging| {
                judging.task.resumed();
            });
        }
        self.stores.iter_mut().for_each(Store::resumed);
    }

    /// Finds that the recovery point cannot come about, and asks for the end of its run.
    pub(crate) fn end(&mut self, fault: Fault) {
        if self.ending.is_none() && !self.is_settled() {
            self.end_all(fault);
        }
    }

    /// As [`Point::end`], also where the last store was given up just now.
    pub(crate) fn end_all(&mut self, fault: Fault) {
        self.ending = Some(fault.clone());
        self.requests.push(Request::End { fault });
    }
}
