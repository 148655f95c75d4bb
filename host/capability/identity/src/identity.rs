//! An identity: its servers, and the credential that requests to them are completed with.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use drydock_capability_http::HostClient;
use drydock_capability_http::identity::{Completion, Draft, RequestIdentity, Server};
use drydock_capability_secret::Redactor;
use drydock_core::{Clock, Endpoint, Fault};
use http::{HeaderMap, StatusCode};

use crate::answer::skew;
use crate::cache::Cache;
use crate::exchange::{CredentialSource, Exchanger};
use crate::sign;

/// The kind of an identity, as its key in the document, e.g. `webIdentity`.
pub type KindWord = &'static str;

/// What an identity is made of.
pub struct IdentityParts {
    /// Whose it is, for sentences, e.g. `target offsite`.
    pub subject: String,
    pub kind: KindWord,
    /// The only servers whose requests it completes.
    pub servers: Vec<Endpoint>,
    pub source: Box<dyn CredentialSource>,
    pub client: Arc<HostClient>,
    pub clock: Arc<dyn Clock>,
}

/// Completes requests to its own servers. One lives as long as what it belongs to, so that
/// all requests share its credential.
pub struct Identity {
    subject: String,
    kind: KindWord,
    servers: Vec<Endpoint>,
    cache: Cache,
    clock: Arc<dyn Clock>,
}

impl Identity {
    #[must_use]
    pub fn new(parts: IdentityParts) -> Self {
        let exchanger = Exchanger::new(parts.client, Arc::clone(&parts.clock));
        Self {
            subject: parts.subject,
            kind: parts.kind,
            servers: parts.servers,
            cache: Cache::new(parts.source, exchanger),
            clock: parts.clock,
        }
    }

    #[must_use]
    pub fn kind(&self) -> KindWord {
        self.kind
    }

    fn named(&self, fault: Fault) -> Fault {
        let message = format!(
            "the identity {} of {} has no credential: {}",
            self.kind, self.subject, fault.message
        );
        Fault { message, ..fault }
    }
}

#[async_trait]
impl RequestIdentity for Identity {
    fn is_for(&self, server: &Server) -> bool {
        self.servers.iter().any(|own| {
            own.scheme == server.scheme && own.port == server.port && own.host.matches(&server.host)
        })
    }

    async fn complete(&self, draft: Draft<'_>, redactor: &Redactor) -> Result<Completion, Fault> {
        let credential = self.cache.get().await.map_err(|fault| self.named(fault))?;
        for (name, secret) in credential.secrets() {
            redactor.add(name, secret.expose());
        }
        sign::completion(&credential, &draft, self.clock.now())
    }

    fn answered(&self, status: StatusCode, headers: &HeaderMap) -> Option<String> {
        if !matches!(status.as_u16(), 400 | 401 | 403) {
            return None;
        }
        let skew = skew(headers, self.clock.now());
        if skew.is_none() {
            self.cache.suspect();
        }
        let (kind, subject) = (self.kind, &self.subject);
        skew.map(|skew| {
            format!(
                "a server refuses the identity {kind} of {subject} with {}: {skew}",
                status.as_u16()
            )
        })
    }
}

/// Kind and servers.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("subject", &self.subject)
            .field("kind", &self.kind)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
