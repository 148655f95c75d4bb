//! What a plugin answers, checked before anybody believes it.

use drydock_core::store::{
    Checksum, ChecksumAlgorithm, Layout, OBJECT_BYTES_MIN, OPAQUE_BYTES_MAX, ObjectPage,
    ObjectStat, PassedOver, Receipt, Session, SessionInfo, SessionPage, Sessions,
};
use drydock_core::{ErrorCode, Fault, Finding, Level, UnixTime, Verdict};

use crate::limits::LimitHit;
use crate::world::contract::artifact::DigestAlgorithm;
use crate::world::contract::types as wit;
use crate::world::steps::store_step as step;

/// What a plugin's answers may amount to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// Its name.
    pub plugin: &'a str,
    /// Text and lists of one answer.
    pub bytes_max: usize,
}

/// Findings of one call. An operator reads them.
const FINDINGS_MAX: usize = 1000;

/// Entries of a page, the largest that a known store returns.
const PAGE_ENTRIES_MAX: usize = 5000;

/// Longest object key; S3, GCS and Azure allow 1,024.
const OBJECT_BYTES_MAX: usize = 1024;

/// Longest cursor.
const CURSOR_BYTES_MAX: usize = 4096;

/// Longest sentence about something that a listing passed over.
const REASON_BYTES_MAX: usize = 1024;

/// Parts in flight that are believed; each needs a buffer at the other end.
const PARALLEL_MAX: u32 = 64;

/// Longest time that an upload may be left to expire: a year. No known store keeps one
/// longer than a week, and room that is taken for longer is taken for good.
const SESSION_SECONDS_MAX: u64 = 366 * 24 * 60 * 60;

pub(crate) fn findings(
    findings: Vec<wit::Finding>,
    bounds: Bounds<'_>,
) -> Result<Vec<Finding>, Fault> {
    if findings.len() > FINDINGS_MAX {
        return Err(too_much("findings", findings.len(), FINDINGS_MAX));
    }
    let text = |finding: &wit::Finding| finding.code.len() + finding.message.len();
    result_bytes(findings.iter().map(text).sum(), bounds)?;
    Ok(findings.into_iter().map(Into::into).collect())
}

/// A verdict that contradicts itself is none to rely on: what failed has not passed.
pub(crate) fn verdict(
    pass: bool,
    findings: Vec<wit::Finding>,
    bounds: Bounds<'_>,
) -> Result<Verdict, Fault> {
    let mut findings = self::findings(findings, bounds)?;
    let failed = findings
        .iter()
        .any(|finding| finding.level == Level::Failure);
    if pass && failed {
        findings.push(Finding::new(
            Level::Failure,
            "contradictory-verdict",
            format!(
                "plugin {} says that the artifact passes and that it fails, so it has not passed: ask the plugin's author",
                bounds.plugin
            ),
        ));
    }
    Ok(Verdict {
        pass: pass && !failed,
        findings,
    })
}

pub(crate) fn layout(layout: step::StoreLayout) -> Result<Layout, Fault> {
    let sound = layout.part_min <= layout.part_max
        && layout.part_max > 0
        && layout.parts_max > 0
        && layout.parallel_max > 0;
    if !sound {
        return Err(bad(format!(
            "a layout that fits no part at all ({} parts of {} to {} bytes, {} at once)",
            layout.parts_max, layout.part_min, layout.part_max, layout.parallel_max
        )));
    }
    if layout.object_max < OBJECT_BYTES_MIN {
        return Err(bad(format!(
            "a layout whose objects have {} bytes at most, where a manifest may have {OBJECT_BYTES_MIN}",
            layout.object_max
        )));
    }
    Ok(Layout {
        part_bytes_min: layout.part_min,
        part_bytes_max: layout.part_max,
        parts_max: layout.parts_max,
        parallel_max: layout.parallel_max.min(PARALLEL_MAX),
        equal_parts: layout.equal_parts,
        object_bytes_max: layout.object_max,
        part_checksum: layout.part_checksum.map(algorithm).transpose()?,
        sessions: sessions(layout.sessions)?,
        retain: layout.retain,
    })
}

fn sessions(keeping: step::SessionKeeping) -> Result<Sessions, Fault> {
    match keeping {
        step::SessionKeeping::Listed => Ok(Sessions::Listed),
        step::SessionKeeping::Expire(seconds @ 1..=SESSION_SECONDS_MAX) => {
            Ok(Sessions::Expire { seconds })
        }
        step::SessionKeeping::Expire(seconds) => Err(bad(format!(
            "that uploads which are left expire after {seconds} s, which is not 1 to {SESSION_SECONDS_MAX}"
        ))),
    }
}

