//! Looking at what has an object's name after it could not be made: the same one, from an
//! earlier call whose answer was lost, is success; another one is the error `exists`.

use drydock_plugin_sdk::{Checksum, Classed as _, Error, ObjectStat};

use crate::call::{Call, Client};
use crate::read::{self, Range};

/// A store that can be looked at.
pub trait Readable {
    fn client(&self) -> &Client;
    /// Error code `not-found` where there is no such object.
    ///
    /// # Errors
    /// What the service says.
    fn stat_of(&self, object: &str) -> Result<ObjectStat, Error>;
    /// The request for a range of it.
    ///
    /// # Errors
    /// For what is no object's key.
    fn range_of(&self, object: &str) -> Result<impl Fn(Range) -> Call<'static>, Error>;
}

/// What is to be there in the end.
pub struct Wanted<'a> {
    pub object: &'a str,
    pub size: u64,
    /// A checksum that the service may have computed too.
    pub checksum: Option<Checksum>,
    /// Asked for where the checksum decides nothing.
    pub sha256: &'a dyn Fn() -> Result<Vec<u8>, Error>,
}

impl Wanted<'_> {
    /// What is there after `error`, which stands where nothing is there.
    ///
    /// # Errors
    /// `exists` for another object, else the error itself.
    pub fn after(&self, store: &impl Readable, error: Error) -> Result<ObjectStat, Error> {
        let found = match store.stat_of(self.object).absent_if("not-found") {
            Ok(Some(found)) => found,
            // Who is told that it exists goes by that, so it must be true.
            Ok(None) if error.is("exists") => return Err(self.hidden()),
            Ok(None) | Err(_) => return Err(error),
        };
        match self.is_same(store, &found) {
            Ok(true) => Ok(found),
            Ok(false) => Err(self.exists()),
            // It is there, and nobody can say which it is.
            Err(_) => Err(error),
        }
    }

    /// By the service's own checksum where it has one of that kind, else read back.
    fn is_same(&self, store: &impl Readable, found: &ObjectStat) -> Result<bool, Error> {
        if found.size != self.size {
            return Ok(false);
        }
        if let Some(same) = self.compared(found) {
            return Ok(same);
        }
        let call = store.range_of(self.object)?;
        let read = read::sha256(store.client(), self.size, call)?;
        Ok(read == (self.sha256)()?)
    }

    fn compared(&self, found: &ObjectStat) -> Option<bool> {
        let (wanted, told) = (self.checksum.as_ref()?, found.checksum.as_ref()?);
        (wanted.algorithm == told.algorithm).then(|| wanted.value == told.value)
    }

    fn hidden(&self) -> Error {
        Error::transient(
            "changed-meanwhile",
            format!(
                "the service says that {} is there, and does not show it: it was removed a moment ago, or the service takes what marks a removed version for an object",
                self.object
            ),
        )
        .not_done()
    }

    fn exists(&self) -> Error {
        Error::permanent(
            "exists",
            format!("{} is there already, and holds something else", self.object),
        )
        .not_done()
    }
}

/// Whether a finished object has the size it must have.
///
/// # Errors
/// `size-differs`.
pub fn of_size(found: ObjectStat, size: u64) -> Result<ObjectStat, Error> {
    if found.size == size {
        return Ok(found);
    }
    Err(Error::permanent(
        "size-differs",
        format!(
            "{} was made with {} bytes in the place of {size}",
            found.object, found.size
        ),
    ))
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::DigestAlgorithm;

    use super::*;

    fn stat(value: Option<u8>) -> ObjectStat {
        ObjectStat {
            object: "a".to_owned(),
            size: 3,
            checksum: value.map(|value| Checksum {
                algorithm: DigestAlgorithm::Crc32c,
                value: vec![value; 4],
            }),
            retained_until: None,
        }
    }

    #[test]
    fn a_checksum_decides_only_where_both_have_it() {
        let wanted = |checksum| Wanted {
            object: "a",
            size: 3,
            checksum,
            sha256: &|| Ok(Vec::new()),
        };
        let own = wanted(stat(Some(1)).checksum);
        assert_eq!(own.compared(&stat(Some(1))), Some(true));
        assert_eq!(own.compared(&stat(Some(2))), Some(false));
        assert_eq!(own.compared(&stat(None)), None);
        assert_eq!(wanted(None).compared(&stat(Some(1))), None);
        let other = wanted(Some(Checksum::sha256(&[1; 32])));
        assert_eq!(other.compared(&stat(Some(1))), None);
        assert_eq!(own.exists().code, "exists");
        assert_eq!(own.hidden().code, "changed-meanwhile");
        assert_eq!(of_size(stat(None), 4).unwrap_err().code, "size-differs");
    }
}
