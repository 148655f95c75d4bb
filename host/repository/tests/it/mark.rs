//! A mark's text and name, written and read back.

use drydock_repository::Sha256;
use drydock_repository::mark::{Mark, MarkName};

use crate::sample;

#[test]
fn the_name_tells_kind_instant_and_digest_and_is_read_back() {
    let mark = sample::mark(&sample::manifest("one"), Sha256::of(b"manifest"));
    let text = mark.to_text().unwrap();
    let name = mark.name(&text);
    let digest = Sha256::of(text.as_bytes()).short();
    assert_eq!(
        name.content_file(),
        format!("mark.drilled.20260103T030405Z.{digest}.json")
    );
    assert_eq!(MarkName::of_content(&name.content_file()), Some(name));
    assert_eq!(Mark::parse(text.as_bytes()).unwrap(), mark);
}

#[test]
fn a_newer_mark_is_refused_by_its_version() {
    let mut mark = sample::mark(&sample::manifest("one"), Sha256::of(b"m"));
    mark.format_version = 2;
    let text = mark.to_text().unwrap();
    assert_eq!(
        Mark::parse(text.as_bytes()).unwrap_err().to_string(),
        "the mark has formatVersion 2 and this version of Drydock reads up to 1: use a newer Drydock"
    );
}