pub(crate) fn session(bytes: Vec<u8>) -> Result<Session, Fault> {
    opaque(bytes, "session").map(Session)
}

/// The receipt of a part, and the checksum under which it was taken: by the algorithm of the
/// layout or none.
pub(crate) fn acknowledgement(
    acknowledged: step::Acknowledgement,
    asked: Option<ChecksumAlgorithm>,
) -> Result<(Receipt, Option<Checksum>), Fault> {
    let receipt = opaque(acknowledged.receipt, "receipt").map(Receipt)?;
    let told = acknowledged.checksum.map(checksum).transpose()?;
    let Some(told) = told else {
        return Ok((receipt, None));
    };
    match asked {
        Some(asked) if asked == told.algorithm => Ok((receipt, Some(told))),
        Some(asked) => Err(bad(format!(
            "the {} of a part where its layout promises {asked}",
            told.algorithm
        ))),
        None => Err(bad(format!(
            "the {} of a part where its layout promises none",
            told.algorithm
        ))),
    }
}

/// An object that was just made has to be as long as what was sent.
pub(crate) fn stat_of_size(found: step::ObjectStat, size: u64) -> Result<ObjectStat, Fault> {
    let found = stat(found)?;
    if found.size == size {
        return Ok(found);
    }
    Err(bad(format!(
        "that {} of {size} bytes are there after completing",
        found.size
    )))
}

/// The checksum that was told has to be that of the bytes sent.
pub(crate) fn same(told: &Checksum, sent: &Checksum) -> Result<(), Fault> {
    if told == sent {
        return Ok(());
    }
    Err(other_checksum(told.algorithm))
}

pub(crate) fn other_checksum(algorithm: ChecksumAlgorithm) -> Fault {
    bad(format!("another {algorithm} than that of the bytes sent"))
}

/// The stat of `object` and no other.
pub(crate) fn stat_of(object: &str, found: step::ObjectStat) -> Result<ObjectStat, Fault> {
    about(object, stat(found)?)
}

/// The same of one that was checked by itself.
pub(crate) fn about(object: &str, found: ObjectStat) -> Result<ObjectStat, Fault> {
    if found.object == object {
        return Ok(found);
    }
    Err(bad(format!(
        "about {:?} when asked for {object:?}",
        found.object
    )))
}

pub(crate) fn object_page(
    page: step::ObjectPage,
    prefix: &str,
    cursor: Option<&str>,
    bounds: Bounds<'_>,
) -> Result<ObjectPage, Fault> {
    entries(page.objects.len() + page.passed_over.len())?;
    let keys = page.objects.iter().map(|stat| stat.object.len());
    let passed = page.passed_over.iter();
    let passed = passed.map(|passed| passed.object.len() + passed.why.len());
    result_bytes(keys.chain(passed).sum(), bounds)?;
    let objects: Vec<_> = page
        .objects
        .into_iter()
        .map(stat)
        .collect::<Result<_, _>>()?;
    below(prefix, objects.iter().map(|stat| stat.object.as_str()))?;
    Ok(ObjectPage {
        objects,
        passed_over: page.passed_over.into_iter().map(passed_over).collect(),
        next: next(page.next, cursor)?,
    })
}

pub(crate) fn session_page(
    page: step::SessionPage,
    prefix: &str,
    cursor: Option<&str>,
    bounds: Bounds<'_>,
) -> Result<SessionPage, Fault> {
    entries(page.sessions.len())?;
    let bytes = |info: &step::SessionInfo| info.object.len() + info.session.len();
    result_bytes(page.sessions.iter().map(bytes).sum(), bounds)?;
    let sessions: Vec<_> = page
        .sessions
        .into_iter()
        .map(session_info)
        .collect::<Result<_, _>>()?;
    below(prefix, sessions.iter().map(|info| info.object.as_str()))?;
    Ok(SessionPage {
        sessions,
        next: next(page.next, cursor)?,
    })
}

fn session_info(info: step::SessionInfo) -> Result<SessionInfo, Fault> {
    object(&info.object)?;
    Ok(SessionInfo {
        object: info.object,
        session: session(info.session)?,
    })
}

fn stat(stat: step::ObjectStat) -> Result<ObjectStat, Fault> {
    object(&stat.object)?;
    Ok(ObjectStat {
        object: stat.object,
        size: stat.size,
        checksum: stat.checksum.map(checksum).transpose()?,
        retained_until: stat.retained_until.map(instant),
    })
}

