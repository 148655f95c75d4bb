//! What the bucket is like and what may be done there; and making it.

use drydock_plugin_sdk::{Error, Finding, unique_id};
use drydock_store_kit::call::{Call, Failure};
use drydock_store_kit::service::{Objects as _, Uploads as _};
use drydock_store_kit::{Cause, Right, Rights, xml};

use crate::S3;
use crate::object::signed_bytes;

/// Where an upload is begun to see whether one can, and aborted.
const TRIAL: &str = "drydock-check/";

/// The region whose buckets are made without naming it.
const FIRST_REGION: &str = "us-east-1";

impl S3 {
    pub fn found(&self) -> Result<Vec<Finding>, Error> {
        match self.send(&self.head_bucket()) {
            Ok(_) => {}
            Err(failure) if failure.is(Cause::PlaceMissing) || failure.is(Cause::NotFound) => {
                return Err(self.no_bucket());
            }
            // Who may list nothing may not ask this either; what follows says more.
            Err(failure) if failure.is(Cause::Denied) => {}
            Err(failure) => return Err(failure.into()),
        }
        let (versions, listing, writing) = (self.versions(), self.listing(), self.writing());
        let keeps_nothing = versions.code == "no-versions";
        let rights = self.rights(listing.is_none(), writing.is_none(), keeps_nothing);
        let mut findings = vec![rights.finding(), versions];
        findings.extend(self.replication());
        findings.extend(self.lock_finding());
        findings.extend(listing);
        findings.extend(writing);
        Ok(findings)
    }

    /// In a bucket that keeps versions a removal leaves a mark, also of what is not there.
    fn rights(&self, lists: bool, creates: bool, keeps_nothing: bool) -> Rights {
        let object = format!("{TRIAL}{}", unique_id());
        let removes = if keeps_nothing {
            Right::by_absence(&self.send_removal(&object))
        } else {
            Right::Unknown
        };
        // Who may list nothing is told of what is not there that it is forbidden.
        let reads = match Right::by_absence(&self.head(&object)) {
            Right::No if !lists => Right::Unknown,
            reads => reads,
        };
        Rights::default()
            .with("create", Right::of(creates))
            .with("read", reads)
            .with("list", Right::of(lists))
            .with("delete", removes)
            .with("overwrite", Right::Unknown)
            .with("lock", Right::Unknown)
    }

    /// Whether the bucket is copied elsewhere, where the service tells.
    fn replication(&self) -> Option<Finding> {
        let query = [("replication", "")];
        let call = Call::new("GET", self.place.bucket(&query), "tell of its replication");
        let answer = self.send(&call).ok()?;
        let root = xml::parse(answer.text()).unwrap_or_default();
        let rules = root
            .all("Rule")
            .filter(|rule| rule.text_of("Status") == Some("Enabled"));
        let count = rules.count();
        (count > 0).then(|| {
            let message = format!("the bucket is replicated, by {count} rules");
            Finding::note("replicated", message)
        })
    }

