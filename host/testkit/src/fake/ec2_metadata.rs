//! A fake of the metadata service of AWS's virtual machines, version 2.
//!
//! Kept: `PUT /latest/api/token` with a life in seconds, without which nothing is answered; the
//! list of roles and the credentials of one, in JSON, with a key of a user who is known
//! elsewhere. Not kept: version 1, the limit of hops, other paths.

use serde_json::json;

use super::sts::session_token;
use super::{Asked, Behaviour, Levers, Reply, now};
use crate::instant;
use crate::versitygw::User;

/// The role of the machine.
pub const ROLE: &str = "drydock-node";

const SESSION: &str = "fake-imds-session-0123456789==";

const FOLDER: &str = "/latest/meta-data/iam/security-credentials/";

/// A machine that has a role, or none.
pub struct Ec2Metadata {
    pub user: User,
    pub has_role: bool,
}

impl Behaviour for Ec2Metadata {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        if asked.is("PUT", "/latest/api/token") {
            let seconds = asked.header("x-aws-ec2-metadata-token-ttl-seconds").parse();
            return match seconds {
                Ok(1..=21_600_u32) => Reply::text(200, SESSION),
                _ => Reply::text(400, "Bad Request"),
            };
        }
        if asked.method != "GET" || asked.header("x-aws-ec2-metadata-token") != SESSION {
            return Reply::text(401, "Unauthorized");
        }
        match asked.path.strip_prefix(FOLDER) {
            Some("") if self.has_role => Reply::text(200, ROLE),
            Some(ROLE) if self.has_role => Reply::json(200, &credentials(self.user, levers)),
            _ => Reply::text(404, "Not Found"),
        }
    }
}

fn credentials(user: User, levers: &Levers) -> serde_json::Value {
    let end = now().saturating_add_unsigned(levers.lifetime());
    json!({
        "Code": "Success",
        "LastUpdated": instant::rfc3339(now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": user.id,
        "SecretAccessKey": user.secret,
        "Token": session_token(levers),
        "Expiration": instant::rfc3339(end),
    })
}
