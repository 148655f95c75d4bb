//! Which of the two an attempt is.

use super::recorder::Recorder;
use super::replay::Replay;

/// What becomes of a call.
#[derive(Clone)]
pub(crate) enum Way {
    Recorded(Recorder),
    Replayed(Replay),
}
