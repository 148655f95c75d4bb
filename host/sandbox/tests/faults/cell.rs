//! One fault at one call.

use std::fmt;

use anyhow::{Context as _, Result, anyhow, ensure};
use drydock_testkit::fault_proxy::{Order, Stage as Moment};

use super::calls::Call;
use super::laws;
use super::play::{Stage, sample};
use super::service::Service;
use super::table::Row;

/// A cell of the grid.
pub struct Cell<'a> {
    pub call: &'a Call,
    pub row: &'a Row,
    pub moment: Moment,
}

/// How a play ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As if there were no fault.
    Passed,
    /// It failed with this, and went well the next time.
    Mended(String),
}

impl Cell<'_> {
    /// Plays it, in a folder of its own, and looks at all laws.
    ///
    /// # Errors
    /// The law that does not hold, in a sentence.
    pub async fn play(&self, service: &Service, prefix: &str) -> Result<End> {
        let end = self.played(service, prefix).await;
        service.proxy.cut();
        service.proxy.call_off();
        end.with_context(|| format!("{self} of {}", service.name))
    }

    async fn played(&self, service: &Service, prefix: &str) -> Result<End> {
        // The last part is below the smallest, as it may be.
        let artifact = sample(service.part_bytes + 1000);
        let (through, beside) = (service.through(prefix), service.beside(prefix));
        let on = |target| Stage {
            target,
            part_bytes: service.part_bytes,
            artifact: &artifact,
        };
        let play = self.call.play;
        on(&beside)
            .prepare(play)
            .await
            .map_err(|why| anyhow!(why))?;
        let before = service.proxy.happened();
        service.proxy.order(Order::first(
            self.call.requests,
            (self.row.fault)(),
            self.moment,
        ));
        let first = on(&through).play(play).await;
        ensure!(
            service.proxy.happened() > before,
            "the fault met no request: {first:?}"
        );
        service.proxy.cut();
        service.proxy.call_off();
        let said = first.clone().err().unwrap_or_default();
        let told = service.secret_in(&said);
        ensure!(told.is_none(), "{told:?} was told: {said}");
        laws::objects_are_whole(&beside, play, &artifact, first.is_ok()).await?;
        if first.is_err() {
            let again = on(&through).play(play).await;
            again.map_err(|why| anyhow!("after {said} it failed again: {why}"))?;
            laws::objects_are_whole(&beside, play, &artifact, true).await?;
        }
        laws::nothing_is_open_after_a_sweep(&beside).await?;
        if self.row.passes {
            first.map_err(|why| anyhow!("it does not pass over it: {why}"))?;
            return Ok(End::Passed);
        }
        Ok(first.map_or_else(End::Mended, |()| End::Passed))
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{} {moment} {}", self.row.name, self.call.name)
    }
}
