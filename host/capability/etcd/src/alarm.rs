//! Alarms, read from what a member says in its status. The alarm call itself goes
//! through raft and hangs without quorum, which is when a backup matters most.

/// An alarm that stands in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The database has outgrown its quota: the cluster takes no more writes.
    NoSpace,
    /// A member's data differs from the others'.
    Corrupt,
    /// An alarm that this version does not know.
    Other,
}

/// The alarms among a status' errors. etcd puts each alarm there as the text form of its
/// protobuf message, `memberID:<id> alarm:<NAME>`, whose spaces differ between versions.
pub(crate) fn among(errors: &[String]) -> Vec<Alarm> {
    let mut alarms: Vec<_> = errors.iter().filter_map(|error| of(error)).collect();
    alarms.sort_unstable();
    alarms.dedup();
    alarms
}

fn of(error: &str) -> Option<Alarm> {
    let (_, name) = error.split_once("alarm:")?;
    let name = name.trim_start();
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    match &name[..end.unwrap_or(name.len())] {
        "NONE" => None,
        "NOSPACE" => Some(Alarm::NoSpace),
        "CORRUPT" => Some(Alarm::Corrupt),
        _ => Some(Alarm::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_from_other_complaints() {
        let table: [(&[&str], &[Alarm]); 6] = [
            (&[], &[]),
            (&["etcdserver: no leader"], &[]),
            (
                &["memberID:10276657743932975437 alarm:NOSPACE "],
                &[Alarm::NoSpace],
            ),
            (&["memberID:1  alarm: CORRUPT"], &[Alarm::Corrupt]),
            (
                &[
                    "memberID:1 alarm:CORRUPT",
                    "memberID:2 alarm:NOSPACE",
                    "memberID:3 alarm:NOSPACE",
                ],
                &[Alarm::NoSpace, Alarm::Corrupt],
            ),
            (&["memberID:1 alarm:FIRE"], &[Alarm::Other]),
        ];
        for (errors, expected) in table {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(among(&errors), expected, "{errors:?}");
        }
    }
}