    pub fn head_bucket(&self) -> Call<'static> {
        let what = format!("tell of the bucket {}", self.config.bucket);
        Call::new("HEAD", self.place.bucket(&[]), what)
    }

    pub fn no_bucket(&self) -> Error {
        Error::permanent(
            "place-missing",
            format!(
                "there is no bucket {}: correct `bucket` or `endpoint` of the target's config, or say `create: true` in the Target where it may be made",
                self.config.bucket
            ),
        )
        .not_done()
    }

    fn listing(&self) -> Option<Finding> {
        self.page("", None).err().map(|error| {
            Finding::failure(
                "cannot-list",
                format!("objects cannot be listed: {}", error.message),
            )
        })
    }

    /// An upload that is begun and aborted leaves nothing.
    fn writing(&self) -> Option<Finding> {
        let object = format!("{TRIAL}{}", unique_id());
        let begun = self.begin(&object);
        let aborted = match begun {
            Ok(session) => self.abort(&session),
            Err(error) => {
                return Some(Finding::failure(
                    "cannot-write",
                    format!("no upload can be begun: {}", error.message),
                ));
            }
        };
        aborted.err().map(|error| {
            Finding::warning(
                "cannot-abort",
                format!(
                    "an upload cannot be aborted, so that what breaks off is paid for until a lifecycle rule takes it: {}",
                    error.message
                ),
            )
        })
    }

    fn versions(&self) -> Finding {
        let call = Call::new(
            "GET",
            self.place.bucket(&[("versioning", "")]),
            "tell of versions",
        );
        match self.send(&call) {
            Ok(answer) => versioning(answer.text()),
            Err(failure) => unknown(
                "versioning-unknown",
                "whether the bucket keeps versions",
                &failure,
            ),
        }
    }

    /// Where objects are to be locked, the bucket must be able to.
    fn lock_finding(&self) -> Option<Finding> {
        self.config.object_lock?;
        let query = [("object-lock", "")];
        let call = Call::new("GET", self.place.bucket(&query), "tell of the object lock");
        match self.send(&call) {
            Ok(answer) if is_lock_enabled(answer.text()) => None,
            Ok(_) => Some(no_lock()),
            Err(failure) if failure.is(Cause::NotFound) => Some(no_lock()),
            Err(failure) => Some(unknown(
                "lock-unknown",
                "whether the bucket locks objects",
                &failure,
            )),
        }
    }

    /// Makes the bucket where it is not there. Asked before, since a service may answer that it
    /// was made, or that somebody has it, both of a bucket of ours.
    pub fn make_bucket(&self) -> Result<(), Error> {
        match self.send(&self.head_bucket()) {
            Ok(_) => return Ok(()),
            Err(failure) if failure.is(Cause::NotFound) || failure.is(Cause::PlaceMissing) => {}
            Err(failure) => return Err(failure.into()),
        }
        let what = format!("make the bucket {}", self.config.bucket);
        let mut call = Call::new("PUT", self.place.bucket(&[]), what);
        if self.config.object_lock.is_some() {
            call = call.header("x-amz-bucket-object-lock-enabled", "true");
        }
        let body = self.location();
        if !body.is_empty() {
            call = signed_bytes(call, body.as_bytes());
        }
        match self.send(&call) {
            Ok(_) => Ok(()),
            Err(failure) if is_own(&failure) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    fn location(&self) -> String {
        let region = self.config.region.as_deref().unwrap_or(FIRST_REGION);
        if region == FIRST_REGION {
            return String::new();
        }
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    }
}

/// Made by somebody of ours a moment ago.
fn is_own(failure: &Failure) -> bool {
    let code = failure.refusal().map(|refusal| refusal.code.as_str());
    code == Some("BucketAlreadyOwnedByYou")
}

fn versioning(text: &str) -> Finding {
    let root = xml::parse(text).unwrap_or_default();
    match root.text_of("Status") {
        Some("Enabled") => Finding::note(
            "versions-kept",
            "the bucket keeps versions: what Drydock removes is hidden there and stays until a lifecycle rule for noncurrent versions takes it",
        ),
        _ => Finding::note(
            "no-versions",
            "the bucket keeps no versions: what is removed there, by whoever may, is gone",
        ),
    }
}

fn is_lock_enabled(text: &str) -> bool {
    let root = xml::parse(text).unwrap_or_default();
    root.text_of("ObjectLockEnabled") == Some("Enabled")
}

fn no_lock() -> Finding {
    Finding::failure(
        "no-object-lock",
        "the target's config says `objectLock: compliance`, and the bucket has no object lock: switch it on there, or leave the key out",
    )
}

/// Who may not ask does not know.
fn unknown(code: &str, what: &str, failure: &Failure) -> Finding {
    let error = Error::from(failure.clone());
    Finding::note(code, format!("{what} is not known: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_locks_are_read() {
        let enabled = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
        assert_eq!(versioning(enabled).code, "versions-kept");
        for text in [
            "<VersioningConfiguration/>",
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
        ] {
            assert_eq!(versioning(text).code, "no-versions");
        }
        assert!(is_lock_enabled(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
        ));
        assert!(!is_lock_enabled("<ObjectLockConfiguration/>"));
    }
}
