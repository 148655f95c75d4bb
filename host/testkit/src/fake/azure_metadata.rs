//! A fake of the metadata service of Azure's virtual machines, as far as it hands out tokens
//! of managed identities.
//!
//! Kept: `GET /metadata/identity/oauth2/token` with `api-version=2018-02-01`, `resource` and
//! the header `Metadata: true`; a request with `X-Forwarded-For` is refused; an identity is
//! chosen by `client_id`, `object_id` or `msi_res_id`, and one that is not assigned is refused
//! with 400; numbers are texts. Not kept: 404 and 410 while it starts, throttling.

use serde_json::json;

use super::entra::{CLIENT, access_token};
use super::{Asked, Behaviour, Levers, Reply, now};

/// A machine with one user-assigned identity, [`CLIENT`].
pub struct AzureMetadata;

impl Behaviour for AzureMetadata {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        if !asked.is("GET", "/metadata/identity/oauth2/token") {
            return Reply::text(404, "Not found");
        }
        let refused = |words: &str| {
            Reply::json(
                400,
                &json!({"error": "invalid_request", "error_description": words}),
            )
        };
        if asked.header("metadata") != "true" || !asked.header("x-forwarded-for").is_empty() {
            return refused("Required metadata header not specified");
        }
        if asked.parameter("api-version").as_deref() != Some("2018-02-01") {
            return refused("Invalid api-version");
        }
        let Some(resource) = asked.parameter("resource") else {
            return refused("The required parameter resource is missing");
        };
        let chosen = ["client_id", "object_id", "msi_res_id"].map(|name| asked.parameter(name));
        if chosen.into_iter().flatten().any(|id| id != CLIENT) {
            return refused("Identity not found");
        }
        let end = now().saturating_add_unsigned(levers.lifetime());
        Reply::json(
            200,
            &json!({
                "access_token": access_token(&resource, levers),
                "client_id": CLIENT,
                "expires_in": levers.lifetime().to_string(),
                "expires_on": end.to_string(),
                "not_before": now().to_string(),
                "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }
}
