//! What the fake keeps, and how that changes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::body;
use super::request::{Asked, Reply};

/// Chunks but the last are multiples of this.
const UNIT_BYTES: usize = 256 * 1024;

/// Entries of a page where nothing is said.
const PAGE_ENTRIES: usize = 1000;

pub struct Buckets {
    scheme: &'static str,
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: BTreeMap<String, Upload>,
    begun: usize,
}

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    retention: Option<Value>,
}

struct Upload {
    bucket: String,
    name: String,
    bytes: Vec<u8>,
    /// The object, once it is made.
    made: Option<Value>,
}

impl Buckets {
    pub fn new(names: &[&str], scheme: &'static str) -> Self {
        let buckets = names
            .iter()
            .map(|name| ((*name).to_owned(), BTreeMap::new()));
        Self {
            scheme,
            buckets: buckets.collect(),
            uploads: BTreeMap::new(),
            begun: 0,
        }
    }

    pub fn forget_uploads(&mut self) {
        self.uploads.clear();
    }

    pub fn answer(&mut self, asked: &Asked, is_halved: bool) -> Reply {
        let names: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (asked.method.as_str(), names.as_slice()) {
            ("PUT", ["upload", ..]) => self.chunk(asked, is_halved),
            ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) => self.upload(bucket, asked),
            ("POST", ["storage", "v1", "b"]) => self.make(asked),
            ("GET", ["storage", "v1", "b", bucket]) => self.bucket(bucket),
            ("GET", ["storage", "v1", "b", bucket, "o"]) => self.list(bucket, asked),
            (method, ["storage", "v1", "b", bucket, "o", name]) => {
                self.object(method, bucket, name, asked)
            }
            _ => Reply::error(404, "notFound", "Not Found"),
        }
    }

    fn make(&mut self, asked: &Asked) -> Reply {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let name = body["name"].as_str().unwrap_or_default();
        if asked.field("project").is_empty() {
            return Reply::error(400, "required", "Required parameter: project");
        }
        if self.buckets.contains_key(name) {
            return Reply::error(409, "conflict", "You already own this bucket.");
        }
        self.buckets.insert(name.to_owned(), BTreeMap::new());
        Reply::json(&json!({"kind": "storage#bucket", "name": name}))
    }

    fn bucket(&self, bucket: &str) -> Reply {
        if !self.buckets.contains_key(bucket) {
            return no_bucket();
        }
        Reply::json(&json!({
            "kind": "storage#bucket", "name": bucket, "location": "EU",
            "locationType": "multi-region", "objectRetention": {"mode": "Enabled"},
            "softDeletePolicy": {"retentionDurationSeconds": "604800"},
        }))
    }

    fn list(&self, bucket: &str, asked: &Asked) -> Reply {
        let Some(objects) = self.buckets.get(bucket) else {
            return no_bucket();
        };
        let (prefix, token) = (asked.field("prefix"), asked.field("pageToken"));
        let most = asked.field("maxResults").parse().unwrap_or(PAGE_ENTRIES);
        let names = objects.iter().filter(|(name, _)| name.starts_with(prefix));
        let mut rest = names.filter(|(name, _)| name.as_str() >= token).peekable();
        let mut items = Vec::new();
        while items.len() < most.min(PAGE_ENTRIES)
            && let Some((name, object)) = rest.next()
        {
            items.push(object.resource(name));
        }
        let mut page = json!({"kind": "storage#objects"});
        if !items.is_empty() {
            page["items"] = items.into();
        }
        if let Some((next, _)) = rest.peek() {
            page["nextPageToken"] = next.as_str().into();
        }
        Reply::json(&page)
    }

    fn object(&mut self, method: &str, bucket: &str, name: &str, asked: &Asked) -> Reply {
        let Some(objects) = self.buckets.get_mut(bucket) else {
            return no_bucket();
        };
        let Some(object) = objects.get_mut(name) else {
            let message = format!("No such object: {bucket}/{name}");
            return Reply::error(404, "notFound", &message);
        };
        match method {
            "GET" if asked.field("alt") == "media" => media(object, asked.header("range")),
            "GET" => Reply::json(&object.resource(name)),
            "PATCH" => {
                let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                object.retention = body.get("retention").cloned();
                Reply::json(&object.resource(name))
            }
            "DELETE" if object.retention.is_some() => {
                Reply::error(403, "retentionPolicyNotMet", "The object is locked.")
            }
            "DELETE" => {
                objects.remove(name);
                Reply::empty(204)
            }
            _ => Reply::error(405, "methodNotAllowed", "Method Not Allowed"),
        }
    }

    /// An object in one request, or the beginning of an upload.
    fn upload(&mut self, bucket: &str, asked: &Asked) -> Reply {
        let name = asked.field("name");
        if !self.buckets.contains_key(bucket) {
            return no_bucket();
        }
        if asked.field("uploadType") == "resumable" {
            return self.begin(bucket, name, asked.header("host"));
        }
        let Some((metadata, bytes)) = body::related(asked.header("content-type"), &asked.body)
        else {
            return Reply::error(400, "badRequest", "The body is not two parts.");
        };
        if self.has(bucket, name) && asked.field("ifGenerationMatch") == "0" {
            return not_met();
        }
        let object = Object {
            bytes,
            retention: metadata.get("retention").cloned(),
        };
        let announced = metadata["crc32c"].as_str();
        self.made(bucket, name, object, announced)
    }

    /// The upload is where the client found the service.
    fn begin(&mut self, bucket: &str, name: &str, host: &str) -> Reply {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        let upload = Upload {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            bytes: Vec::new(),
            made: None,
        };
        let uri = format!(
            "{}://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}",
            self.scheme
        );
        self.uploads.insert(id, upload);
        Reply::empty(200).header("location", uri)
    }

    fn chunk(&mut self, asked: &Asked, is_halved: bool) -> Reply {
        let id = asked.field("upload_id");
        let Some(upload) = self.uploads.get_mut(id) else {
            return Reply::error(404, "notFound", "Not Found");
        };
        if let Some(made) = &upload.made {
            return Reply::json(made);
        }
        let Some(extent) = body::extent(asked.header("content-range")) else {
            return Reply::error(400, "badRequest", "Invalid Content-Range");
        };
        if let Err(reply) = upload.take(&asked.body, &extent, is_halved) {
            return reply;
        }
        if extent.total != Some(upload.bytes.len()) {
            return upload.progress();
        }
        let (bucket, name) = (upload.bucket.clone(), upload.name.clone());
        let object = Object {
            bytes: upload.bytes.clone(),
            retention: None,
        };
        if self.has(&bucket, &name) {
            return not_met();
        }
        let hash = asked.header("x-goog-hash").strip_prefix("crc32c=");
        let reply = self.made(&bucket, &name, object, hash);
        if reply.status == 200
            && let Some(upload) = self.uploads.get_mut(id)
        {
            upload.made = serde_json::from_slice(&reply.body).ok();
        }
        reply
    }

    fn has(&self, bucket: &str, name: &str) -> bool {
        let objects = self.buckets.get(bucket);
        objects.is_some_and(|objects| objects.contains_key(name))
    }

    fn made(&mut self, bucket: &str, name: &str, object: Object, announced: Option<&str>) -> Reply {
        if announced.is_some_and(|announced| announced != object.crc32c()) {
            return Reply::error(
                400,
                "invalid",
                "Provided CRC32C doesn't match calculated CRC32C.",
            );
        }
        let reply = Reply::json(&object.resource(name));
        let objects = self.buckets.entry(bucket.to_owned()).or_default();
        objects.insert(name.to_owned(), object);
        reply
    }
}

