//! How S3 says no: a status, and `<Error><Code>..` in the body, also in that of a 200 of
//! CompleteMultipartUpload, which is begun before it is done
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).

use drydock_store_kit::call::Answer;
use drydock_store_kit::{Cause, Refusal, xml};

/// Why an answer is none to go on with.
pub fn judge(answer: &Answer) -> Option<Refusal> {
    let mut refusal = Refusal::of_status(answer.status);
    let error = error_in(answer.text());
    match answer.status {
        200..=299 if error.is_none() => return None,
        // What fails under a 200 failed there.
        200..=299 => refusal.cause = Cause::Failed,
        _ => {}
    }
    if let Some(error) = error {
        refusal.code = error.text_of("Code").unwrap_or_default().to_owned();
        refusal.words = error.text_of("Message").unwrap_or_default().to_owned();
    }
    if let Some(cause) = cause_of(&refusal.code) {
        refusal.cause = cause;
    }
    Some(refusal)
}

/// Answers with other roots are not parsed twice.
fn error_in(text: &str) -> Option<xml::Element> {
    let begins = text.trim_start();
    if !begins.contains("<Error") {
        return None;
    }
    xml::parse(begins).ok().filter(|root| root.name == "Error")
}

/// What a code means beyond its status; none for those whose status says it.
fn cause_of(code: &str) -> Option<Cause> {
    Some(match code {
        "NoSuchBucket" => Cause::PlaceMissing,
        "NoSuchKey" | "NoSuchVersion" => Cause::NotFound,
        "NoSuchUpload" => Cause::Gone,
        "PreconditionFailed" => Cause::Exists,
        "ConditionalRequestConflict" | "OperationAborted" => Cause::Conflict,
        "SlowDown"
        | "RequestRateLimitExceeded"
        | "TooManyRequests"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "BandwidthLimitExceeded" => Cause::Throttled,
        "InternalError" | "RequestTimeout" | "IncompleteBody" => Cause::Failed,
        "ExpiredToken" | "TokenRefreshRequired" => Cause::Expired,
        "RequestTimeTooSkewed" => Cause::Clock,
        "AccessDenied"
        | "AllAccessDisabled"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "AccountProblem"
        | "InvalidSecurity"
        | "KMS.DisabledException"
        | "XMinioInvalidIAMCredentials" => Cause::Denied,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => Cause::Elsewhere,
        "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch"
        | "InvalidDigest" => Cause::Damaged,
        "NotImplemented" | "MethodNotAllowed" => Cause::Unsupported,
        "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => Cause::NoSpace,
        "InvalidObjectState" => Cause::Archived,
        "InvalidRange" => Cause::OutOfRange,
        // Its 409 is no conflict that passes.
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => Cause::Exists,
        "InvalidBucketState" => Cause::Unsupported,
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

    /// Answers as the vendor writes them.
    #[test]
    fn a_refusal_is_read_by_its_code() {
        for (status, code, cause) in [
            (404, "NoSuchBucket", Cause::PlaceMissing),
            (404, "NoSuchKey", Cause::NotFound),
            (404, "NoSuchUpload", Cause::Gone),
            (412, "PreconditionFailed", Cause::Exists),
            (409, "ConditionalRequestConflict", Cause::Conflict),
            (503, "SlowDown", Cause::Throttled),
            // Of Wasabi.
            (400, "RequestRateLimitExceeded", Cause::Throttled),
            (400, "RequestTimeout", Cause::Failed),
            (403, "RequestTimeTooSkewed", Cause::Clock),
            (403, "AccessDenied", Cause::Denied),
            (400, "ExpiredToken", Cause::Expired),
            (301, "PermanentRedirect", Cause::Elsewhere),
            (400, "AuthorizationHeaderMalformed", Cause::Elsewhere),
            (400, "BadDigest", Cause::Damaged),
            (501, "NotImplemented", Cause::Unsupported),
            (403, "InvalidObjectState", Cause::Archived),
            (416, "InvalidRange", Cause::OutOfRange),
            (400, "EntityTooSmall", Cause::Other),
            (500, "InternalError", Cause::Failed),
        ] {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>What it says.</Message><Resource>/mybucket/my&amp;key</Resource><RequestId>4442587FB7D0A2F9</RequestId></Error>"
            );
            let refusal = judge(&answer(status, &body)).unwrap();
            assert_eq!(refusal.cause, cause, "{code}");
            assert_eq!(
                (refusal.code.as_str(), refusal.words.as_str()),
                (code, "What it says.")
            );
        }
    }

    #[test]
    fn an_answer_without_a_body_is_read_by_its_status() {
        for (status, cause) in [
            (301, Cause::Elsewhere),
            (403, Cause::Denied),
            (404, Cause::NotFound),
            (500, Cause::Failed),
        ] {
            assert_eq!(judge(&answer(status, "")).unwrap().cause, cause);
        }
        assert_eq!(judge(&answer(200, "")), None);
        assert_eq!(judge(&answer(204, "")), None);
    }

    #[test]
    fn a_200_may_hold_an_error() {
        let trickled = "\n  \n <?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>";
        let refusal = judge(&answer(200, trickled)).unwrap();
        assert_eq!((refusal.status, refusal.cause), (200, Cause::Failed));
        let done = "\n \n<CompleteMultipartUploadResult><ETag>&quot;x-2&quot;</ETag></CompleteMultipartUploadResult>";
        assert_eq!(judge(&answer(200, done)), None);
        // The word alone is none.
        let page =
            "<ListBucketResult><Contents><Key>a&lt;Error&gt;</Key></Contents></ListBucketResult>";
        assert_eq!(judge(&answer(200, page)), None);
    }
}
