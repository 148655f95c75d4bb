//! What the fake is asked, and what it answers.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

/// A request.
pub struct Asked {
    pub method: String,
    /// The names of the path, decoded.
    pub path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub body: Vec<u8>,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn new(parts: &Parts, body: Vec<u8>) -> Self {
        let names = parts.uri.path().split('/').skip(1);
        let query = parts.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self {
            method: parts.method.to_string(),
            path: names.map(decoded).collect(),
            query: pairs
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            headers: parts.headers.clone(),
            body,
        }
    }

    /// A field of the query; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        let mut pairs = self.query.iter();
        let found = pairs.find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether it goes to an upload that was begun.
    pub fn is_chunk(&self) -> bool {
        self.method == "PUT" && !self.field("upload_id").is_empty()
    }
}

impl Reply {
    pub fn json(value: &Value) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: value.to_string().into_bytes(),
        }
    }

    /// As the vendor writes it.
    pub fn error(status: u16, reason: &str, message: &str) -> Self {
        let error = json!({"error": {
            "code": status,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason}],
        }});
        Self {
            status,
            ..Self::json(&error)
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn response(self) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let response = response.body(Body::from(self.body));
        response.expect("the fake's headers are plain")
    }
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let escaped = escaped.and_then(|digits| hex::decode(digits).ok());
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.map_or(*byte, |byte| byte[0]));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