impl Upload {
    /// Keeps what is new of a chunk.
    fn take(&mut self, bytes: &[u8], extent: &body::Extent, is_halved: bool) -> Result<(), Reply> {
        let Some(first) = extent.first else {
            return Ok(());
        };
        let is_end = extent.total == Some(first + bytes.len());
        if !is_end && !bytes.len().is_multiple_of(UNIT_BYTES) {
            return Err(Reply::error(
                400,
                "invalid",
                "A chunk is no multiple of 256 KiB.",
            ));
        }
        let known = self.bytes.len();
        if first > known {
            return Err(Reply::error(
                503,
                "backendError",
                "A chunk begins behind what was kept.",
            ));
        }
        let mut end = bytes.len();
        if is_halved {
            end = end / 2 / UNIT_BYTES * UNIT_BYTES;
        }
        if known - first < end {
            self.bytes.extend_from_slice(&bytes[known - first..end]);
        }
        Ok(())
    }

    fn progress(&self) -> Reply {
        let reply = Reply::empty(308);
        match self.bytes.len().checked_sub(1) {
            Some(last) => reply.header("range", format!("bytes=0-{last}")),
            None => reply,
        }
    }
}

impl Object {
    fn crc32c(&self) -> String {
        STANDARD.encode(crc32c::crc32c(&self.bytes).to_be_bytes())
    }

    fn resource(&self, name: &str) -> Value {
        let mut resource = json!({
            "kind": "storage#object",
            "name": name,
            "size": self.bytes.len().to_string(),
            "crc32c": self.crc32c(),
        });
        if let Some(retention) = &self.retention {
            resource["retention"] = retention.clone();
        }
        resource
    }
}

fn media(object: &Object, range: &str) -> Reply {
    let size = object.bytes.len();
    if range.is_empty() {
        return Reply {
            body: object.bytes.clone(),
            ..Reply::empty(200)
        };
    }
    let Some((first, end)) = body::range(range, size) else {
        let message = "The requested range cannot be satisfied.";
        return Reply::error(416, "requestedRangeNotSatisfiable", message);
    };
    let reply = Reply {
        body: object.bytes[first..end].to_vec(),
        ..Reply::empty(206)
    };
    reply.header("content-range", format!("bytes {first}-{}/{size}", end - 1))
}

fn no_bucket() -> Reply {
    Reply::error(404, "notFound", "The specified bucket does not exist.")
}

fn not_met() -> Reply {
    let message = "At least one of the pre-conditions you specified did not hold.";
    Reply::error(412, "conditionNotMet", message)
}
