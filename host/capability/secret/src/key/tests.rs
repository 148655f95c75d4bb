//! Chains against the vendors' own examples, and what a chain refuses.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use super::*;

fn hmac_key(value: &[u8], change: impl FnOnce(&mut SignUse)) -> Key {
    let mut sign = SignUse {
        algorithm: Algorithm::HmacSha256,
        encoding: None,
        host_prefix: None,
        derivations: 0,
        message_prefix: Vec::new(),
    };
    change(&mut sign);
    Key::new("k", sign, value).unwrap()
}

/// The key of AWS's documentation, as an operator would grant it.
fn aws() -> Key {
    hmac_key(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", |sign| {
        sign.host_prefix = Some("AWS4".to_owned());
        sign.derivations = 4;
        sign.message_prefix = vec!["AWS4-HMAC-SHA256\n".to_owned()];
    })
}

fn derived(key: &Key, steps: &[&str]) -> Key {
    let first = key.clone();
    steps
        .iter()
        .fold(first, |key, step| key.derive(step.as_bytes()).unwrap())
}

/// "Signature calculations for the Authorization header", Amazon S3 API reference, the
/// example "GET Object".
#[test]
fn s3_get_object_has_the_signature_of_the_reference() {
    let canonical = "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let hash = hex::encode(Sha256::digest(canonical));
    assert_eq!(
        hash,
        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    );
    let text =
        format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{hash}");
    let key = derived(&aws(), &["20130524", "us-east-1", "s3", "aws4_request"]);
    assert_eq!(
        hex::encode(key.sign(text.as_bytes()).unwrap()),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}

/// RFC 4231, test cases 1 and 2: what Azure's SharedKey does with the account's key, whose
/// text is base64. The vendor publishes the string to sign and no signature over it.
#[test]
fn a_key_in_base64_signs_as_the_rfc_says() {
    let table = [
        (
            vec![0x0b; 20],
            "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe".to_vec(),
            "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ];
    for (key, message, expected) in table {
        let text = format!("{}\n", STANDARD.encode(key));
        let key = hmac_key(text.as_bytes(), |sign| {
            sign.encoding = Some(Encoding::Base64);
        });
        assert_eq!(hex::encode(key.sign(message.as_bytes()).unwrap()), expected);
    }
}

#[test]
fn a_chain_is_signed_with_at_its_last_step_only() {
    let all = ["20130524", "us-east-1", "s3", "aws4_request"];
    let message = b"AWS4-HMAC-SHA256\nx";
    for count in 0..4 {
        let fault = derived(&aws(), &all[..count]).sign(message).unwrap_err();
        assert_eq!(fault.code.as_str(), "wrong-chain");
        assert_eq!(
            fault.message,
            format!(
                "the secret k is granted for signing after exactly 4 derive steps, and only {count} came before: derive first"
            )
        );
    }
    let last = derived(&aws(), &all);
    assert!(last.sign(message).is_ok());
    let fault = last.derive(b"more").unwrap_err();
    assert_eq!(fault.code.as_str(), "wrong-chain");
    assert_eq!(
        fault.message,
        "the secret k is granted for signing after exactly 4 derive steps, and step 5 would be one more: sign now"
    );
}

#[test]
fn only_messages_with_a_granted_beginning_are_signed() {
    let key = hmac_key(b"key", |sign| {
        sign.message_prefix = vec!["GET\n".to_owned(), "PUT\n".to_owned()];
    });
    assert!(key.sign(b"GET\n").is_ok() && key.sign(b"PUT\nx").is_ok());
    for near in ["", "GET", "get\n", "DELETE\n", " GET\n"] {
        let fault = key.sign(near.as_bytes()).unwrap_err();
        assert_eq!(fault.code.as_str(), "message-refused", "{near}");
    }
    let any = hmac_key(b"key", |_| {});
    assert!(any.sign(b"").is_ok());
    assert_eq!(
        any.sign(&vec![0; CALL_BYTES_MAX + 1])
            .unwrap_err()
            .code
            .as_str(),
        "too-large"
    );
}

/// A key made for this test, PKCS#8.
const RSA_PEM: &str = include_str!("../../fixtures/rs256-test-key.pem");

fn rs256(value: &[u8]) -> Result<Key, Fault> {
    let sign = SignUse {
        algorithm: Algorithm::Rs256,
        encoding: None,
        host_prefix: None,
        derivations: 0,
        message_prefix: vec!["eyJ".to_owned()],
    };
    Key::new("google", sign, value)
}

#[test]
fn rs256_verifies_with_the_public_key() {
    let key = rs256(RSA_PEM.as_bytes()).unwrap();
    let message = b"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ4In0";
    let signature = key.sign(message).unwrap();
    let Material::Rsa(pair) = &*key.material else {
        panic!("an RSA key")
    };
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
    public.verify(message, &signature).unwrap();
    assert!(public.verify(b"eyJ.other", &signature).is_err());
    assert_eq!(key.derive(b"x").unwrap_err().code.as_str(), "wrong-chain");
    assert_eq!(
        key.sign(b"other").unwrap_err().code.as_str(),
        "message-refused"
    );
}

#[test]
fn a_value_that_holds_no_key_is_not_repeated() {
    let fault = rs256(b"not-a-key-but-secret").unwrap_err();
    assert_eq!(fault.code.as_str(), "bad-secret");
    assert!(!fault.message.contains("not-a-key"), "{fault}");
    let sign = SignUse {
        encoding: Some(Encoding::Base64),
        ..hmac_key(b"x", |_| {}).chain.sign.clone()
    };
    let fault = Key::new("k", sign, b"***not base64***").unwrap_err();
    assert!(!fault.message.contains("***"), "{fault}");
}

#[test]
fn debug_shows_no_bytes() {
    let key = hmac_key(b"hunter2-hunter2", |sign| sign.derivations = 1);
    let shown = format!("{key:?} {:?}", key.derive(b"x").unwrap());
    assert!(
        shown.contains("derived: 1") && !shown.contains("hunter2"),
        "{shown}"
    );
    let bytes = format!("{:?}", b"hunter2".as_slice());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}
