//! What is said beside a refusal where a step or target leaves less of a plugin's grants than
//! the operator gave: the line that the capability names would not be enough.

use std::sync::Arc;

use drydock_core::{ErrorCode, Fault};

/// Who narrows a plugin's grants; nobody by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrowed(Option<Arc<str>>);

impl Narrowed {
    /// The same, and this as well: a clause that goes on after a semicolon.
    #[must_use]
    pub fn and(&self, why: &str) -> Self {
        let both = match &self.0 {
            Some(before) => format!("{before}; {why}"),
            None => why.to_owned(),
        };
        Self(Some(both.into()))
    }

    /// A refusal with who narrows the grant; every other fault as it is.
    #[must_use]
    pub fn explain(&self, mut fault: Fault) -> Fault {
        let why = self.0.as_ref().filter(|_| is_of_grant(&fault.code));
        if let Some(why) = why {
            fault.message = format!("{}; {why}", fault.message);
        }
        fault
    }
}

/// Whether a wider grant would have allowed it.
fn is_of_grant(code: &ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotGranted
            | ErrorCode::AddressProhibited
            | ErrorCode::MessageRefused
            | ErrorCode::PlaceholderRefused
    )
}
