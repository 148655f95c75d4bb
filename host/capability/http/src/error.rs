//! Why a request failed: a kind for the plugin's own logic, and a fault for people.

use std::error::Error as StdError;

use drydock_core::{ErrorClass, ErrorCode, Fault, without_os_number};
use serde::{Deserialize, Serialize};

use super::grant::AddressClass;

/// Causes that are told; deeper ones repeat themselves.
const CAUSES_MAX: usize = 6;

/// What went wrong, as far as a plugin may act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpErrorKind {
    Denied,
    BadRequest,
    BadUri,
    AddressProhibited,
    NoSuchName,
    Refused,
    ConnectTimeout,
    ResponseTimeout,
    ReadTimeout,
    Certificate,
    Tls,
    Broken,
    HeadersTooLarge,
    BodyTooLarge,
    BodyIncomplete,
    TooManyConnections,
}

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{fault}")]
pub struct HttpError {
    pub kind: HttpErrorKind,
    pub fault: Fault,
}

/// An address that a name led to and that no grant allows.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Prohibited(pub String);

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unresolved(pub String);

impl HttpError {
    pub(super) fn new(kind: HttpErrorKind, fault: Fault) -> Self {
        Self { kind, fault }
    }

    /// For a call in which a plugin has no power.
    #[must_use]
    pub fn no_power() -> Self {
        Self::denied(
            ErrorCode::NotGranted,
            "no request can be sent during this call",
        )
        .unsent()
    }

    pub(super) fn denied(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(HttpErrorKind::Denied, Fault::denied(code, message))
    }

    pub(super) fn prohibited(message: impl Into<String>) -> Self {
        let fault = Fault::denied(ErrorCode::AddressProhibited, message);
        Self::new(HttpErrorKind::AddressProhibited, fault)
    }

    /// Before the request was sent.
    pub(super) fn unsent(self) -> Self {
        Self {
            fault: self.fault.not_done(),
            ..self
        }
    }

    pub(super) fn timeout(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, Fault::transient(ErrorCode::Timeout, message))
    }

    /// What the client says of a request, e.g. `PUT https://a.example:443`, in words that
    /// hold neither path nor query, which may be secret.
    pub(super) fn of(error: &reqwest::Error, what: &str) -> Self {
        let told = Self::told(error, what);
        // Without a connection nothing is sent over it.
        if error.is_connect() {
            return told.unsent();
        }
        told
    }

    fn told(error: &reqwest::Error, what: &str) -> Self {
        let cause = |error| format!("{what} failed: {}", causes(error));
        if let Some(prohibited) = find::<Prohibited>(error) {
            return Self::prohibited(prohibited.to_string());
        }
        if let Some(unresolved) = find::<Unresolved>(error) {
            let fault = Fault::transient(
                ErrorCode::Unreachable,
                format!("{what} failed: {unresolved}"),
            );
            return Self::new(HttpErrorKind::NoSuchName, fault);
        }
        // What was to be sent could not be read, which is no fault of the other side.
        if let Some(fault) = find::<Fault>(error) {
            return Self::new(HttpErrorKind::Broken, fault.clone());
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::of_tls(tls, what);
        }
        let unreachable =
            |kind| Self::new(kind, Fault::transient(ErrorCode::Unreachable, cause(error)));
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self::timeout(HttpErrorKind::ConnectTimeout, cause(error)),
            (true, false) => unreachable(HttpErrorKind::Refused),
            (false, true) => Self::timeout(HttpErrorKind::ResponseTimeout, cause(error)),
            (false, false) => unreachable(HttpErrorKind::Broken),
        }
    }

    fn of_tls(error: &rustls::Error, what: &str) -> Self {
        if let rustls::Error::InvalidCertificate(reason) = error {
            let fault = Fault::permanent(
                ErrorCode::BadCertificate,
                format!(
                    "{what} failed, the server's certificate is not trusted ({reason}): name the authority that issued it by `http: {{caFile: ...}}` of the node's configuration, or mend the server's certificate"
                ),
            );
            return Self::new(HttpErrorKind::Certificate, fault);
        }
        let (class, code, mend) = read_tls(error);
        let fault = Fault::new(class, code, format!("{what} failed: {error}{mend}"));
        Self::new(HttpErrorKind::Tls, fault)
    }
}

