//! The work, call by call.

use drydock_plugin_sdk::etcd::{self, Alarm};
use drydock_plugin_sdk::{
    Certainty, Error, ErrorClass, Finding, clock, info, outcome, progress, warn,
};

use crate::choice::{self, Next, Progress};
use crate::config::{Defragment, Work};
use crate::health::{Cluster, MemberView, NoSpace, judge};
use crate::record::{Defragmented, Record};
use crate::survey;
use crate::tell;

/// Between two looks at members that are not healthy yet.
const LOOK_SECONDS: u32 = 1;

const NANOSECONDS: u64 = 1_000_000_000;

/// Looks, a second apart, in which no member frees anything, after which a compaction counts as
/// carried out where it never freed anything at one of them.
const QUIET_LOOKS: u32 = 5;

/// One run.
pub struct Maintenance {
    work: Work,
    record: Record,
    progress: Progress,
}

impl Maintenance {
    pub fn new(work: Work) -> Self {
        Self {
            work,
            record: Record::default(),
            progress: Progress::default(),
        }
    }

    pub fn run(mut self) -> Result<(), Error> {
        let done = self.carry_out();
        done.map_err(|error| self.record.so_far(error))?;
        self.record.tell()
    }

    fn carry_out(&mut self) -> Result<(), Error> {
        let cluster = self.healthy(self.work.no_space())?;
        if self.work.repairs && cluster.alarms().is_empty() {
            outcome::found(&tell::no_alarm());
            return Ok(());
        }
        if let Some(keep) = self.work.compact {
            self.compact(cluster, keep)?;
        }
        if let Some(wanted) = self.work.defragment {
            self.defragment(&wanted)?;
        }
        if self.work.repairs {
            self.disarm()?;
        }
        Ok(())
    }

    /// Waits until all members are healthy, for so long as the configuration says.
    fn healthy(&self, no_space: NoSpace) -> Result<Cluster, Error> {
        self.healthy_by(self.settled_by(), no_space)
    }

    fn healthy_by(&self, until: u64, no_space: NoSpace) -> Result<Cluster, Error> {
        loop {
            check_wanted()?;
            let unfit = match judge(&survey::take(), no_space) {
                Ok(cluster) => return Ok(cluster),
                Err(unfit) => unfit,
            };
            if !unfit.may_pass || clock::monotonic() >= until {
                return Err(unfit.error());
            }
            self.pause(LOOK_SECONDS)?;
        }
    }

    fn settled_by(&self) -> u64 {
        clock::monotonic() + u64::from(self.work.settle_seconds) * NANOSECONDS
    }

    /// Compacts, and waits until what is in use falls no more.
    fn compact(&mut self, cluster: Cluster, keep: u64) -> Result<(), Error> {
        let to = choice::compact_to(&cluster, keep);
        let (Some(to), Some(leader)) = (to, cluster.leading()) else {
            outcome::found(&tell::nothing_to_compact(&cluster, keep));
            return Ok(());
        };
        match etcd::compact(&leader.endpoint, to, true) {
            Ok(()) => {
                info!("the history before revision {to} was dropped");
                self.record.compact_revision = to;
            }
            // An attempt before this one may have done it just now.
            Err(error) if error.is("compacted") => {
                outcome::found(&tell::nothing_to_compact(&cluster, keep));
            }
            Err(error) => return Err(error),
        }
        self.settle(cluster)
    }

    /// Each member carries a compaction out in its own time, and does not say when it is done.
    /// One that has freed something and frees no more is taken to be; of one that never freed
    /// anything nobody knows before some time has passed.
    fn settle(&self, begin: Cluster) -> Result<(), Error> {
        let until = self.settled_by();
        let (mut before, mut quiet) = (None, 0);
        loop {
            self.pause(LOOK_SECONDS)?;
            let after = self.healthy_by(until, self.work.no_space())?;
            let is_quiet = choice::is_quiet(before.as_ref().unwrap_or(&begin), &after);
            quiet = if is_quiet { quiet + 1 } else { 0 };
            let is_done = quiet > 0 && choice::has_shrunk(&begin, &after);
            if is_done || quiet >= QUIET_LOOKS || clock::monotonic() >= until {
                return Ok(());
            }
            before = Some(after);
        }
    }

    /// One member after the other, each after a look at all of them.
    fn defragment(&mut self, wanted: &Defragment) -> Result<(), Error> {
        let mut has_rested = true;
        loop {
            let cluster = self.healthy(self.work.no_space())?;
            match choice::next(&cluster, wanted, &self.progress) {
                Next::Defragment(_) if !has_rested => {
                    self.pause(self.work.pause_seconds)?;
                    has_rested = true;
                }
                Next::Defragment(member) => {
                    self.defragment_one(&cluster, member)?;
                    has_rested = false;
                }
                Next::MoveLeader { from, to } => self.move_leader(from, to)?,
                Next::Done => {
                    self.leave_out(&cluster, wanted);
                    return Ok(());
                }
            }
        }
    }