/// One that lies past the end of our time is as good as that.
fn instant(seconds: u64) -> UnixTime {
    UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn checksum(told: step::Checksum) -> Result<Checksum, Fault> {
    let algorithm = algorithm(told.algorithm)?;
    let bytes = match algorithm {
        ChecksumAlgorithm::Sha256 => 32,
        ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Md5 => 16,
    };
    let value = told.value;
    if value.len() != bytes {
        return Err(bad(format!("a {algorithm} of {} bytes", value.len())));
    }
    Ok(Checksum { algorithm, value })
}

fn algorithm(named: DigestAlgorithm) -> Result<ChecksumAlgorithm, Fault> {
    let unknown = || bad("a checksum by an algorithm without a name".to_owned());
    checksum_algorithm(named).ok_or_else(unknown)
}

/// None for one that this host does not compute.
pub(crate) fn checksum_algorithm(named: DigestAlgorithm) -> Option<ChecksumAlgorithm> {
    match named {
        DigestAlgorithm::Sha256 => Some(ChecksumAlgorithm::Sha256),
        DigestAlgorithm::Crc32c => Some(ChecksumAlgorithm::Crc32c),
        DigestAlgorithm::Crc64Nvme => Some(ChecksumAlgorithm::Crc64Nvme),
        DigestAlgorithm::Md5 => Some(ChecksumAlgorithm::Md5),
        DigestAlgorithm::Other => None,
    }
}

/// Something foreign may have any name, so it is only made plain.
fn passed_over(passed: step::PassedOver) -> PassedOver {
    PassedOver {
        object: drydock_core::plain(&passed.object, OBJECT_BYTES_MAX),
        hides: passed.hides,
        why: drydock_core::plain(&passed.why, REASON_BYTES_MAX),
    }
}

/// A key of plain names with `/` between them.
fn object(key: &str) -> Result<(), Fault> {
    let plain = |name: &str| !matches!(name, "" | "." | "..");
    let good = key.len() <= OBJECT_BYTES_MAX
        && key.split('/').all(plain)
        && !key.contains(char::is_control);
    if good {
        return Ok(());
    }
    Err(bad(format!(
        "the object key {:?}",
        drydock_core::plain(key, 200)
    )))
}

fn below<'a>(prefix: &str, mut keys: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    match keys.find(|key| !key.starts_with(prefix)) {
        None => Ok(()),
        Some(key) => Err(bad(format!("{key:?} in a listing of {prefix:?}"))),
    }
}

/// A cursor that leads on. One that stands still would be followed for ever.
fn next(next: Option<String>, given: Option<&str>) -> Result<Option<String>, Fault> {
    match &next {
        Some(cursor) if cursor.len() > CURSOR_BYTES_MAX => {
            Err(too_much("bytes of cursor", cursor.len(), CURSOR_BYTES_MAX))
        }
        Some(cursor) if given == Some(cursor) => Err(bad(
            "the same cursor again, so that the listing never ends".to_owned(),
        )),
        _ => Ok(next),
    }
}

fn opaque(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Fault> {
    match bytes.len() {
        0 => Err(bad(format!("an empty {what}"))),
        1..=OPAQUE_BYTES_MAX => Ok(bytes),
        longer => Err(bad(format!(
            "a {what} of {longer} bytes, more than {OPAQUE_BYTES_MAX}"
        ))),
    }
}

fn entries(count: usize) -> Result<(), Fault> {
    if count <= PAGE_ENTRIES_MAX {
        return Ok(());
    }
    Err(too_much("entries of a page", count, PAGE_ENTRIES_MAX))
}

fn result_bytes(asked: usize, bounds: Bounds<'_>) -> Result<(), Fault> {
    let limit = bounds.bytes_max;
    if asked <= limit {
        return Ok(());
    }
    Err(LimitHit::Result { asked, limit }.fault(bounds.plugin))
}

/// More than the contract has room for, whatever a document says.
fn too_much(what: &str, count: usize, limit: usize) -> Fault {
    Fault::permanent(
        ErrorCode::ResultLimit,
        format!(
            "the plugin returned {count} {what}, the limit is {limit}, which no document raises: it must return less at once"
        ),
    )
    .with_detail("asked", count)
    .with_detail("limit", limit)
}

fn bad(what: String) -> Fault {
    Fault::permanent(
        ErrorCode::BadAnswer,
        format!("the plugin returned {what}: it does not keep the contract, so ask its author"),
    )
}

#[cfg(test)]
mod tests;
