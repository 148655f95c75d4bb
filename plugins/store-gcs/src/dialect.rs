//! How the service says no: a status, and JSON with a reason
//! (<https://cloud.google.com/storage/docs/json_api/v1/status-codes>); some answers are plain
//! text.

use drydock_store_kit::call::Answer;
use drydock_store_kit::{Cause, Refusal};
use serde::Deserialize;

/// Goes on: bytes of an upload were taken, and it is not at its end.
pub const RESUME: u16 = 308;

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Told,
}

#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Default, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

/// Why an answer is none to go on with.
pub fn judge(answer: &Answer) -> Option<Refusal> {
    if (200..300).contains(&answer.status) {
        return None;
    }
    let mut refusal = Refusal::of_status(answer.status);
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    refusal.words = body.error.message;
    let reason = body.error.errors.into_iter().next().unwrap_or_default();
    refusal.code = reason.reason;
    if let Some(cause) = cause_of(&refusal.code) {
        refusal.cause = cause;
    }
    Some(refusal)
}

/// The same for the URI of an upload, whose 308 is no redirect. What it says is not told on: the
/// URI is a password.
pub fn judge_upload(answer: &Answer) -> Option<Refusal> {
    if answer.status == RESUME {
        return None;
    }
    let mut refusal = judge(answer)?;
    refusal.words = String::new();
    if matches!(answer.status, 404 | 410) {
        refusal.cause = Cause::Gone;
    }
    Some(refusal)
}

/// What a reason means beyond its status; none for those whose status says it.
fn cause_of(reason: &str) -> Option<Cause> {
    Some(match reason {
        "notFound" => Cause::NotFound,
        "conditionNotMet" => Cause::Exists,
        // Its 409 is no conflict that passes: a bucket of that name is there.
        "conflict" => Cause::Exists,
        "rateLimitExceeded" | "userRateLimitExceeded" => Cause::Throttled,
        "backendError" | "internalError" | "uploadBrokenConnection" => Cause::Failed,
        "authError" => Cause::Expired,
        "required"
        | "forbidden"
        | "insufficientPermissions"
        | "accountDisabled"
        | "userProjectAccessDenied" => Cause::Denied,
        "retentionPolicyNotMet" | "objectUnderActiveHold" => Cause::Locked,
        "quotaExceeded" => Cause::NoSpace,
        "requestedRangeNotSatisfiable" => Cause::OutOfRange,
        "notImplemented" => Cause::Unsupported,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn json(status: u16, reason: &str) -> Answer {
        let body = format!(
            r#"{{"error":{{"code":{status},"message":"What it says.","errors":[{{"message":"What it says.","domain":"global","reason":"{reason}","locationType":"header","location":"If-Match"}}]}}}}"#
        );
        answer(status, &body)
    }

    /// Answers as the vendor writes them.
    #[test]
    fn a_refusal_is_read_by_its_reason() {
        for (status, reason, cause) in [
            (404, "notFound", Cause::NotFound),
            (412, "conditionNotMet", Cause::Exists),
            (409, "conflict", Cause::Exists),
            (403, "forbidden", Cause::Denied),
            (403, "rateLimitExceeded", Cause::Throttled),
            (403, "retentionPolicyNotMet", Cause::Locked),
            (401, "authError", Cause::Expired),
            (429, "rateLimitExceeded", Cause::Throttled),
            (503, "backendError", Cause::Failed),
            (400, "invalid", Cause::Other),
        ] {
            let refusal = judge(&json(status, reason)).unwrap();
            assert_eq!(refusal.cause, cause, "{reason}");
            assert_eq!(
                (refusal.code.as_str(), refusal.words.as_str()),
                (reason, "What it says.")
            );
        }
        let plain = judge(&answer(503, "Service Unavailable")).unwrap();
        assert_eq!((plain.cause, plain.words.as_str()), (Cause::Throttled, ""));
        assert_eq!(judge(&answer(200, "{}")), None);
    }

    #[test]
    fn an_upload_goes_on_at_308_and_tells_nothing_of_its_uri() {
        assert_eq!(judge_upload(&answer(308, "")), None);
        assert_eq!(judge(&answer(308, "")).unwrap().cause, Cause::Elsewhere);
        for status in [404, 410] {
            let refusal = judge_upload(&json(status, "notFound")).unwrap();
            assert_eq!((refusal.cause, refusal.words.as_str()), (Cause::Gone, ""));
        }
        let exists = judge_upload(&json(412, "conditionNotMet")).unwrap();
        assert_eq!(exists.cause, Cause::Exists);
    }
}
