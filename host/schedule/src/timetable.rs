//! The instants at which a schedule is due: wall times of an expression, mapped to
//! instants of a zone.
//!
//! Where clocks jump, the default is what an operator means: a schedule with a fixed
//! hour is due once for each wall time that it names, at the first of two instants in
//! a fold, and at the first instant after a gap; one whose hour is `*` is due whenever
//! the wall shows a matching time, so that `*/15 * * * *` never pauses and never
//! doubles up. `dst: cronjob` treats every schedule in this second way, which is what
//! Kubernetes' CronJob does.
//!
//! Time is cut into the periods between a zone's transitions. In a period wall and
//! instant differ by one number, so that the search is one of wall times alone; only
//! the first wall time that counts for a period depends on the rule.

#[cfg(test)]
mod tests;

use drydock_core::UnixTime;
use drydock_documents::{DstMode, FileError, Located, Schedule};

use crate::zone::Period;
use crate::{CronExpr, Zone};

/// Most periods that are searched for one occurrence: eight years of the busiest
/// zones (four transitions a year), which is the longest wait for a 29 February.
const PERIODS_MAX: usize = 64;

/// The instants at which a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    cron: CronExpr,
    zone: Zone,
    dst: DstMode,
}

/// The occurrences between two instants, in their order.
#[derive(Debug, Clone)]
pub struct Occurrences<'a> {
    timetable: &'a Timetable,
    after: UnixTime,
    through: UnixTime,
}

impl Timetable {
    #[must_use]
    pub fn new(cron: CronExpr, zone: Zone, dst: DstMode) -> Self {
        Self { cron, zone, dst }
    }

    /// The timetable of a schedule's document.
    ///
    /// # Errors
    /// The expression or the time zone is none; the error names file and line.
    pub fn of(schedule: &Located<Schedule>) -> Result<Self, FileError> {
        let spec = &schedule.value.spec;
        let cron = CronExpr::parse(&spec.schedule).map_err(|error| {
            schedule.error(
                "spec.schedule",
                format!("of a Schedule cannot be read: {error}"),
            )
        })?;
        let zone = Zone::parse(&spec.time_zone).map_err(|error| {
            schedule.error(
                "spec.timeZone",
                format!("of a Schedule cannot be used: {error}"),
            )
        })?;
        Ok(Self::new(cron, zone, spec.dst))
    }

    #[must_use]
    pub fn cron(&self) -> &CronExpr {
        &self.cron
    }

    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first occurrence after an instant; none when there is no more until 2100.
    #[must_use]
    pub fn next_after(&self, instant: UnixTime) -> Option<UnixTime> {
        let mut period = self.zone.period(instant)?;
        let mut wall = self.first_wall(&period).max(instant.0 + period.offset + 1);
        for _ in 0..PERIODS_MAX {
            let match_at = self.cron.next_wall_after(wall - 1)?;
            let start = period.began.map_or(i64::MIN, |(start, _)| start);
            // A wall time that the period's own beginning jumped over is due there.
            let due = (match_at - period.offset).max(start);
            match period.ends {
                Some(end) if due >= end => {
                    period = self.zone.period(UnixTime(end))?;
                    wall = self.first_wall(&period);
                }
                _ => return Some(UnixTime(due)),
            }
        }
        None
    }

    /// The occurrences after one instant, up to and with another.
    #[must_use]
    pub fn occurrences_between(&self, after: UnixTime, through: UnixTime) -> Occurrences<'_> {
        Occurrences {
            timetable: self,
            after,
            through,
        }
    }

    /// The first wall time that counts for a period: what the wall shows at its
    /// beginning, or, where each wall time is due once, what it would show had the
    /// clocks not jumped. The latter takes in a gap and leaves out a repetition.
    fn first_wall(&self, period: &Period) -> i64 {
        let every_instant = self.cron.has_wildcard_hour() || self.dst == DstMode::CronJob;
        match period.began {
            None => i64::MIN + 1,
            Some((start, _)) if every_instant => start + period.offset,
            Some((start, offset_before)) => start + offset_before,
        }
    }
}

impl Iterator for Occurrences<'_> {
    type Item = UnixTime;

    fn next(&mut self) -> Option<UnixTime> {
        let due = self.timetable.next_after(self.after)?;
        if due > self.through {
            return None;
        }
        self.after = due;
        Some(due)
    }
}
