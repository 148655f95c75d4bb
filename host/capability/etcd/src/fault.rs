//! What a failed call came to. The client's own errors say little ("transport error"):
//! the cause stands in the chain behind them and is read here.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use drydock_core::{ErrorClass, Fault};
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use tonic::Code;

/// Errors behind an error; real chains have about six.
const CHAIN_ERRORS_MAX: usize = 32;

/// What is told of an error that nothing here recognises; a server may answer anything.
const TEXT_CHARACTERS_MAX: usize = 300;

/// What is said of a connection that ended without an answer.
const CUT: &str = "the connection was cut";

/// Class, code, and the rest of the sentence.
type Reading = (ErrorClass, &'static str, String);

/// The fault for `error`, met when Drydock tried to `act` (e.g. `read the status of`) on
/// `endpoint`.
pub(crate) fn of(error: &etcd_client::Error, endpoint: &str, act: &str) -> Fault {
    let (class, code, mut why) = read(error);
    if why.starts_with(CUT) {
        why.push_str(cut_hint(endpoint));
    }
    Fault::new(class, code, format!("cannot {act} {endpoint}: {why}"))
        .with_detail("endpoint", endpoint)
}

/// Whether the connection ended without an answer: one that had been idle for long, or
/// one that was closed before the server's reason arrived. Asking again tells.
pub(crate) fn was_cut(error: &etcd_client::Error) -> bool {
    read(error).2.starts_with(CUT)
}

/// What a server of another protocol does, and one that refuses this client; and also
/// what an etcd does that goes down.
fn cut_hint(endpoint: &str) -> &'static str {
    if endpoint.starts_with("http://") {
        "; if this goes on, check host, port and http:// or https://"
    } else {
        "; if this goes on, look into the member's log: it may refuse the client certificate"
    }
}

pub(crate) fn slow(endpoint: &str, act: &str, limit: Duration) -> Fault {
    Fault::transient(
        "timeout",
        format!("cannot {act} {endpoint}: no answer came within {limit:?}"),
    )
    .with_detail("endpoint", endpoint)
}

pub(crate) fn slow_login(endpoint: &str, limit: Duration) -> Fault {
    Fault::transient(
        "timeout",
        format!(
            "cannot log in at {endpoint}: no answer came within {limit:?}; a log-in with `username:` needs a cluster with quorum, a client certificate does not"
        ),
    )
    .with_detail("endpoint", endpoint)
}

pub(crate) fn broken(endpoint: &str, received: u64, why: &str) -> Fault {
    Fault::transient(
        "stream-broken",
        format!("the snapshot stream of {endpoint} broke off after {received} bytes: {why}"),
    )
    .with_detail("endpoint", endpoint)
}

pub(crate) fn bad_files(endpoint: &str, what: &str, mend: &str) -> Fault {
    Fault::denied(
        "tls-bad-files",
        format!(
            "cannot connect to {endpoint}: {what}: {mend} under `etcd:` of the Cluster document"
        ),
    )
    .with_detail("endpoint", endpoint)
}

/// The deepest cause that is recognised decides: TLS, then the operating system, then
/// what the server itself answered.
fn read(error: &etcd_client::Error) -> Reading {
    let chain = chain(error);
    let tls = find::<TlsError>(&chain)
        .map(read_tls)
        .or_else(|| told_alert(&chain).map(read_alert));
    let system = || find_io(&chain).and_then(read_io);
    let status = || find::<tonic::Status>(&chain).and_then(read_status);
    tls.or_else(system)
        .or_else(status)
        .unwrap_or_else(|| unknown(error, &chain))
}

/// The errors behind `error`, outermost first. `etcd_client::Error` names no source, and
/// an `io::Error` hides the error that it carries behind that error's own source.
fn chain(error: &etcd_client::Error) -> Vec<&(dyn StdError + 'static)> {
    let first: Option<&(dyn StdError + 'static)> = match error {
        etcd_client::Error::TransportError(error) => Some(error),
        etcd_client::Error::GRpcStatus(status) => Some(status),
        etcd_client::Error::IoError(error) => Some(error),
        _ => None,
    };
    std::iter::successors(first, |error| behind(*error))
        .take(CHAIN_ERRORS_MAX)
        .collect()
}

fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

fn find<'a, E: StdError + 'static>(chain: &[&'a (dyn StdError + 'static)]) -> Option<&'a E> {
    chain.iter().rev().find_map(|error| error.downcast_ref())
}

