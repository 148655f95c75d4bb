//! How the service says no: a status, and a word in the header `x-ms-error-code`, which is there
//! also in answers without a body
//! (<https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>).

use drydock_store_kit::call::Answer;
use drydock_store_kit::{Cause, Refusal, xml};

/// Why an answer is none to go on with.
pub fn judge(answer: &Answer) -> Option<Refusal> {
    if (200..300).contains(&answer.status) {
        return None;
    }
    let mut refusal = Refusal::of_status(answer.status);
    let body = xml::parse(answer.text()).unwrap_or_default();
    let code = answer.header("x-ms-error-code");
    refusal.code = code.or(body.text_of("Code")).unwrap_or_default().to_owned();
    // The first line says it; the others are numbers for the vendor's support.
    let words = body.text_of("Message").unwrap_or_default();
    refusal.words = words.lines().next().unwrap_or_default().to_owned();
    if let Some(cause) = cause_of(&refusal.code) {
        refusal.cause = cause;
    }
    Some(refusal)
}

/// What a code means beyond its status; none for those whose status says it.
fn cause_of(code: &str) -> Option<Cause> {
    Some(match code {
        "BlobNotFound" | "ResourceNotFound" => Cause::NotFound,
        "ContainerNotFound" => Cause::PlaceMissing,
        "ContainerBeingDeleted" => Cause::Conflict,
        "BlobAlreadyExists"
        | "ConditionNotMet"
        | "UnauthorizedBlobOverwrite"
        | "ContainerAlreadyExists" => Cause::Exists,
        "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold" | "LeaseIdMissing" => {
            Cause::Locked
        }
        "BlobArchived" | "BlobBeingRehydrated" => Cause::Archived,
        "ServerBusy" => Cause::Throttled,
        "OperationTimedOut" | "InternalError" => Cause::Failed,
        "Md5Mismatch" | "Crc64Mismatch" => Cause::Damaged,
        "InvalidBlockList" => Cause::Gone,
        "AuthenticationFailed"
        | "AuthorizationFailure"
        | "AuthorizationPermissionMismatch"
        | "AuthorizationProtocolMismatch"
        | "AuthorizationSourceIPMismatch"
        | "AuthorizationServiceMismatch"
        | "AuthorizationResourceTypeMismatch"
        | "InsufficientAccountPermissions"
        | "NoAuthenticationInformation"
        | "KeyBasedAuthenticationNotPermitted"
        | "PublicAccessNotPermitted"
        | "AccountIsDisabled" => Cause::Denied,
        "InvalidAuthenticationInfo" => Cause::Expired,
        "InvalidRange" => Cause::OutOfRange,
        "FeatureNotSupported" | "FeatureNotYetSupported" => Cause::Unsupported,
        // Its 409 is no conflict that passes.
        "SnapshotsPresent" | "InvalidBlobType" | "ResourceTypeMismatch" => Cause::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as the vendor writes them, with the mark that it puts before XML.
    #[test]
    fn a_refusal_is_read_by_its_header() {
        for (status, code, cause) in [
            (404, "BlobNotFound", Cause::NotFound),
            (404, "ContainerNotFound", Cause::PlaceMissing),
            (409, "ContainerBeingDeleted", Cause::Conflict),
            (409, "BlobAlreadyExists", Cause::Exists),
            (412, "ConditionNotMet", Cause::Exists),
            (409, "BlobImmutableDueToPolicy", Cause::Locked),
            (412, "LeaseIdMissing", Cause::Locked),
            (409, "BlobArchived", Cause::Archived),
            (503, "ServerBusy", Cause::Throttled),
            (500, "OperationTimedOut", Cause::Failed),
            (400, "Md5Mismatch", Cause::Damaged),
            (400, "InvalidBlockList", Cause::Gone),
            (403, "AuthorizationPermissionMismatch", Cause::Denied),
            (401, "NoAuthenticationInformation", Cause::Denied),
            (400, "InvalidAuthenticationInfo", Cause::Expired),
            (416, "InvalidRange", Cause::OutOfRange),
            (409, "SnapshotsPresent", Cause::Other),
            (500, "FeatureNotSupported", Cause::Unsupported),
            (400, "OutOfRangeInput", Cause::Other),
        ] {
            let body = format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>What it says.\nRequestId:4c0d9cf4-801e-0003-1b35\nTime:2026-01-02T03:04:05.0000000Z</Message></Error>"
            );
            let with_body = Answer {
                status,
                headers: Vec::new(),
                body: body.into_bytes(),
            };
            let refusal = judge(&with_body).unwrap();
            assert_eq!(refusal.cause, cause, "{code}");
            assert_eq!(
                (refusal.code.as_str(), refusal.words.as_str()),
                (code, "What it says.")
            );
            let of_head = Answer {
                status,
                headers: vec![("x-ms-error-code".to_owned(), code.to_owned())],
                body: Vec::new(),
            };
            assert_eq!(judge(&of_head).unwrap().cause, cause, "{code}");
        }
    }

    #[test]
    fn what_was_done_is_no_refusal() {
        let created = Answer {
            status: 201,
            headers: Vec::new(),
            body: Vec::new(),
        };
        assert_eq!(judge(&created), None);
    }
}