impl From<Fault> for HttpError {
    fn from(fault: Fault) -> Self {
        let kind = match fault.class {
            ErrorClass::Denied => HttpErrorKind::Denied,
            _ => HttpErrorKind::BadRequest,
        };
        Self { kind, fault }
    }
}

/// What of a handshake that failed is no use to try again, and what is: class, code, and
/// how to mend it.
fn read_tls(error: &rustls::Error) -> (ErrorClass, ErrorCode, &'static str) {
    use rustls::AlertDescription as A;
    use rustls::Error as E;
    match error {
        E::InvalidMessage(_) => (
            ErrorClass::Permanent,
            ErrorCode::TlsNotSpoken,
            ": the server there speaks no TLS, so correct the address, or write http://",
        ),
        E::NoCertificatesPresented => (
            ErrorClass::Permanent,
            ErrorCode::BadCertificate,
            ": give the server its certificate",
        ),
        E::PeerIncompatible(_) | E::AlertReceived(A::ProtocolVersion | A::HandshakeFailure) => (
            ErrorClass::Permanent,
            ErrorCode::TlsNotCommon,
            ": the server knows no TLS from version 1.2 on that this node speaks too",
        ),
        E::AlertReceived(
            A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::UnknownCA
            | A::AccessDenied,
        ) => (
            ErrorClass::Denied,
            ErrorCode::TlsClientRefused,
            ": the server wants a client certificate, and plugins have none to show",
        ),
        E::AlertReceived(A::UnrecognisedName) => (
            ErrorClass::Permanent,
            ErrorCode::TlsWrongName,
            ": the server there does not know itself by this name, so correct the address",
        ),
        _ => (ErrorClass::Transient, ErrorCode::Unreachable, ""),
    }
}

/// The sentence for an address that lies inside.
pub(super) fn inside(what: &str, class: AddressClass) -> String {
    format!(
        "{what}, a {class} address: add `addresses: [{class}]` to the `http:` grant of this host, if the plugin is to reach it"
    )
}

/// The first error of that type among the causes.
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error keeps what it wraps to itself.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| find(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What is behind an error, without what the client says of its own layers.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(error) = next.filter(|_| causes.len() < CAUSES_MAX) {
        let text = without_os_number(&error.to_string());
        let layer = [
            "client error (Connect)",
            "client error (SendRequest)",
            "error sending request",
        ];
        if !layer.contains(&text.as_str()) && causes.last() != Some(&text) {
            causes.push(text);
        }
        next = error.source();
    }
    if causes.is_empty() {
        "the connection broke".to_owned()
    } else {
        causes.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, InvalidMessage, PeerIncompatible};

    use super::*;

    /// What the next try would meet again is not tried again.
    #[test]
    fn a_handshake_that_fails_for_good_is_told_so() {
        use rustls::Error as E;
        let alert = |alert| E::AlertReceived(alert);
        for (error, class, code) in [
            (
                E::InvalidMessage(InvalidMessage::InvalidContentType),
                ErrorClass::Permanent,
                "tls-not-spoken",
            ),
            (
                E::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                ErrorClass::Permanent,
                "tls-not-common",
            ),
            (
                alert(AlertDescription::HandshakeFailure),
                ErrorClass::Permanent,
                "tls-not-common",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                ErrorClass::Denied,
                "tls-client-refused",
            ),
            (
                alert(AlertDescription::UnrecognisedName),
                ErrorClass::Permanent,
                "tls-wrong-name",
            ),
            (
                alert(AlertDescription::InternalError),
                ErrorClass::Transient,
                "unreachable",
            ),
            (
                E::HandshakeNotComplete,
                ErrorClass::Transient,
                "unreachable",
            ),
        ] {
            let told = HttpError::of_tls(&error, "GET https://a.example:443");
            assert_eq!(told.kind, HttpErrorKind::Tls);
            assert_eq!(
                (told.fault.class, told.fault.code.as_str()),
                (class, code),
                "{error}"
            );
        }
    }
}
