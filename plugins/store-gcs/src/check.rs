//! What the bucket is like and what may be done there; and making it.

use drydock_plugin_sdk::{Error, Finding};
use drydock_store_kit::call::{Body, Call};
use drydock_store_kit::service::Objects as _;
use drydock_store_kit::{Cause, Right, Rights};
use serde::Deserialize;
use serde_json::json;

use crate::Gcs;
use crate::config::Retention;

const FIELDS: &str =
    "versioning,softDeletePolicy,retentionPolicy,objectRetention,location,locationType";

/// What a store needs, and what is lacking without it.
const NEEDED: [(&str, &str); 3] = [
    ("storage.objects.create", "nothing can be stored"),
    ("storage.objects.get", "nothing can be read back"),
    ("storage.objects.list", "objects cannot be listed"),
];

/// What else is told of. Whoever replaces an object needs the right to remove it.
const REMOVE: &str = "storage.objects.delete";
const LOCK: &str = "storage.objects.setRetention";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bucket {
    versioning: Versioning,
    soft_delete_policy: SoftDelete,
    retention_policy: Option<serde_json::Value>,
    object_retention: Option<serde_json::Value>,
    location: String,
    location_type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SoftDelete {
    retention_duration_seconds: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Permissions {
    permissions: Vec<String>,
}

impl Gcs {
    pub fn found(&self) -> Result<Vec<Finding>, Error> {
        self.bucket_is_there()?;
        let mut findings = self.bucket();
        findings.extend(self.rights());
        findings.extend(self.page("", None).err().map(|error| {
            let why = format!("objects cannot be listed: {}", error.message);
            Finding::failure("cannot-list", why)
        }));
        Ok(findings)
    }

    pub fn no_bucket(&self) -> Error {
        Error::permanent(
            "place-missing",
            format!(
                "there is no bucket {}: correct `bucket` of the target's config, or say `create: true` in the Target where it may be made",
                self.config.bucket
            ),
        )
        .not_done()
    }

    fn bucket(&self) -> Vec<Finding> {
        let url = self.bucket_url("", &[("fields", FIELDS)]);
        match self.send(&Call::new("GET", url, "tell of the bucket")) {
            Ok(answer) => {
                let bucket = serde_json::from_slice(&answer.body).unwrap_or_default();
                findings_of(&bucket, self.config.object_retention)
            }
            Err(failure) => vec![unknown(
                "bucket-unknown",
                "what the bucket does with what is removed",
                &failure.into(),
            )],
        }
    }

    /// Anybody may ask what they may.
    fn rights(&self) -> Vec<Finding> {
        let needed = NEEDED.iter().map(|(right, _)| *right);
        let asked = needed.chain([REMOVE, LOCK]);
        let query: Vec<_> = asked.map(|right| ("permissions", right)).collect();
        let url = self.bucket_url("/iam/testPermissions", &query);
        match self.send(&Call::new("GET", url, "tell what may be done")) {
            Ok(answer) => told(&serde_json::from_slice(&answer.body).unwrap_or_default()),
            Err(failure) => vec![unknown(
                "rights-unknown",
                "what may be done there",
                &failure.into(),
            )],
        }
    }

    pub fn make_bucket(&self) -> Result<(), Error> {
        if self.bucket_is_there().is_ok() {
            return Ok(());
        }
        let project = self.config.project.as_deref().ok_or_else(|| {
            Error::bad_configuration(format!(
                "the bucket {} is to be made, and the target's config does not say in which project: add `project: ID`",
                self.config.bucket
            ))
            .not_done()
        })?;
        let mut body = json!({"name": self.config.bucket});
        if let Some(location) = &self.config.location {
            body["location"] = location.as_str().into();
        }
        let mut query = vec![("project", project)];
        if self.config.object_retention.is_some() {
            query.push(("enableObjectRetention", "true"));
        }
        let query = drydock_store_kit::encode::query(&query);
        let url = format!("{}/storage/v1/b{query}", self.endpoint.url());
        let body = body.to_string();
        let what = format!("make the bucket {}", self.config.bucket);
        let call = Call::new("POST", url, what)
            .header("content-type", "application/json")
            .body(Body::Bytes(body.as_bytes()));
        match self.send(&call) {
            Ok(_) => Ok(()),
            // Made by somebody a moment ago; whether by one of ours shows at the first object.
            Err(failure) if failure.is(Cause::Exists) && self.bucket_is_there().is_ok() => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn findings_of(bucket: &Bucket, wanted: Option<Retention>) -> Vec<Finding> {
    let mut findings = vec![Finding::note(
        "place",
        format!(
            "the bucket lies in {} ({})",
            bucket.location, bucket.location_type
        ),
    )];
    if bucket.versioning.enabled {
        findings.push(Finding::note(
            "versions-kept",
            "the bucket keeps versions: what Drydock removes is hidden there and stays until a lifecycle rule for noncurrent versions takes it",
        ));
    }
    let soft = bucket.soft_delete_policy.retention_duration_seconds.parse();
    if let Ok(seconds @ 1..) = soft {
        let days = seconds / 86_400;
        findings.push(Finding::note(
            "soft-delete",
            format!("what is removed there stays for {days} days and is paid for"),
        ));
    }
    if bucket.retention_policy.is_some() {
        findings.push(Finding::note(
            "retention-policy",
            "the bucket has a retention policy: what is younger cannot be removed, nor can recovery points that retention would remove",
        ));
    }
    if wanted.is_some() && bucket.object_retention.is_none() {
        findings.push(Finding::failure(
            "no-object-retention",
            "the target's config says `objectRetention: locked`, and the bucket has no object retention: switch it on there, or leave the key out",
        ));
    }
    findings
}

/// What may be done, and what is lacking.
fn told(granted: &Permissions) -> Vec<Finding> {
    let has = |right: &str| granted.permissions.iter().any(|granted| granted == right);
    let [create, read, list] = NEEDED.map(|(right, _)| Right::of(has(right)));
    let rights = Rights::default()
        .with("create", create)
        .with("read", read)
        .with("list", list)
        .with("delete", Right::of(has(REMOVE)))
        .with("overwrite", Right::of(has(REMOVE)))
        .with("lock", Right::of(has(LOCK)));
    let lacking = NEEDED.iter().filter(|(right, _)| !has(right));
    let lacking = lacking.map(|(right, what)| {
        Finding::failure(
            "right-lacking",
            format!("{what}: give the identity of the Target the permission {right}"),
        )
    });
    std::iter::once(rights.finding()).chain(lacking).collect()
}

/// Who may not ask does not know.
fn unknown(code: &str, what: &str, error: &Error) -> Finding {
    Finding::note(code, format!("{what} is not known: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(findings: &[Finding]) -> Vec<&str> {
        findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect()
    }

    /// As <https://cloud.google.com/storage/docs/json_api/v1/buckets> has them.
    #[test]
    fn a_bucket_is_told_of() {
        let bucket: Bucket = serde_json::from_str(
            r#"{"location":"EU","locationType":"multi-region","versioning":{"enabled":true},"softDeletePolicy":{"retentionDurationSeconds":"604800","effectiveTime":"2026-01-02T03:04:05Z"},"retentionPolicy":{"retentionPeriod":"86400","isLocked":true}}"#,
        )
        .unwrap();
        let found = findings_of(&bucket, Some(Retention::Locked));
        assert_eq!(
            codes(&found),
            [
                "place",
                "versions-kept",
                "soft-delete",
                "retention-policy",
                "no-object-retention"
            ]
        );
        assert_eq!(
            found[2].message,
            "what is removed there stays for 7 days and is paid for"
        );
        let plain: Bucket = serde_json::from_str(
            r#"{"location":"EU","softDeletePolicy":{"retentionDurationSeconds":"0"},"objectRetention":{"mode":"Enabled"}}"#,
        )
        .unwrap();
        assert_eq!(
            codes(&findings_of(&plain, Some(Retention::Locked))),
            ["place"]
        );
    }

    #[test]
    fn a_right_that_lacks_is_named() {
        let some = Permissions {
            permissions: vec![
                "storage.objects.create".to_owned(),
                "storage.objects.list".to_owned(),
            ],
        };
        let told = told(&some);
        assert_eq!(codes(&told), ["rights", "right-lacking"]);
        assert_eq!(
            told[0].message,
            "of the Target's identity: it may create, list; it may not read, delete, overwrite, lock"
        );
        assert!(told[1].message.contains("storage.objects.get"));
    }
}
