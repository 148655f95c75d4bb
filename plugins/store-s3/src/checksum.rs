//! Checksums as S3 has them (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).
//!
//! CRCs are of the whole object (`FULL_OBJECT`), so that those of parts can be joined; SHA-256
//! is one of checksums (`COMPOSITE`), which tells nothing of the whole. MD5 is compared by
//! every service, on the way alone.

use drydock_plugin_sdk::{Checksum, DigestAlgorithm, Error, Slice};
use drydock_store_kit::call::{Answer, Call};
use drydock_store_kit::config::Algorithm;
use drydock_store_kit::crc::{CRC32C, CRC64_NVME};
use drydock_store_kit::encode;
use drydock_store_kit::parts::{Receipt, Sum};

/// How one algorithm is named.
struct Words {
    /// The header that carries a value.
    header: &'static str,
    /// As the value of a header; none where it is not S3's own.
    algorithm: Option<&'static str>,
    /// The element of the list of parts.
    element: Option<&'static str>,
    /// Whether it is of the whole object.
    is_full: bool,
}

fn words(algorithm: Algorithm) -> Words {
    match algorithm {
        Algorithm::Crc64Nvme => Words {
            header: "x-amz-checksum-crc64nvme",
            algorithm: Some("CRC64NVME"),
            element: Some("ChecksumCRC64NVME"),
            is_full: true,
        },
        Algorithm::Crc32c => Words {
            header: "x-amz-checksum-crc32c",
            algorithm: Some("CRC32C"),
            element: Some("ChecksumCRC32C"),
            is_full: true,
        },
        Algorithm::Sha256 => Words {
            header: "x-amz-checksum-sha256",
            algorithm: Some("SHA256"),
            element: Some("ChecksumSHA256"),
            is_full: false,
        },
        Algorithm::Md5 => Words {
            header: "content-md5",
            algorithm: None,
            element: None,
            is_full: false,
        },
    }
}

/// The checksum of bytes that are to be sent.
pub fn of_slice(algorithm: Algorithm, bytes: &Slice) -> Result<Sum, Error> {
    Ok(Sum {
        algorithm,
        value: encode::base64(&bytes.digest(algorithm.digest())?),
    })
}

/// Says it of the body.
pub fn with<'a>(call: Call<'a>, sum: &Sum) -> Call<'a> {
    call.header(words(sum.algorithm).header, &sum.value)
}

/// Says of an upload by which algorithm its parts will come.
pub fn announced<'a>(call: Call<'a>, algorithm: Algorithm) -> Call<'a> {
    let words = words(algorithm);
    let Some(word) = words.algorithm else {
        return call;
    };
    let kind = if words.is_full {
        "FULL_OBJECT"
    } else {
        "COMPOSITE"
    };
    call.header("x-amz-checksum-algorithm", word)
        .header("x-amz-checksum-type", kind)
}

/// Says of an upload what the whole object has.
pub fn of_whole<'a>(call: Call<'a>, whole: &Checksum) -> Call<'a> {
    let header = match whole.algorithm {
        DigestAlgorithm::Crc64Nvme => words(Algorithm::Crc64Nvme).header,
        DigestAlgorithm::Crc32c => words(Algorithm::Crc32c).header,
        _ => return call,
    };
    call.header(header, encode::base64(&whole.value))
        .header("x-amz-checksum-type", "FULL_OBJECT")
}

/// The element by which a part's checksum stands in the list of parts.
pub fn element(sum: &Sum) -> Option<&'static str> {
    words(sum.algorithm).element
}

/// The checksum of the whole, out of those of all parts; none where the algorithm has none, or
/// parts came by several.
pub fn joined(receipts: &[(u32, Receipt)]) -> Option<Checksum> {
    let first = receipts.first()?.1.checksum.as_ref()?.algorithm;
    let crc = match first {
        Algorithm::Crc64Nvme => CRC64_NVME,
        Algorithm::Crc32c => CRC32C,
        Algorithm::Sha256 | Algorithm::Md5 => return None,
    };
    let mut parts = Vec::new();
    for (_, receipt) in receipts {
        let sum = receipt.checksum.as_ref()?;
        if sum.algorithm != first {
            return None;
        }
        parts.push((encode::from_base64(&sum.value)?, receipt.length));
    }
    let parts = parts
        .iter()
        .map(|(value, length)| (value.as_slice(), *length));
    Some(Checksum {
        algorithm: first.digest(),
        value: crc.of_parts(parts)?,
    })
}

/// What an answer tells of a whole object: one that is of checksums has a `-` and its number of
/// parts behind it, and tells nothing.
pub fn told(answer: &Answer) -> Option<Checksum> {
    if answer.header("x-amz-checksum-type") == Some("COMPOSITE") {
        return None;
    }
    let all = [Algorithm::Sha256, Algorithm::Crc64Nvme, Algorithm::Crc32c];
    all.into_iter().find_map(|algorithm| {
        let value = answer.header(words(algorithm).header)?;
        Some(Checksum {
            algorithm: algorithm.digest(),
            value: encode::from_base64(value)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(algorithm: Algorithm, value: &[u8], length: u64) -> (u32, Receipt) {
        let receipt = Receipt {
            offset: 0,
            length,
            tag: String::new(),
            checksum: Some(Sum {
                algorithm,
                value: encode::base64(value),
            }),
        };
        (1, receipt)
    }

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter();
        Answer {
            status: 200,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    #[test]
    fn parts_of_one_kind_are_joined() {
        let nine = 0xae8b_1486_0a79_9888_u64.to_be_bytes();
        let one = joined(&[part(Algorithm::Crc64Nvme, &nine, 9)]).unwrap();
        assert_eq!(one.algorithm, DigestAlgorithm::Crc64Nvme);
        assert_eq!(one.value, nine);
        let nothing = part(Algorithm::Crc64Nvme, &[0; 8], 0);
        let two = joined(&[part(Algorithm::Crc64Nvme, &nine, 9), nothing.clone()]);
        assert_eq!(two.unwrap().value, nine);
        let mixed = [nothing, part(Algorithm::Crc32c, &[0; 4], 0)];
        assert_eq!(joined(&mixed), None);
        assert_eq!(joined(&[part(Algorithm::Sha256, &[0; 32], 1)]), None);
        assert_eq!(joined(&[part(Algorithm::Crc64Nvme, &[0; 4], 1)]), None);
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn only_what_is_of_the_whole_is_told() {
        let full = told(&answer(&[
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ]));
        assert_eq!(full.unwrap().value, 0xae8b_1486_0a79_9888_u64.to_be_bytes());
        for headers in [
            &[][..],
            &[
                ("x-amz-checksum-type", "COMPOSITE"),
                (
                    "x-amz-checksum-sha256",
                    "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
                ),
            ],
            &[(
                "x-amz-checksum-sha256",
                "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=-2",
            )],
        ] {
            assert_eq!(told(&answer(headers)), None, "{headers:?}");
        }
    }

    #[test]
    fn an_upload_announces_what_will_come() {
        let call = || Call::new("POST", String::new(), "begin");
        let headers = announced(call(), Algorithm::Crc64Nvme).headers;
        assert_eq!(headers[0], ("x-amz-checksum-algorithm", "CRC64NVME".into()));
        assert_eq!(headers[1], ("x-amz-checksum-type", "FULL_OBJECT".into()));
        let headers = announced(call(), Algorithm::Sha256).headers;
        assert_eq!(headers[1], ("x-amz-checksum-type", "COMPOSITE".into()));
        assert!(announced(call(), Algorithm::Md5).headers.is_empty());
    }
}
