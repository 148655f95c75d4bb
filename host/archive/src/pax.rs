//! The records of a pax header: `LENGTH KEY=VALUE\n`, one after the other.

/// What records say of an entry. What they do not say stands in the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub modified: Option<(i64, u32)>,
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The file's bytes are not stored one after the other.
    pub sparse: bool,
}

/// Extended attributes as star and GNU tar write them.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// GNU tar's ways to leave out holes.
const SPARSE: &[u8] = b"GNU.sparse.";

impl Records {
    /// Takes records up; later ones count. An empty value takes an earlier one back.
    /// Keys that are not known are passed over.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let (key, value, rest) = split(bytes).ok_or("a pax record is malformed")?;
            self.set(key, value)
                .ok_or("a pax record has a value that it cannot have")?;
            bytes = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(ATTRIBUTE) {
            let name = decoded(name);
            self.attributes.retain(|(known, _)| *known != name);
            self.attributes.push((name, value.to_vec()));
            return Some(());
        }
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"size" => self.size = given(value, decimal)?,
            b"uid" => self.uid = given(value, decimal)?,
            b"gid" => self.gid = given(value, decimal)?,
            b"mtime" => self.modified = given(value, instant)?,
            _ if key.starts_with(SPARSE) => self.sparse = true,
            _ => {}
        }
        Some(())
    }
}

/// The first record's key and value, and what comes after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

/// The outer none is a refusal.
fn given<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() {
        Some(None)
    } else {
        parse(value).map(Some)
    }
}

fn text(value: &[u8]) -> Option<Option<Vec<u8>>> {
    given(value, |value| (!value.contains(&0)).then(|| value.to_vec()))
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then_some(())?;
    str::from_utf8(value).ok()?.parse().ok()
}

/// Seconds with a fraction; before 1970 the fraction counts away from zero as well.
fn instant(value: &[u8]) -> Option<(i64, u32)> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let point = value.iter().position(|byte| *byte == b'.');
    let whole = &value[..point.unwrap_or(value.len())];
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let nanoseconds = point.map_or(Some(0), |point| fraction(&value[point + 1..]))?;
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

fn fraction(digits: &[u8]) -> Option<u32> {
    let nine: Vec<u8> = digits.iter().copied().chain([b'0'; 9]).take(9).collect();
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    u32::try_from(decimal(&nine)?).ok()
}

/// GNU tar writes `%` and `=` in an attribute's name as `%25` and `%3D`.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [b'2', b'5', after @ ..]) => (b'%', after),
            (b'%', [b'3', b'D', after @ ..]) => (b'=', after),
            _ => (*first, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(bytes: &[u8]) -> Result<Records, &'static str> {
        let mut records = Records::default();
        records.take(bytes).map(|()| records)
    }

    #[test]
    fn records_are_read_and_later_ones_count() {
        let read = records(
            b"8 uid=7\n12 path=a/b\n22 mtime=12.000000001\n27 SCHILY.xattr.user.k=v=\n\n9 path=c\n",
        )
        .unwrap();
        assert_eq!(read.uid, Some(7));
        assert_eq!(read.path.as_deref(), Some(&b"c"[..]));
        assert_eq!(read.modified, Some((12, 1)));
        assert_eq!(read.attributes, [(b"user.k".to_vec(), b"v=\n".to_vec())]);
        assert_eq!(records(b"8 uid=7\n7 uid=\n").unwrap().uid, None);
        assert!(records(b"22 GNU.sparse.major=1\n").unwrap().sparse);
    }

    #[test]
    fn malformed_records_are_refused() {
        let all: [&[u8]; 9] = [
            b"x",
            b"5 a=b\n",
            b"6 a=b",
            b"6 ab c\n",
            b"99999999999999999999999 a=b\n",
            b"0 a=b\n",
            b"8 uid=x\n",
            b"11 path=a\0b\n",
            b"9 size=-1\n",
        ];
        for bytes in all {
            assert!(
                records(bytes).is_err(),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn instants_before_1970_keep_their_fraction() {
        assert_eq!(instant(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(instant(b"-2"), Some((-2, 0)));
        assert_eq!(instant(b"3.1234567899"), Some((3, 123_456_789)));
        assert_eq!(instant(b"3."), Some((3, 0)));
        for bad in [&b"."[..], b"1.x", b"--1", b""] {
            assert_eq!(instant(bad), None);
        }
    }

    #[test]
    fn names_of_attributes_come_back() {
        assert_eq!(decoded(b"user.a%3Db%25c%4"), b"user.a=b%c%4");
    }
}
