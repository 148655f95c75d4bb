//! What an identity has to do with requests: it completes them, right before they are sent.
//!
//! This module knows no kind of identity. Whoever has one is told of a request as it will be
//! sent and says what is to be added; of the answer it sees the head.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use drydock_capability_secret::Redactor;
use drydock_core::{Fault, Host, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use zeroize::Zeroizing;

/// Completes requests to its own servers.
#[async_trait]
pub trait RequestIdentity: Send + Sync {
    /// Whether it completes requests to this server. A request to any other goes as it is.
    fn is_for(&self, server: &Server) -> bool;

    /// What is to be added to a request. Whatever secret is added, `redactor` knows it
    /// beforehand.
    ///
    /// # Errors
    /// Why there is no credential, or why the request cannot be completed. Nothing was sent.
    async fn complete(&self, draft: Draft<'_>, redactor: &Redactor) -> Result<Completion, Fault>;

    /// Hears how a request that it completed was answered; what an operator is to know of that,
    /// if anything.
    fn answered(&self, status: StatusCode, headers: &HeaderMap) -> Option<String>;
}

/// An identity as one attempt uses it.
#[derive(Clone)]
pub struct UsedIdentity {
    pub identity: Arc<dyn RequestIdentity>,
    /// Takes what an operator is to know. Must not block.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
}

/// A request as it will be sent, but for what its identity adds.
#[derive(Debug)]
pub struct Draft<'a> {
    pub method: &'a Method,
    pub server: Server,
    /// Path and query.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// Length of the body; none where it is not known before it was sent.
    pub body_bytes: Option<u64>,
}

/// What is added to a request.
#[derive(Default)]
pub struct Completion {
    /// Each takes the place of all others of its name.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Put at the end of the query as it stands.
    pub query: Option<Zeroizing<String>>,
}

impl Server {
    /// As the header `Host` has it: the port is there where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { scheme, host, port } = self;
        if *port == scheme.default_port() {
            host.to_string()
        } else {
            format!("{host}:{port}")
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

/// Names, never values.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Completion")
            .field("headers", &names)
            .field("query", &self.query.is_some())
            .finish()
    }
}
