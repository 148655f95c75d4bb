//! Bodies and ranges as the interface has them.

use serde_json::Value;

/// Metadata and bytes of a body of two parts (RFC 2387).
pub fn related(content_type: &str, body: &[u8]) -> Option<(Value, Vec<u8>)> {
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let mark = format!("--{boundary}");
    let metadata = after_head(body, mark.as_bytes())?;
    let end = find(metadata, format!("\r\n{mark}").as_bytes())?;
    let value = serde_json::from_slice(&metadata[..end]).ok()?;
    let bytes = after_head(&metadata[end + 2..], mark.as_bytes())?;
    // The last mark is searched from the end: the bytes may hold anything.
    let tail = format!("\r\n{mark}--");
    let end = bytes.len().checked_sub(tail.len() + 2)?;
    (bytes[end..].starts_with(tail.as_bytes())).then(|| (value, bytes[..end].to_vec()))
}

/// What stands behind a mark and the head of a part.
fn after_head<'b>(body: &'b [u8], mark: &[u8]) -> Option<&'b [u8]> {
    let rest = body.strip_prefix(mark)?;
    let head = find(rest, b"\r\n\r\n")?;
    Some(&rest[head + 4..])
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// `bytes=5-9`, of so many bytes: from, and up to without.
pub fn range(header: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last: usize = last.parse().ok()?;
    (first < size && first <= last).then(|| (first, size.min(last.saturating_add(1))))
}

/// `bytes 0-9/10`, `bytes 0-9/*`, `bytes */10`, `bytes */*`.
pub struct Extent {
    /// Where the bytes begin; none where there are none.
    pub first: Option<usize>,
    pub total: Option<usize>,
}

pub fn extent(header: &str) -> Option<Extent> {
    let (bytes, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let first = match bytes {
        "*" => None,
        bytes => Some(bytes.split_once('-')?.0.parse().ok()?),
    };
    Some(Extent { first, total })
}
