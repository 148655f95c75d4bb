//! A fake of the server at which containers of ECS and pods of EKS get credentials.
//!
//! Kept: a GET with the header `Authorization`, whose value is the content of a file, answered
//! in JSON with a key of a user who is known elsewhere. Not kept: associations of pods.

use serde_json::json;

use super::sts::session_token;
use super::{Asked, Behaviour, Levers, Reply, now};
use crate::instant;
use crate::versitygw::User;

/// Takes this word for authorization, where it wants one.
pub struct ContainerCredentials {
    pub user: User,
    pub authorization: Option<String>,
}

impl Behaviour for ContainerCredentials {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        if asked.method != "GET" || asked.path != "/v1/credentials" {
            return Reply::text(404, "Not Found");
        }
        let wanted = self.authorization.as_deref().unwrap_or_default();
        if asked.header("authorization") != wanted {
            return Reply::json(
                401,
                &json!({"code": "AccessDenied", "message": "the token is not valid"}),
            );
        }
        let end = now().saturating_add_unsigned(levers.lifetime());
        Reply::json(
            200,
            &json!({
                "AccessKeyId": self.user.id,
                "SecretAccessKey": self.user.secret,
                "Token": session_token(levers),
                "Expiration": instant::rfc3339(end),
            }),
        )
    }
}
