//! One client for each endpoint, made when it is first needed. A client of several
//! endpoints would answer from any of them; here the caller says which member to ask.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use drydock_core::{ErrorCode, Fault};
use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};

use crate::certificates::{self, Part, Unsound};
use crate::config::EtcdConfig;
use crate::fault::{self, WHERE};
use crate::probe;

/// The cluster's configuration and its clients.
pub(crate) struct Connections {
    pub config: EtcdConfig,
    /// Id of the member that a snapshot was last asked of; 0 before the first.
    pub snapshot_member: AtomicU64,
    clients: Mutex<HashMap<String, Lent>>,
    next: AtomicU64,
}

/// A client, and which one it is: one that was replaced is not replaced again.
#[derive(Clone)]
pub(crate) struct Lent {
    pub client: Client,
    number: u64,
}

impl Connections {
    pub fn new(config: EtcdConfig) -> Self {
        Self {
            config,
            snapshot_member: AtomicU64::new(0),
            clients: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Whether a user logs in, so that a log-in can have run out.
    pub fn logs_in(&self) -> bool {
        self.config.username.is_some() && self.config.password.is_some()
    }

    /// Lets go of a client whose log-in counts no more, unless another call did so already:
    /// the next call logs in anew.
    pub fn forget(&self, endpoint: &str, lent: &Lent) {
        let mut clients = self.lock();
        if clients
            .get(endpoint)
            .is_some_and(|held| held.number == lent.number)
        {
            clients.remove(endpoint);
        }
    }

    /// The client for `endpoint`, which must be a configured one. Connects only when a
    /// user has to log in; otherwise the first call does.
    pub async fn client(&self, endpoint: &str) -> Result<Lent, Fault> {
        self.require_configured(endpoint)?;
        if let Some(lent) = self.lock().get(endpoint) {
            return Ok(lent.clone());
        }
        let lent = Lent {
            client: self.connect(endpoint).await?,
            number: self.next.fetch_add(1, Ordering::Relaxed),
        };
        self.lock().insert(endpoint.to_owned(), lent.clone());
        Ok(lent)
    }

    /// A cluster that knows no log-in is asked without one, as etcdctl does it.
    async fn connect(&self, endpoint: &str) -> Result<Client, Fault> {
        let mut connected = self.connect_as(endpoint, self.logs_in()).await?;
        if connected.as_ref().is_err_and(fault::knows_no_log_in) {
            connected = self.connect_as(endpoint, false).await?;
        }
        match connected {
            Ok(client) => Ok(client),
            Err(error) => Err(self.fault(&error, endpoint, "log in at").await),
        }
    }

    async fn connect_as(
        &self,
        endpoint: &str,
        user: bool,
    ) -> Result<Result<Client, etcd_client::Error>, Fault> {
        let options = self.options(endpoint, user)?;
        let connecting = Client::connect([endpoint], Some(options));
        tokio::time::timeout(self.config.timeouts.request, connecting)
            .await
            .map_err(|_| fault::slow_login(endpoint, self.config.timeouts.request))
    }

    /// The fault for a call that failed. Where the error itself says too little, the
    /// endpoint is looked at once more.
    pub async fn fault(&self, error: &etcd_client::Error, endpoint: &str, act: &str) -> Fault {
        let found = if fault::is_vague(error) {
            self.look(endpoint).await
        } else {
            None
        };
        fault::explained(error, found.as_ref(), endpoint, act)
    }

    async fn look(&self, endpoint: &str) -> Option<probe::Found> {
        let (endpoint, config) = (endpoint.to_owned(), self.config.clone());
        let looking = tokio::task::spawn_blocking(move || probe::look(&endpoint, &config));
        looking.await.ok().flatten()
    }

    fn options(&self, endpoint: &str, user: bool) -> Result<ConnectOptions, Fault> {
        let config = &self.config;
        let mut options = ConnectOptions::new().with_connect_timeout(config.timeouts.connect);
        if endpoint.starts_with("https://") {
            options = options.with_tls(self.tls(endpoint)?);
        }
        if let (true, Some(name), Some(password)) = (user, &config.username, &config.password) {
            options = options.with_user(name, password);
        }
        Ok(options)
    }

    fn tls(&self, endpoint: &str) -> Result<TlsOptions, Fault> {
        let bad = |what: &str| fault::bad_files(endpoint, format!("{what} {WHERE}"));
        let config = &self.config;
        let Some(ca) = &config.ca else {
            return Err(bad("no certificate authority is configured: set `ca:`"));
        };
        let pair = match (&config.certificate, &config.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.as_slice(), key.as_slice())),
            (Some(_), None) => return Err(bad("`certificate:` is set without `key:`: set both")),
            (None, Some(_)) => return Err(bad("`key:` is set without `certificate:`: set both")),
        };
        certificates::read(Some(ca), pair).map_err(|Unsound { part, why }| {
            let key = match part {
                Part::Authorities => "ca",
                Part::Certificate => "certificate",
                Part::Key => "key",
            };
            let why = format!("`{key}:` {WHERE} comes from a place that {why}");
            fault::bad_files(endpoint, why)
        })?;
        let tls = TlsOptions::new().ca_certificate(Certificate::from_pem(ca));
        Ok(match pair {
            Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
            None => tls,
        })
    }

    fn require_configured(&self, endpoint: &str) -> Result<(), Fault> {
        if self.config.endpoints.iter().any(|known| known == endpoint) {
            return Ok(());
        }
        let shown: String = endpoint.chars().take(200).collect();
        Err(Fault::denied(
            ErrorCode::UnknownEndpoint,
            format!(
                "{shown:?} is not an endpoint of this cluster: add it to `etcd: {{endpoints: [...]}}` of the Cluster document, if it shall be one"
            ),
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lent>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
