//! What crosses the border between a guest and the host: each call that a guest makes of the
//! contract, with its arguments and its answer. Most attempts let it pass and look at nothing;
//! one that is recorded writes it down, and one that is replayed answers out of a record.
//!
//! The bindings of the contract are made against [`linked`], so that no function of the
//! contract is linked that cannot be written down: a type that [`passing`] does not know does
//! not compile. What is not of the contract (`wasi:http`) is recorded where its requests
//! leave, in [`exchange`].
//!
//! **Invariant:** nothing of a record is text before the secrets were taken out of all of it.

mod exchange;
mod line;
pub(crate) mod linked;
mod passing;
mod recorder;
mod replay;
mod told;
mod way;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_capability_secret::Redactor;
use wasmtime_wasi::WasiCtxBuilder;

pub(crate) use exchange::{Exchange, ReplayedExchange, http_error};
pub use line::RecordHead;
pub use recorder::Recorder;
pub use replay::{RecordError, Replay};

pub(crate) use way::Way;

use passing::{Answered, Arguments, Handles};

/// How one attempt crosses the border. Clones are the same.
#[derive(Clone)]
pub(crate) struct Crossing {
    way: Way,
    /// Of this attempt: another one's table gives out the same numbers.
    handles: Arc<Mutex<Handles>>,
}

impl Crossing {
    /// For a new attempt.
    pub fn new(way: Way) -> Self {
        Self {
            way,
            handles: Arc::default(),
        }
    }

    /// From now on takes the secrets of this attempt out of the record.
    pub fn redact_by(&self, redactor: &Redactor) {
        if let Way::Recorded(recorder) = &self.way {
            recorder.redact_by(redactor);
        }
    }

    /// Makes the attempt's random numbers those of the record.
    pub fn seed(&self, wasi: &mut WasiCtxBuilder) {
        let seed = match &self.way {
            Way::Recorded(recorder) => recorder.seed(),
            Way::Replayed(replay) => replay.seed(),
        };
        let generator = || <rand::rngs::StdRng as rand::SeedableRng>::from_seed(seed);
        let (low, _) = seed.split_at(size_of::<u128>());
        let low = low.try_into().expect("a seed is longer than a number");
        wasi.secure_random(generator())
            .insecure_random(generator())
            .insecure_random_seed(u128::from_le_bytes(low));
    }

    /// The wall clock of WASI, in seconds since 1970: `read` from the host's where there is one.
    pub fn now(&self, read: impl FnOnce() -> u64) -> u64 {
        match &self.way {
            Way::Recorded(recorder) => {
                let now = read();
                recorder.read_clock(now);
                now
            }
            Way::Replayed(replay) => replay.now(),
        }
    }

    /// Begins a request that leaves by a way of its own.
    pub fn exchange(&self) -> Exchange {
        Exchange::new(self.way.clone())
    }

    /// Lets a call cross. What is only `heard`, such as a line for the log, is said again in a
    /// replay too, and compared with nothing.
    async fn pass<P, R, MP, MR, F>(
        self,
        function: Arc<str>,
        heard: bool,
        params: P,
        call: impl FnOnce(P) -> F + Send,
    ) -> wasmtime::Result<R>
    where
        P: Arguments<MP> + Send,
        R: Answered<MR>,
        F: Future<Output = wasmtime::Result<R>> + Send,
    {
        match &self.way {
            Way::Recorded(recorder) => {
                let arguments = self.handles(|handles| params.told(handles))?;
                let slot = recorder.begin(&function, heard, arguments);
                let answer = call(params).await?;
                recorder.end(slot, self.handles(|handles| answer.told(handles))?);
                Ok(answer)
            }
            Way::Replayed(_) if heard => call(params).await,
            Way::Replayed(replay) => {
                let arguments = self.handles(|handles| params.told(handles))?;
                let answer = replay.answer(&function, arguments)?;
                let (line, answer) = (answer.line, answer.value);
                let answer = self.handles(|handles| R::of(answer, handles));
                Ok(answer.map_err(|why| replay.no_answer(line, &function, &why))?)
            }
        }
    }

    fn handles<T>(&self, look: impl FnOnce(&mut Handles) -> T) -> T {
        look(&mut self.handles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A handle is gone; whether the host has something behind it.
    fn dropped(&self, rep: u32) -> bool {
        self.handles(|handles| handles.forget(rep))
    }
}

#[cfg(test)]
mod tests;
