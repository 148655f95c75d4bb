//! What a plugin returns, without the secrets that it was shown or that were used for it.
//! Every attempt passes here on its way out; the log is redacted line by line as it is
//! written.

use drydock_capability_local::Redactor;
use drydock_core::Fault;

use crate::link::backup::exports::drydock::plugin::backup_step::Report;
use crate::link::contract::types::Finding;
use crate::link::store::exports::drydock::plugin::store_step::{
    Completion, ObjectPage, ObjectStat, PartLayout, SessionPage,
};

/// What an export returns.
pub(crate) trait GuestText {
    /// Takes secrets out of every text that people read or a record keeps.
    fn redact(&mut self, redactor: &Redactor);
}

/// Returned values that hold numbers, and names and tokens that go back to the plugin as
/// they are: a name that was changed would be another object.
macro_rules! no_text {
    ($($kind:ty),*) => {
        $(impl GuestText for $kind {
            fn redact(&mut self, _: &Redactor) {}
        })*
    };
}

no_text!(
    (),
    bool,
    Vec<u8>,
    PartLayout,
    Completion,
    ObjectPage,
    ObjectStat,
    SessionPage
);

impl GuestText for Finding {
    fn redact(&mut self, redactor: &Redactor) {
        self.code = redactor.text(&self.code);
        self.message = redactor.text(&self.message);
    }
}

impl GuestText for Fault {
    fn redact(&mut self, redactor: &Redactor) {
        self.code = redactor.text(&self.code);
        self.message = redactor.text(&self.message);
        for (name, value) in &mut self.details {
            *name = redactor.text(name);
            *value = redactor.text(value);
        }
    }
}

impl GuestText for Report {
    fn redact(&mut self, redactor: &Redactor) {
        self.findings.redact(redactor);
    }
}

impl GuestText for Vec<Finding> {
    fn redact(&mut self, redactor: &Redactor) {
        for finding in self {
            finding.redact(redactor);
        }
    }
}

impl<A: GuestText, B: GuestText> GuestText for (A, B) {
    fn redact(&mut self, redactor: &Redactor) {
        self.0.redact(redactor);
        self.1.redact(redactor);
    }
}

impl<T: GuestText> GuestText for Result<T, Fault> {
    fn redact(&mut self, redactor: &Redactor) {
        match self {
            Ok(value) => value.redact(redactor),
            Err(fault) => fault.redact(redactor),
        }
    }
}
