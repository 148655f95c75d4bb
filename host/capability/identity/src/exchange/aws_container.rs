//! `containerCredentials`: what containers of ECS and pods of EKS are given
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).

use async_trait::async_trait;
use drydock_capability_http::HostRoute;
use drydock_core::Fault;
use zeroize::Zeroizing;

use super::aws_instance::WrittenKey;
use super::{Asking, CredentialSource, Exchanger, ReadSecret, server_of};
use crate::credential::Fetched;

/// The credentials of the container.
pub struct ContainerCredentials {
    /// Over TLS anywhere, else at the machine's own addresses alone.
    pub endpoint: String,
    /// What the server wants to see.
    pub authorization: Option<ReadSecret>,
    pub region: String,
    pub service: String,
}

#[async_trait]
impl CredentialSource for ContainerCredentials {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let authorization = match &self.authorization {
            Some(read) => Some(exchanger.read_text("tokenFile", read).await?),
            None => None,
        };
        let headers = authorization
            .as_deref()
            .map(|text| ("authorization", text.as_str()));
        let headers: Vec<_> = headers.into_iter().collect();
        let route = if self.endpoint.starts_with("https://") {
            HostRoute::Network
        } else {
            HostRoute::OwnMachine
        };
        let asking = Asking {
            route,
            method: "GET",
            url: &self.endpoint,
            headers: &headers,
            body: Zeroizing::default(),
        };
        let answer = exchanger.ask(asking).await?;
        let server = server_of(&self.endpoint);
        if !answer.status.is_success() {
            let mend = "see that the token in the file is this container's, and that it has a role";
            return Err(exchanger.refusal(&server, &answer, &[], mend));
        }
        let place = (self.region.as_str(), self.service.as_str());
        Exchanger::json::<WrittenKey>(&server, &answer)?.fetched(exchanger, &server, &answer, place)
    }
}
