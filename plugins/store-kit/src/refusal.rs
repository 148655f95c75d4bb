//! What a service says of a call that it does not carry out, and the error that comes of it.

use drydock_plugin_sdk::{Certainty, Error, ErrorClass, instant};

/// Clocks that differ by more are not set: services refuse signatures from a quarter of an hour on,
/// and an answer may have been some time on its way.
const CLOCKS_APART_SECONDS_MAX: u64 = 300;

/// What is part of a service's word where it did not believe a signature or token, whatever the
/// reason.
const SIGNING_WORDS: [&str; 4] = ["Authenti", "Signature", "Expired", "Skew"];

/// What is told of a service's own words, in bytes.
const WORDS_BYTES_MAX: usize = 300;

/// A refusal, as one service's dialect reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The service's word for it, e.g. `NoSuchKey`; empty for none.
    pub code: String,
    /// The service's sentence; empty for none. Never a secret.
    pub words: String,
    pub cause: Cause,
    /// In seconds; [`crate::Client`] fills it in.
    pub retry_after: Option<u64>,
    /// Where they are too far from each other; [`crate::Client`] fills it in.
    pub clocks: Option<Clocks>,
}

/// What the clocks of node and service said, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    own: u64,
    service: u64,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The identity may not do that, or is nobody here.
    Denied,
    /// The credential has ended, or is none: the host may have another one the next time.
    Expired,
    /// The clocks of node and service differ too much.
    Clock,
    /// The bucket or container is not there.
    PlaceMissing,
    NotFound,
    /// There is an object of that name.
    Exists,
    /// The upload is not there any more.
    Gone,
    /// Somebody else is at the same name.
    Conflict,
    Throttled,
    /// The service failed.
    Failed,
    /// The bytes that came are not those that were announced.
    Damaged,
    /// The service wants to be asked elsewhere.
    Elsewhere,
    /// The service cannot do that.
    Unsupported,
    NoSpace,
    /// The object has to be brought back from an archive before it can be read.
    Archived,
    /// The object is locked.
    Locked,
    /// A range that the object does not have.
    OutOfRange,
    /// Anything else.
    Other,
}

impl Cause {
    /// By the status alone (RFC 9110), where the service's code says no more.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            301 | 302 | 307 | 308 => Self::Elsewhere,
            401 => Self::Expired,
            403 => Self::Denied,
            404 => Self::NotFound,
            408 => Self::Failed,
            409 => Self::Conflict,
            410 => Self::Gone,
            412 => Self::Exists,
            416 => Self::OutOfRange,
            429 | 503 => Self::Throttled,
            501 | 505 => Self::Unsupported,
            507 => Self::NoSpace,
            500.. => Self::Failed,
            _ => Self::Other,
        }
    }

    /// Whether the same request may go well a moment later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::Failed | Self::Damaged | Self::Conflict
        )
    }

    fn class(self) -> ErrorClass {
        match self {
            Self::Denied | Self::Expired | Self::Clock | Self::Locked => ErrorClass::Denied,
            Self::Conflict | Self::Failed | Self::Damaged => ErrorClass::Transient,
            Self::Throttled => ErrorClass::Throttled,
            _ => ErrorClass::Permanent,
        }
    }

    /// The error's code.
    fn code(self) -> &'static str {
        match self {
            Self::Denied | Self::Expired => "permission-denied",
            Self::Clock => "clock-differs",
            Self::PlaceMissing => "place-missing",
            Self::NotFound => "not-found",
            Self::Exists => "exists",
            Self::Gone => "gone",
            Self::Conflict => "changed-meanwhile",
            Self::Throttled => "too-many-requests",
            Self::Failed => "http-status",
            Self::Damaged => "checksum-differs",
            Self::Elsewhere => "wrong-endpoint",
            Self::Unsupported => "unsupported",
            Self::NoSpace => "no-space",
            Self::Archived => "archived",
            Self::Locked => "locked",
            Self::OutOfRange => "out-of-range",
            Self::Other => "refused",
        }
    }

    /// What it means, or how to mend it.
    fn mend(self) -> &'static str {
        match self {
            Self::Denied => "give the identity of the Target that right, or correct `identity:`",
            Self::Expired => {
                "the service takes the credential for one that has ended, or for none: correct `identity:` of the Target"
            }
            Self::Clock => "set this node's clock, which is too far from that of the service",
            Self::PlaceMissing => {
                "the bucket or container is not there: correct its name, or say `create: true` in the Target where it may be made"
            }
            Self::NotFound => "there is no such object",
            Self::Exists => "there is an object of that name",
            Self::Gone => {
                "the upload is not there any more, aborted by somebody or by a rule of the bucket's: run again"
            }
            Self::Conflict => "somebody else is at the same name at this moment",
            Self::Throttled => "the service wants to be left alone for a while",
            Self::Failed => "the service failed",
            Self::Damaged => {
                "the bytes were changed on their way: look at what is between here and the service"
            }
            Self::Elsewhere => {
                "the service wants to be asked at another address: correct `endpoint` and `region` of the target's config, and the region of its identity"
            }
            Self::Unsupported => {
                "this service cannot do that: see in docs/storage.md what the plugin needs"
            }
            Self::NoSpace => "make room there, or raise the quota",
            Self::Archived => "the object lies in an archive: bring it back there, then try again",
            Self::Locked => "the object is locked until its retention ends",
            Self::OutOfRange => "the object is shorter than what was asked for",
            Self::Other => "see docs/storage.md for what the plugin needs of the service",
        }
    }
}

