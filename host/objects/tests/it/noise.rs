//! Damaged values: each is decoded or refused, and none panics.

use drydock_objects::stored::{StoredError, decode};
use drydock_objects::table::Table;
use drydock_testkit::random::Random;

use crate::corpus::objects;

/// Damaged copies of each object.
const COPIES: usize = 60;

#[test]
fn a_damaged_object_is_refused_or_read() {
    let mut random = Random::new(6);
    let (mut read, mut refused) = (0, 0);
    for (_, stored, _) in objects() {
        for _ in 0..COPIES {
            match decode(&damaged(&stored, &mut random)) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().contains('\n'));
                    refused += 1;
                }
            }
        }
    }
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

fn damaged(stored: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = stored.to_vec();
    for _ in 0..=random.below(4) {
        let at = 4 + random.below(bytes.len() - 4);
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at.max(5)),
            _ => {
                let piece = bytes[4..at].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn what_is_no_object_is_said_to_be_so() {
    let told = |value: &[u8]| decode(value).unwrap_err().to_string();
    assert_eq!(
        told(b"k8s\0\x0a\x0d\x0a\x04x/v1\x12\x05Thing"),
        "it is a x/v1 Thing, a kind that this version does not know: take its bytes with `-o raw`"
    );
    assert_eq!(
        told(b"1"),
        "it is not what an API server stores: take its bytes with `-o raw`"
    );
    assert_eq!(
        told(b"\xd9\xd9\xf7\xa0"),
        "it is stored as CBOR, which this version does not read: take its bytes with `-o raw`"
    );
    assert!(matches!(decode(b"{"), Err(StoredError::Json(_))));
    assert!(matches!(
        decode(b"k8s\0\x0a\x7f"),
        Err(StoredError::Envelope(_))
    ));
    assert_eq!(
        told(b"k8s:enc:aescbc:v1:a:"),
        "it is encrypted with the key a of aescbc: give the cluster's EncryptionConfiguration with --encryption-config"
    );
    assert_eq!(
        told(b"k8s:enc:kms:v2:vault:xx"),
        "it is encrypted by the key service vault (kms v2), which only the cluster's API server can ask"
    );
}

/// A schema inside a schema inside a schema, deeper than anybody writes one.
#[test]
fn an_object_that_is_too_deep_is_refused() {
    let mut message = Vec::new();
    // Field 28 of JSONSchemaProps is `not`.
    for _ in 0..2000 {
        message = field(28, &message);
    }
    // openAPIV3Schema, schema, versions, spec.
    for number in [1, 4, 7, 2] {
        message = field(number, &message);
    }
    let kind = Table::get().kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let error = drydock_objects::decode::decode(kind.unwrap(), &message).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it has more than 200 messages inside each other"
    );
}

/// What is beyond a limit of ours is not called damaged.
#[test]
fn an_object_that_is_too_deep_to_be_shown_may_be_sound() {
    let mut message = Vec::new();
    for _ in 0..2000 {
        message = field(28, &message);
    }
    for number in [1, 4, 7, 2] {
        message = field(number, &message);
    }
    let names = [
        field(1, b"apiextensions.k8s.io/v1"),
        field(2, b"CustomResourceDefinition"),
    ];
    let stored = [
        &b"k8s\0"[..],
        &field(1, &names.concat()),
        &field(2, &message),
    ];
    let error = decode(&stored.concat()).unwrap_err();
    assert!(matches!(error, StoredError::Limit { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "this apiextensions.k8s.io/v1 CustomResourceDefinition may be sound, and goes beyond what this version shows: take its bytes with `-o raw`"
    );
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    decode(nested(127).as_bytes()).unwrap();
    let deep = decode(nested(128).as_bytes());
    assert!(matches!(deep, Err(StoredError::JsonDeep)), "{deep:?}");
    // A text is no level, whatever stands in it.
    let text = format!("{{\"a\":\"\\\"{}", "{".repeat(500));
    let cut = decode(text.as_bytes());
    assert!(matches!(cut, Err(StoredError::Json(_))), "{cut:?}");
}

/// A field with a length in front.
fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    for mut length in [number << 3 | 2, bytes.len()] {
        while length >= 0x80 {
            field.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
    }
    field.extend(bytes);
    field
}
