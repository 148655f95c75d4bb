//! A fake of AWS STS, as far as `AssumeRoleWithWebIdentity` goes.
//!
//! Kept: an unsigned POST form of version 2011-06-15, the rules of its fields, XML answers and
//! the codes of refusals. What it hands out is the key of a user who is known elsewhere, so
//! that a server behind it takes the signatures, with a session token that differs each time.
//! Not kept: policies, other actions.

use std::sync::{Mutex, PoisonError};

use super::{Asked, Behaviour, Levers, Reply, now};
use crate::instant;
use crate::versitygw::User;

/// The role that is handed out.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/drydock-backups";

/// Takes these tokens, and hands out this user's key.
pub struct Sts {
    user: User,
    tokens: Mutex<Vec<String>>,
}

impl Sts {
    #[must_use]
    pub fn new(user: User, tokens: &[&str]) -> Self {
        Self {
            user,
            tokens: Mutex::new(tokens.iter().map(ToString::to_string).collect()),
        }
    }

    fn judge(&self, asked: &Asked) -> Result<(), (u16, &'static str, &'static str)> {
        let is = |name: &str, value: &str| asked.field(name).as_deref() == Some(value);
        if asked.method != "POST" || !asked.is_form() || !asked.query.is_empty() {
            return Err((400, "InvalidParameterValue", "The request is no form."));
        }
        if !is("Action", "AssumeRoleWithWebIdentity") || !is("Version", "2011-06-15") {
            return Err((400, "InvalidAction", "Could not find operation."));
        }
        let session = asked.field("RoleSessionName").unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
        if !(2..=64).contains(&session.len()) || !session.chars().all(fits) {
            return Err((400, "ValidationError", "The session's name is not valid."));
        }
        let seconds = asked.field("DurationSeconds");
        let seconds = seconds.map_or(Some(3600), |seconds| seconds.parse().ok());
        if !seconds.is_some_and(|seconds: u64| (900..=43_200).contains(&seconds)) {
            return Err((400, "ValidationError", "The duration is not valid."));
        }
        if !is("RoleArn", ROLE) {
            return Err((
                403,
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            ));
        }
        let token = asked.field("WebIdentityToken").unwrap_or_default();
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.contains(&token) {
            return Ok(());
        }
        Err((
            400,
            "ExpiredTokenException",
            "The web identity token has expired.",
        ))
    }
}

impl Behaviour for Sts {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        if let Err((status, code, words)) = self.judge(asked) {
            return Reply::xml(
                status,
                format!(
                    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>{words}</Message>\n  </Error>\n  <RequestId>fake</RequestId>\n</ErrorResponse>"
                ),
            );
        }
        let end = now().saturating_add_unsigned(levers.lifetime());
        Reply::xml(
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n <AssumeRoleWithWebIdentityResult>\n  <SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken>\n  <Credentials>\n   <AccessKeyId>{}</AccessKeyId>\n   <SecretAccessKey>{}</SecretAccessKey>\n   <SessionToken>{}</SessionToken>\n   <Expiration>{}</Expiration>\n  </Credentials>\n </AssumeRoleWithWebIdentityResult>\n</AssumeRoleWithWebIdentityResponse>",
                self.user.id,
                self.user.secret,
                session_token(levers),
                instant::rfc3339(end)
            ),
        )
    }
}

/// As AWS has them: base64, with what URLs would escape.
pub(super) fn session_token(levers: &Levers) -> String {
    format!(
        "IQoJb3JpZ2luX2VjEFAKE+session/{:08}+token/0123456789==",
        levers.next()
    )
}
