//! The requests that each plugin sends, by what they are for, and the play that sends them.

use drydock_testkit::fault_proxy::Requests;

/// A request of one plugin's.
pub struct Call {
    pub name: &'static str,
    pub requests: Requests,
    /// What is done for it to be sent.
    pub play: Play,
    /// Whether it carries bytes.
    pub has_body: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// An object in two parts, read back.
    Upload,
    /// A manifest, in one request.
    Commit,
    /// Some objects, listed.
    List,
    /// An object, read.
    Download,
    /// An object, removed.
    Remove,
    /// An upload that was left, found and aborted.
    Sweep,
}

const fn call(name: &'static str, requests: Requests, play: Play) -> Call {
    Call {
        name,
        requests,
        play,
        has_body: false,
    }
}

const fn carrying(call: Call) -> Call {
    Call {
        has_body: true,
        ..call
    }
}

const OF_BUCKET: &[&str] = &[
    "?uploads",
    "?uploadId",
    "?list-type",
    "?versioning",
    "?object-lock",
];

pub const S3: &[Call] = &[
    call(
        "begin",
        Requests::of("POST").with(&["?uploads"]),
        Play::Upload,
    ),
    carrying(call(
        "part",
        Requests::of("PUT").with(&["?partNumber"]),
        Play::Upload,
    )),
    carrying(call(
        "complete",
        Requests::of("POST").with(&["?uploadId"]),
        Play::Upload,
    )),
    call("look", Requests::of("HEAD"), Play::Upload),
    carrying(call(
        "put",
        Requests::of("PUT").without(&["?partNumber"]),
        Play::Commit,
    )),
    call(
        "list",
        Requests::of("GET").with(&["?list-type"]),
        Play::List,
    ),
    call(
        "get",
        Requests::of("GET").without(OF_BUCKET),
        Play::Download,
    ),
    call(
        "delete",
        Requests::of("DELETE").without(&["?uploadId"]),
        Play::Remove,
    ),
    call(
        "list uploads",
        Requests::of("GET").with(&["?uploads"]),
        Play::Sweep,
    ),
    call(
        "abort",
        Requests::of("DELETE").with(&["?uploadId"]),
        Play::Sweep,
    ),
    call(
        "list parts",
        Requests::of("GET").with(&["?uploadId"]),
        Play::Sweep,
    ),
];

pub const AZURE: &[Call] = &[
    carrying(call(
        "block",
        Requests::of("PUT").with(&["?comp=block"]),
        Play::Upload,
    )),
    carrying(call(
        "block list",
        Requests::of("PUT").with(&["?comp=blocklist"]),
        Play::Upload,
    )),
    call("look", Requests::of("HEAD"), Play::Upload),
    carrying(call(
        "put",
        Requests::of("PUT").without(&["?comp"]),
        Play::Commit,
    )),
    call(
        "list",
        Requests::of("GET").with(&["?comp=list"]),
        Play::List,
    ),
    call(
        "get",
        Requests::of("GET").without(&["?comp"]),
        Play::Download,
    ),
    call("delete", Requests::of("DELETE"), Play::Remove),
];

pub const GCS: &[Call] = &[
    carrying(call(
        "begin",
        Requests::of("POST").with(&["?uploadType=resumable"]),
        Play::Upload,
    )),
    carrying(call("bytes", Requests::of("PUT"), Play::Upload)),
    carrying(call(
        "put",
        Requests::of("POST").with(&["?uploadType=multipart"]),
        Play::Commit,
    )),
    call(
        "look",
        Requests::of("GET").with(&["/o/"]).without(&["?alt"]),
        Play::Commit,
    ),
    call("list", Requests::of("GET").with(&["?prefix"]), Play::List),
    call("get", Requests::of("GET").with(&["?alt"]), Play::Download),
    call("delete", Requests::of("DELETE"), Play::Remove),
];