impl Refusal {
    /// One with nothing but a status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        Self {
            status,
            code: String::new(),
            words: String::new(),
            cause: Cause::of_status(status),
            retry_after: None,
            clocks: None,
        }
    }

    /// Takes the service's own time, by the header `Date` of its answer, into account: a signature
    /// of another time is no lack of a right, and an answer without a body cannot say which it is.
    #[must_use]
    pub fn told_at(mut self, own: u64, service: Option<u64>) -> Self {
        // A service that names another reason means that.
        let is_unsaid = SIGNING_WORDS.iter().any(|word| self.code.contains(word));
        let is_unsaid = is_unsaid || self.code.is_empty();
        let is_about_rights = match self.cause {
            Cause::Clock => true,
            Cause::Denied | Cause::Expired => is_unsaid,
            _ => false,
        };
        let service = service
            .filter(|service| is_about_rights && own.abs_diff(*service) > CLOCKS_APART_SECONDS_MAX);
        if let Some(service) = service {
            self.cause = Cause::Clock;
            self.clocks = Some(Clocks { own, service });
        }
        self
    }

    /// The error of the contract: `https://host refused to WHAT with status 403 (AccessDenied)`.
    #[must_use]
    pub fn error(&self, server: &str, what: &str) -> Error {
        let (class, code, mend) = (self.cause.class(), self.cause.code(), self.cause.mend());
        let status = self.status;
        let mut message = format!("{server} refused to {what} with status {status}");
        if !self.code.is_empty() {
            message.push_str(&format!(" ({})", plain(&self.code)));
        }
        message.push_str(&format!(": {mend}"));
        if let Some(Clocks { own, service }) = self.clocks {
            let [own, service] = [own, service].map(instant::to_rfc3339);
            message.push_str(&format!(
                " (here it is {own}, there {service}): let NTP keep it"
            ));
        }
        if !self.words.is_empty() {
            message.push_str(&format!("; it says {:?}", plain(&self.words)));
        }
        let mut error = Error::new(class, code, message).with_detail("status", status);
        if !self.code.is_empty() {
            error = error.with_detail("service-code", plain(&self.code));
        }
        error.retry_after_seconds = self.retry_after;
        // A service that fails may have done it before.
        if status < 500 && self.status >= 300 {
            error.certainty = Certainty::NotDone;
        }
        error
    }
}