fn find_io<'a>(chain: &[&'a (dyn StdError + 'static)]) -> Option<&'a io::Error> {
    find(chain)
}

/// An alert of which only the text is left: one that comes after the handshake, as
/// TLS 1.3 sends those about client certificates, loses its type on the way through the
/// HTTP/2 library.
fn told_alert(chain: &[&(dyn StdError + 'static)]) -> Option<AlertDescription> {
    use AlertDescription as A;
    let known = [
        A::CertificateRequired,
        A::BadCertificate,
        A::CertificateExpired,
        A::CertificateRevoked,
        A::CertificateUnknown,
        A::UnknownCA,
        A::AccessDenied,
        A::UnsupportedCertificate,
    ];
    let told = |alert: &AlertDescription| {
        let words = TlsError::AlertReceived(*alert).to_string();
        chain.iter().any(|error| error.to_string().contains(&words))
    };
    known.into_iter().find(told)
}

fn read_tls(error: &TlsError) -> Reading {
    let denied = |code, why: &str| (ErrorClass::Denied, code, why.to_owned());
    match error {
        TlsError::InvalidCertificate(error) => read_certificate(error),
        TlsError::AlertReceived(alert) => read_alert(*alert),
        TlsError::InvalidMessage(_) => (
            ErrorClass::Permanent,
            "tls-not-spoken",
            "the server does not speak TLS: use an http:// endpoint or mend the server".to_owned(),
        ),
        TlsError::InconsistentKeys(_) => denied(
            "tls-bad-files",
            "`key:` is not the private key of `certificate:`",
        ),
        TlsError::NoCertificatesPresented => {
            denied("tls-untrusted", "the server showed no certificate")
        }
        other => (
            ErrorClass::Transient,
            "tls-failed",
            format!("the TLS handshake failed: {other}"),
        ),
    }
}

fn read_certificate(error: &CertificateError) -> Reading {
    use CertificateError as E;
    let (code, why) = match error {
        E::Expired | E::ExpiredContext { .. } => (
            "tls-expired",
            "the server's certificate has expired: renew it (and check this node's clock)".to_owned(),
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => (
            "tls-expired",
            "the server's certificate is not valid yet: check this node's clock".to_owned(),
        ),
        E::UnknownIssuer | E::BadSignature => (
            "tls-untrusted",
            "the server's certificate was not issued by the configured `ca:`: is it another cluster's?".to_owned(),
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            "tls-wrong-name",
            "the server's certificate does not name this host: use an endpoint that it names".to_owned(),
        ),
        other => ("tls-untrusted", format!("the server's certificate is not acceptable: {other}")),
    };
    (ErrorClass::Denied, code, why)
}

/// An alert comes from the server: it did not like what this side showed.
fn read_alert(alert: AlertDescription) -> Reading {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => (
            ErrorClass::Denied,
            "tls-client-refused",
            "the server wants a client certificate: set `certificate:` and `key:` under `etcd:` of the Cluster document".to_owned(),
        ),
        A::BadCertificate
        | A::CertificateExpired
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::UnsupportedCertificate => (
            ErrorClass::Denied,
            "tls-client-refused",
            format!("the server refused the client certificate ({alert:?}): is it expired, or another cluster's?"),
        ),
        other => (
            ErrorClass::Transient,
            "tls-failed",
            format!("the server ended the TLS handshake ({other:?})"),
        ),
    }
}

/// None for an I/O error that only carries another error, or says nothing of its own.
fn read_io(error: &io::Error) -> Option<Reading> {
    use io::ErrorKind as K;
    let unreachable = |why: String| Some((ErrorClass::Transient, "unreachable", why));
    if error.to_string().contains("tls handshake eof") {
        return Some((
            ErrorClass::Transient,
            "tls-failed",
            "the server cut the connection during the TLS handshake: it may not speak TLS (then use http://) or be going down".to_owned(),
        ));
    }
    match error.kind() {
        K::ConnectionRefused => {
            unreachable("nothing listens there (connection refused)".to_owned())
        }
        K::HostUnreachable | K::NetworkUnreachable => {
            unreachable(format!("no way leads there ({error})"))
        }
        K::ConnectionReset
        | K::ConnectionAborted
        | K::BrokenPipe
        | K::UnexpectedEof
        | K::NotConnected => unreachable(format!("{CUT} ({error})")),
        K::TimedOut => Some((
            ErrorClass::Transient,
            "timeout",
            "no connection within the time limit".to_owned(),
        )),
        _ if error.to_string().contains("lookup address") => {
            unreachable(format!("its host name cannot be resolved ({error})"))
        }
        _ => error
            .raw_os_error()
            .and_then(|_| unreachable(error.to_string())),
    }
}

/// The server's own answer. etcd's words are those of its `rpctypes` package.
fn read_status(status: &tonic::Status) -> Option<Reading> {
    let said = plain(status.message());
    read_log_in(status.code(), &said)
        .or_else(|| read_code(status.code(), &said))
        .or_else(|| read_words(&said))
}

fn read_log_in(code: Code, said: &str) -> Option<Reading> {
    const WORDS: [&str; 4] = [
        "user name is empty",
        "invalid auth token",
        "invalid user ID or password",
        "authentication is not enabled",
    ];
    if code != Code::Unauthenticated && !says(said, &WORDS) {
        return None;
    }
    let why =
        format!("the cluster wants another log-in ({said}): check `username:` and `password:`");
    Some((ErrorClass::Denied, "unauthenticated", why))
}

fn read_code(code: Code, said: &str) -> Option<Reading> {
    use ErrorClass::{Denied, Permanent, Transient};
    let (class, word, why) = match code {
        Code::PermissionDenied => (
            Denied,
            "permission-denied",
            format!(
                "the cluster does not allow it to this user ({said}): a snapshot needs the role root"
            ),
        ),
        Code::Unimplemented => (
            Permanent,
            "not-etcd",
            "a server answers there that is no etcd".to_owned(),
        ),
        Code::OutOfRange if says(said, &["compacted"]) => (
            Permanent,
            "compacted",
            "the revision has been compacted".to_owned(),
        ),
        Code::OutOfRange if says(said, &["future"]) => (
            Transient,
            "future-revision",
            "the member has not reached the revision yet".to_owned(),
        ),
        Code::Cancelled => (Transient, "unreachable", format!("{CUT} ({said})")),
        Code::DataLoss => (
            Permanent,
            "corrupt",
            format!("the member reports damage ({said})"),
        ),
        Code::DeadlineExceeded => (
            Transient,
            "timeout",
            "the member gave up waiting".to_owned(),
        ),
        _ => return None,
    };
    Some((class, word, why))
}

fn read_words(said: &str) -> Option<Reading> {
    const OTHER_PROTOCOL: [&str; 4] = [
        "grpc-status header missing",
        "invalid compression flag",
        "protocol error",
        "http2 error",
    ];
    let (class, code, why) = if says(said, &["no leader"]) {
        (
            ErrorClass::Transient,
            "no-leader",
            "the cluster has no leader",
        )
    } else if says(said, &["timed out"]) {
        (
            ErrorClass::Transient,
            "timeout",
            "the member gave up waiting",
        )
    } else if says(said, &OTHER_PROTOCOL) {
        (
            ErrorClass::Permanent,
            "not-etcd",
            "a server answers there that does not speak etcd's protocol: check host, port and http:// or https://",
        )
    } else {
        return None;
    };
    Some((class, code, why.to_owned()))
}

fn says(said: &str, words: &[&str]) -> bool {
    words.iter().any(|word| said.contains(word))
}

fn unknown(error: &etcd_client::Error, chain: &[&(dyn StdError + 'static)]) -> Reading {
    let mut words: Vec<String> = chain
        .iter()
        .map(|error| plain(&error.to_string()))
        .collect();
    words.dedup();
    if words.is_empty() {
        words.push(plain(&error.to_string()));
    }
    let class = match error {
        etcd_client::Error::InvalidUri(_) | etcd_client::Error::InvalidArgs(_) => {
            ErrorClass::Permanent
        }
        _ => ErrorClass::Transient,
    };
    (class, "unreachable", words.join(": "))
}

/// Text from a server, fit for a log.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_certificate_is_read_by_what_is_wrong_with_it() {
        let table = [
            (CertificateError::Expired, "tls-expired", "renew it"),
            (CertificateError::NotValidYet, "tls-expired", "clock"),
            (CertificateError::UnknownIssuer, "tls-untrusted", "`ca:`"),
            (
                CertificateError::NotValidForName,
                "tls-wrong-name",
                "does not name this host",
            ),
            (CertificateError::Revoked, "tls-untrusted", "not acceptable"),
        ];
        for (error, code, words) in table {
            let (class, found, why) = read_tls(&TlsError::InvalidCertificate(error));
            assert_eq!((class, found), (ErrorClass::Denied, code));
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_etcd_answers_is_read_by_its_words() {
        let table = [
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                "compacted",
            ),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
                "future-revision",
            ),
            (Code::Unavailable, "etcdserver: no leader", "no-leader"),
            (
                Code::Unavailable,
                "etcdserver: request timed out",
                "timeout",
            ),
            (Code::DataLoss, "etcdserver: corrupt cluster", "corrupt"),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                "permission-denied",
            ),
            (
                Code::Unauthenticated,
                "etcdserver: invalid auth token",
                "unauthenticated",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                "unauthenticated",
            ),
            (
                Code::Unimplemented,
                "unknown service etcdserverpb.Maintenance",
                "not-etcd",
            ),
        ];
        for (code, words, expected) in table {
            let status = tonic::Status::new(code, words);
            let fault = of(&etcd_client::Error::GRpcStatus(status), "http://a", "ask");
            assert_eq!(fault.code, expected, "{words}");
        }
    }

    #[test]
    fn an_unknown_answer_is_told_without_control_characters() {
        let status = tonic::Status::new(Code::Unknown, "strange\u{1b}[31m\n");
        let fault = of(&etcd_client::Error::GRpcStatus(status), "http://a", "ask");
        assert!(fault.message.contains("strange"), "{}", fault.message);
        assert!(
            !fault.message.contains(char::is_control),
            "{}",
            fault.message
        );
    }
}
