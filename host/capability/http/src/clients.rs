//! The clients that send, one for all connections that may be shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Once, PoisonError};

use drydock_core::{ErrorCode, Fault};
use reqwest::{Certificate, Client, Proxy, redirect, retry};

use super::backend::{HttpConfig, RESPONSE_HEADERS_BYTES_MAX};
use super::error::{HttpError, HttpErrorKind};
use super::grant::AddressClass;
use super::names::{Allowed, Filtered};

/// Connections that are kept for the next request to a host.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// Headers of a response.
const RESPONSE_HEADERS_MAX: usize = 200;

/// What connections have in common: they are never shared across it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    Direct(BTreeSet<AddressClass>),
    Proxy(String),
    /// To the machine's own services, for the host alone.
    OwnMachine,
}

/// Clients by their routes.
pub(super) struct Clients {
    config: Arc<HttpConfig>,
    clients: Mutex<BTreeMap<Route, Client>>,
}

impl Clients {
    pub fn new(config: Arc<HttpConfig>) -> Self {
        Self {
            config,
            clients: Mutex::default(),
        }
    }

    /// The client for a route, made when it is first asked for.
    pub fn get(&self, route: &Route) -> Result<Client, HttpError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(route) {
            return Ok(client.clone());
        }
        let client = self.config.client(route).map_err(|error| {
            // What the client says of a proxy may hold its password.
            tracing::debug!(error = %error.without_url(), "no client");
            let fault = Fault::permanent(
                ErrorCode::BadConfiguration,
                "no request can be sent: mend `http: {caFile: ..., proxy: ...}` of the node's configuration; without a caFile the system must have certificates of authorities",
            );
            HttpError::new(HttpErrorKind::Broken, fault)
        })?;
        clients.insert(route.clone(), client.clone());
        Ok(client)
    }
}

impl HttpConfig {
    fn client(&self, route: &Route) -> reqwest::Result<Client> {
        // Somebody else may have set the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.waits.connect)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .http2_max_header_list_size(RESPONSE_HEADERS_BYTES_MAX as u32);
        if let Some(pem) = &self.ca_pem {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        }
        let allowed = match route {
            Route::Direct(allowed) => Allowed::Classes(allowed.clone()),
            Route::OwnMachine => Allowed::OwnMachine,
            Route::Proxy(url) => {
                say_once_what_a_proxy_hides();
                builder = builder.proxy(Proxy::all(url)?);
                Allowed::Everything
            }
        };
        let names = Arc::clone(&self.names);
        builder
            .dns_resolver(Arc::new(Filtered { names, allowed }))
            .build()
    }
}

fn say_once_what_a_proxy_hides() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "requests of plugins leave through a proxy: their hosts are held against the grants by name, and the addresses behind the names, which only the proxy sees, are not"
        );
    });
}
