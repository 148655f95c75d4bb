//! What a plugin returns, without the secrets that it was shown or that were used for it.
//! Every attempt passes here on its way out; the log is redacted line by line as it is
//! written.

use drydock_capability_secret::Redactor;
use drydock_core::{ErrorCode, Fault};

use crate::world::contract::types::Finding;
use crate::world::steps::action_step::Probed;
use crate::world::steps::backup_step::Report;
use crate::world::steps::store_step::{
    Acknowledgement, ObjectPage, ObjectStat, SessionPage, StoreLayout,
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
    StoreLayout,
    Acknowledgement,
    ObjectStat,
    SessionPage,
    Probed
);

impl GuestText for Finding {
    fn redact(&mut self, redactor: &Redactor) {
        self.code = redactor.text(&self.code);
        self.message = redactor.text(&self.message);
    }
}

impl GuestText for Fault {
    fn redact(&mut self, redactor: &Redactor) {
        self.code = ErrorCode::of(&redactor.text(self.code.as_str()));
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

/// What a listing passed over is told to people, and goes back to nobody.
impl GuestText for ObjectPage {
    fn redact(&mut self, redactor: &Redactor) {
        for passed in &mut self.passed_over {
            passed.object = redactor.text(&passed.object);
            passed.why = redactor.text(&passed.why);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_capability_secret::{SecretAccess, SecretGrant, SecretSource};
    use drydock_core::Secret;

    use super::*;
    use crate::world::steps::store_step::PassedOver;

    struct Token;

    impl SecretSource for Token {
        fn read(&self, _: &str) -> Result<Secret, Fault> {
            Ok(Secret::new(b"hunter2-secret".to_vec()))
        }
    }

    #[test]
    fn what_a_listing_passed_over_holds_no_secret_and_keys_stay_as_they_are() {
        let grant = serde_json::json!({"name": "token", "reveal": true});
        let grant: SecretGrant = serde_json::from_value(grant).unwrap();
        let secrets = SecretAccess::new(vec![grant], Some(Arc::new(Token)));
        secrets.reveal("token").unwrap();
        let stat = ObjectStat {
            object: "c1/hunter2-secret".to_owned(),
            size: 1,
            checksum: None,
            retained_until: None,
        };
        let mut page = ObjectPage {
            objects: vec![stat],
            passed_over: vec![PassedOver {
                object: "c1/hunter2-secret".to_owned(),
                hides: true,
                why: "403 for hunter2-secret".to_owned(),
            }],
            next: None,
        };
        page.redact(&secrets.redactor());
        assert_eq!(page.objects[0].object, "c1/hunter2-secret");
        let passed = &page.passed_over[0];
        assert_eq!(passed.object, "c1/[redacted secret token]");
        assert_eq!(passed.why, "403 for [redacted secret token]");
    }
}
