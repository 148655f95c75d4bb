//! Where credentials come from, a file a kind, and what all of them use.

mod aws_container;
mod aws_instance;
mod aws_static;
mod aws_web_identity;
mod azure_account;
mod azure_managed;
mod azure_principal;
mod google;
mod google_account;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_http::{HostAnswer, HostClient, HostRoute};
use drydock_capability_secret::Redactor;
use drydock_core::{Clock, ErrorCode, Fault, Secret, UnixTime};
use http::{Request, header};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::answer;
use crate::credential::{Credential, Fetched};
use crate::words;

pub use aws_container::ContainerCredentials;
pub use aws_instance::InstanceRole;
pub use aws_static::AccessKey;
pub use aws_web_identity::WebIdentity;
pub use azure_account::{AccountKey, Sas};
pub use azure_managed::{ManagedIdentity, ManagedIdentityChoice};
pub use azure_principal::{PrincipalProof, ServicePrincipal};
pub use google::{Federation, WorkloadIdentity};
pub use google_account::ServiceAccountKey;

/// Reads a secret at its place. May block.
pub type ReadSecret = Arc<dyn Fn() -> Result<Secret, Fault> + Send + Sync>;

/// Hands out credentials of one kind.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// A new credential. What it is made of is read anew each time, since files rotate.
    ///
    /// # Errors
    /// Why there is none; whether to try again is the fault's class.
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault>;
}

/// Asks servers and files for what credentials are made of, and knows what must not be told.
pub struct Exchanger {
    client: Arc<HostClient>,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
}

/// A request to a token endpoint.
pub(crate) struct Asking<'a> {
    pub route: HostRoute,
    pub method: &'static str,
    pub url: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Zeroizing<String>,
}

impl Exchanger {
    pub(crate) fn new(client: Arc<HostClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            redactor: Redactor::default(),
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// A secret, read where files may be read.
    pub(crate) async fn read(&self, name: &str, read: &ReadSecret) -> Result<Secret, Fault> {
        let value = self.read_plain(read).await?;
        self.redactor.add(name, value.expose());
        Ok(value)
    }

    /// The same for what stands in such a place and is no secret.
    pub(crate) async fn read_plain(&self, read: &ReadSecret) -> Result<Secret, Fault> {
        let read = Arc::clone(read);
        let value = tokio::task::spawn_blocking(move || read()).await;
        value.unwrap_or_else(|_| {
            Err(Fault::transient(
                ErrorCode::Interrupted,
                "reading was cut off",
            ))
        })
    }

    /// The same as one line of text, such as a token in a file.
    pub(crate) async fn read_text(
        &self,
        name: &str,
        read: &ReadSecret,
    ) -> Result<Zeroizing<String>, Fault> {
        let value = self.read(name, read).await?;
        let text = value
            .expose_text()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| {
            let why = format!("the identity's {name} is empty or no UTF-8 text");
            Fault::permanent(ErrorCode::BadSecret, why)
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Sends a form.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<HostAnswer, Fault> {
        self.ask(Asking {
            route: HostRoute::Network,
            method: "POST",
            url,
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: Zeroizing::new(words::form(fields)),
        })
        .await
    }

    /// Asks a service of the machine.
    pub(crate) async fn get_own(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<HostAnswer, Fault> {
        self.ask(Asking {
            route: HostRoute::OwnMachine,
            method: "GET",
            url,
            headers,
            body: Zeroizing::default(),
        })
        .await
    }

    pub(crate) async fn ask(&self, asking: Asking<'_>) -> Result<HostAnswer, Fault> {
        let mut request = Request::builder()
            .method(asking.method)
            .uri(asking.url)
            .header(header::ACCEPT, "*/*");
        for (name, value) in asking.headers {
            request = request.header(*name, *value);
        }
        let body = Zeroizing::new(asking.body.as_bytes().to_vec());
        let request = request.body(body).map_err(|_| {
            Fault::permanent(
                ErrorCode::BadUrl,
                "a URL of the identity, or what goes into a header of its request, is none: correct the document",
            )
        })?;
        self.client.exchange(asking.route, request).await
    }

    /// The answer's JSON.
    pub(crate) fn json<T: DeserializeOwned>(server: &str, answer: &HostAnswer) -> Result<T, Fault> {
        serde_json::from_slice(&answer.body).map_err(|_| {
            let why = format!("{server} answers with no credential that is one");
            Fault::permanent(ErrorCode::BadAnswer, why)
        })
    }

    /// The fault of an answer that is no credential.
    pub(crate) fn refusal(
        &self,
        server: &str,
        answer: &HostAnswer,
        codes: &[String],
        mend: &str,
    ) -> Fault {
        answer::refusal(server, answer, codes, mend, self.now())
    }

    /// How long something lives that ends at an instant by the server's clock.
    pub(crate) fn until(&self, end: UnixTime, answer: &HostAnswer) -> Duration {
        let now = answer::date(&answer.headers).unwrap_or_else(|| self.now());
        Duration::from_secs(u64::try_from(end.0 - now.0).unwrap_or(0))
    }

    /// From now on a credential's secrets are taken out of every sentence.
    pub(crate) fn know(&self, credential: &Credential) {
        for (name, secret) in credential.secrets() {
            self.redactor.add(name, secret.expose());
        }
    }

    /// The fault without any secret that was read or handed out.
    pub(crate) fn told(&self, fault: Fault) -> Fault {
        let message = self.redactor.text(&fault.message);
        Fault { message, ..fault }
    }
}

/// Scheme, host and port of a URL, for sentences.
pub(crate) fn server_of(url: &str) -> String {
    let uri = url.parse::<http::Uri>().ok();
    let server = uri.and_then(|uri| Some(format!("{}://{}", uri.scheme()?, uri.authority()?)));
    server.unwrap_or_else(|| "the identity's endpoint".to_owned())
}