    fn defragment_one(&mut self, cluster: &Cluster, member: &MemberView) -> Result<(), Error> {
        let begun = clock::monotonic();
        etcd::defragment(&member.endpoint)?;
        let seconds = (clock::monotonic() - begun) / NANOSECONDS;
        let after = etcd::status(&member.endpoint).map(|status| status.db_size);
        // Told also where nobody could see what came of it.
        self.record.members.push(Defragmented {
            id: format!("{:x}", member.status.member_id),
            name: member.name.clone(),
            endpoint: member.endpoint.clone(),
            led: cluster.leads(member),
            bytes_before: member.status.db_size,
            bytes_after: after.as_ref().map_or(member.status.db_size, |after| *after),
            seconds,
        });
        self.progress.done.insert(member.status.member_id);
        self.tell_progress();
        info!(
            "{}: {} bytes before, {} bytes after",
            member.spelled(),
            member.status.db_size,
            after?
        );
        Ok(())
    }

    /// A leader that keeps its place is left out.
    fn move_leader(&mut self, from: &MemberView, to: &MemberView) -> Result<(), Error> {
        check_wanted()?;
        self.progress.moves += 1;
        match etcd::move_leader(&from.endpoint, to.status.member_id) {
            Ok(()) => info!("{} leads in the place of {}", to.spelled(), from.spelled()),
            // An election came in between.
            Err(error) if error.is("not-leader") => {}
            Err(error) if is_refusal(&error) => {
                warn!("{}", error.message);
                outcome::found(&Finding::warning("leader-not-moved", error.message));
                self.progress.is_unmovable = true;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn leave_out(&self, cluster: &Cluster, wanted: &Defragment) {
        let done = &self.progress.done;
        let members = cluster.members.iter();
        for member in members.filter(|member| !done.contains(&member.status.member_id)) {
            if let Some(left) = choice::left(cluster, member, wanted, &self.progress) {
                outcome::found(&tell::left_out(member, left, wanted));
            }
        }
    }

    /// Disarms the alarms once every file is below its quota, and asks every member whether
    /// it would take a write.
    fn disarm(&self) -> Result<(), Error> {
        let cluster = self.healthy(NoSpace::Allowed)?;
        let full = choice::full(&cluster);
        if !full.is_empty() {
            return Err(tell::still_full(&full));
        }
        let endpoint = cluster.leading().map(|leader| leader.endpoint.as_str());
        for alarm in cluster.alarms() {
            check_wanted()?;
            let id = alarm.member_id;
            etcd::alarm_disarm(endpoint.unwrap_or_default(), id, Alarm::Nospace)?;
            info!("the NOSPACE alarm of member {id:x} was disarmed");
        }
        let cluster = self.disarmed()?;
        for member in choice::voters(&cluster) {
            etcd::probe_put(&member.endpoint)?;
        }
        outcome::found(&tell::repaired(&cluster));
        Ok(())
    }

    /// Every member hears of it with the next entries of the log.
    fn disarmed(&self) -> Result<Cluster, Error> {
        let until = self.settled_by();
        loop {
            let cluster = self.healthy_by(until, NoSpace::Allowed)?;
            if cluster.alarms().is_empty() {
                return Ok(cluster);
            }
            if clock::monotonic() >= until {
                return Err(tell::raised_again(&cluster));
            }
            self.pause(LOOK_SECONDS)?;
        }
    }

    /// A second at a time, so that a stop is heard, and the host that waiting is meant.
    fn pause(&self, seconds: u32) -> Result<(), Error> {
        for _ in 0..seconds {
            check_wanted()?;
            self.tell_progress();
            clock::wait(1_000);
        }
        check_wanted()
    }

    fn tell_progress(&self) {
        let done = u64::try_from(self.progress.done.len()).unwrap_or(u64::MAX);
        progress::report(done, 0, "members");
    }
}

/// Whether the cluster said no, and nothing happened.
fn is_refusal(error: &Error) -> bool {
    let is_stop = matches!(error.class, ErrorClass::Cancelled | ErrorClass::Denied);
    error.certainty == Certainty::NotDone && !is_stop
}

fn check_wanted() -> Result<(), Error> {
    if progress::cancelled() {
        return Err(Error::cancelled());
    }
    Ok(())
}
