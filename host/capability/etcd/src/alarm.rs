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

/// An alarm, and the member that it was raised for; 0 where nobody knows which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RaisedAlarm {
    pub alarm: Alarm,
    pub member_id: u64,
}

/// The alarms among a status' errors. etcd puts each alarm there as the text form of its
/// protobuf message, `memberID:<id> alarm:<NAME>`, whose spaces differ between versions.
pub(crate) fn among(errors: &[String]) -> Vec<RaisedAlarm> {
    let mut alarms: Vec<_> = errors.iter().filter_map(|error| of(error)).collect();
    alarms.sort_unstable();
    alarms.dedup();
    alarms
}

fn of(error: &str) -> Option<RaisedAlarm> {
    let alarm = match word_behind("alarm:", error)? {
        "NONE" => return None,
        "NOSPACE" => Alarm::NoSpace,
        "CORRUPT" => Alarm::Corrupt,
        _ => Alarm::Other,
    };
    // A field that is 0 is left out of the text.
    let member_id = word_behind("memberID:", error).and_then(|id| id.parse().ok());
    Some(RaisedAlarm {
        alarm,
        member_id: member_id.unwrap_or(0),
    })
}

fn word_behind<'a>(key: &str, text: &'a str) -> Option<&'a str> {
    let (_, word) = text.split_once(key)?;
    let word = word.trim_start();
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    Some(&word[..end.unwrap_or(word.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_from_other_complaints() {
        let raised = |alarm, member_id| RaisedAlarm { alarm, member_id };
        let table: [(&[&str], &[RaisedAlarm]); 7] = [
            (&[], &[]),
            (&["etcdserver: no leader"], &[]),
            (
                &["memberID:10276657743932975437 alarm:NOSPACE "],
                &[raised(Alarm::NoSpace, 10_276_657_743_932_975_437)],
            ),
            (
                &["memberID:1  alarm: CORRUPT"],
                &[raised(Alarm::Corrupt, 1)],
            ),
            (&["alarm:CORRUPT "], &[raised(Alarm::Corrupt, 0)]),
            (
                &[
                    "memberID:1 alarm:CORRUPT",
                    "memberID:2 alarm:NOSPACE",
                    "memberID:3 alarm:NOSPACE",
                ],
                &[
                    raised(Alarm::NoSpace, 2),
                    raised(Alarm::NoSpace, 3),
                    raised(Alarm::Corrupt, 1),
                ],
            ),
            (&["memberID:1 alarm:FIRE"], &[raised(Alarm::Other, 1)]),
        ];
        for (errors, expected) in table {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(among(&errors), expected, "{errors:?}");
        }
    }
}