/// One line of it, cut to size.
fn plain(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default();
    let clean = line.chars().filter(|c| !c.is_control());
    let mut text = String::new();
    for c in clean {
        if text.len() + c.len_utf8() > WORDS_BYTES_MAX {
            text.push_str("...");
            break;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_one_sentence_with_class_certainty_and_code() {
        let refusal = Refusal {
            status: 403,
            code: "AccessDenied".to_owned(),
            words: "User is not authorized\nRequestId: 1".to_owned(),
            cause: Cause::Denied,
            retry_after: None,
            clocks: None,
        };
        let error = refusal.error("https://s3", "store c/rp/a");
        assert_eq!(
            error.message,
            "https://s3 refused to store c/rp/a with status 403 (AccessDenied): give the identity of the Target that right, or correct `identity:`; it says \"User is not authorized\""
        );
        assert_eq!(error.class, ErrorClass::Denied);
        assert_eq!(error.certainty, Certainty::NotDone);
        let mut later = Refusal::of_status(503);
        later.retry_after = Some(9);
        let error = later.error("https://s3", "store c/rp/a");
        assert_eq!(
            error.message,
            "https://s3 refused to store c/rp/a with status 503: the service wants to be left alone for a while"
        );
        assert_eq!(
            (error.class, error.certainty, error.retry_after_seconds),
            (ErrorClass::Throttled, Certainty::Unknown, Some(9))
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_before_a_right_that_is_lacking() {
        let refused = |status, service| Refusal::of_status(status).told_at(4_102_444_800, service);
        let error = refused(403, Some(4_102_441_800)).error("https://s3", "tell of c/rp/a");
        assert_eq!(error.code, "clock-differs");
        assert_eq!(
            error.message,
            "https://s3 refused to tell of c/rp/a with status 403: set this node's clock, which is too far from that of the service (here it is 2100-01-01T00:00:00Z, there 2099-12-31T23:10:00Z): let NTP keep it"
        );
        for (status, service) in [(403, None), (403, Some(4_102_444_600)), (404, Some(0))] {
            let refusal = refused(status, service);
            assert_eq!(refusal.cause, Cause::of_status(status));
            assert_eq!(refusal.clocks, None);
        }
        // Services take a signature that is minutes old: a right that they name is what lacks.
        let named = |code: &str| Refusal {
            code: code.to_owned(),
            ..Refusal::of_status(403)
        };
        for (code, cause) in [
            ("AccessDenied", Cause::Denied),
            ("AuthorizationPermissionMismatch", Cause::Denied),
            ("SignatureDoesNotMatch", Cause::Clock),
            ("AuthenticationFailed", Cause::Clock),
        ] {
            let refusal = named(code).told_at(4_102_444_800, Some(4_102_444_400));
            assert_eq!(refusal.cause, cause, "{code}");
        }
    }

    #[test]
    fn a_status_alone_says_enough() {
        for (status, cause, may_pass) in [
            (400, Cause::Other, false),
            (401, Cause::Expired, false),
            (403, Cause::Denied, false),
            (404, Cause::NotFound, false),
            (408, Cause::Failed, true),
            (412, Cause::Exists, false),
            (429, Cause::Throttled, true),
            (500, Cause::Failed, true),
            (501, Cause::Unsupported, false),
            (503, Cause::Throttled, true),
            (504, Cause::Failed, true),
        ] {
            assert_eq!(Cause::of_status(status), cause, "{status}");
            assert_eq!(cause.may_pass(), may_pass, "{status}");
        }
    }

    #[test]
    fn a_200_with_an_error_in_it_may_have_happened() {
        let mut refusal = Refusal::of_status(500);
        refusal.status = 200;
        assert_eq!(refusal.error("a", "b").certainty, Certainty::Unknown);
        refusal.words = "x".repeat(5000);
        assert!(refusal.error("a", "b").message.len() < 500);
    }
}
