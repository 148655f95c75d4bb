//! A limit that was hit, and the sentence that an operator gets.

use std::fmt;
use std::time::Duration;

use drydock_core::{ErrorClass, ErrorCode, Fault};

use super::MIB;

/// A limit that a guest hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitHit {
    /// In bytes.
    Memory {
        asked: usize,
        limit: usize,
    },
    /// In elements.
    Table {
        asked: usize,
        limit: usize,
    },
    Cpu {
        spent: Duration,
        limit: Duration,
    },
    Idle {
        limit: Duration,
    },
    Wall {
        limit: Duration,
    },
    HostCalls {
        limit: u64,
    },
    /// After it was asked to stop.
    StoppingCalls {
        limit: u64,
    },
    Handles {
        limit: usize,
    },
    /// In bytes.
    Argument {
        limit: usize,
    },
    /// In bytes.
    Stack {
        limit: usize,
    },
    /// In bytes.
    Result {
        asked: usize,
        limit: usize,
    },
}

impl LimitHit {
    /// As the fault that ends the attempt of `plugin`.
    pub fn fault(self, plugin: &str) -> Fault {
        let (asked, limit) = self.figures();
        let message = match self.key() {
            Some(key) => format!("plugin {plugin} {}: {}", self.told(), mend(key)),
            None => format!(
                "plugin {plugin} {}, which no document raises: {}",
                self.told(),
                self.advice()
            ),
        };
        Fault::new(self.class(), self.code(), message)
            .with_detail("asked", asked)
            .with_detail("limit", limit)
    }

    fn code(self) -> ErrorCode {
        match self {
            Self::Memory { .. } => ErrorCode::MemoryLimit,
            Self::Table { .. } => ErrorCode::TableLimit,
            Self::Cpu { .. } => ErrorCode::CpuLimit,
            Self::Idle { .. } => ErrorCode::IdleLimit,
            Self::Wall { .. } => ErrorCode::WallLimit,
            Self::HostCalls { .. } | Self::StoppingCalls { .. } => ErrorCode::HostCallLimit,
            Self::Handles { .. } => ErrorCode::HandlesLimit,
            Self::Argument { .. } => ErrorCode::ArgumentLimit,
            Self::Stack { .. } => ErrorCode::StackLimit,
            Self::Result { .. } => ErrorCode::ResultLimit,
        }
    }

    /// Whoever waits in vain for somebody else may have more luck the next time.
    fn class(self) -> ErrorClass {
        match self {
            Self::Idle { .. } | Self::Wall { .. } => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        }
    }

    /// The key under `limits:` that raises it.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::Memory { .. } => Some("guestMemoryMebibytes"),
            Self::Table { .. } => Some("tableElements"),
            Self::Cpu { .. } => Some("guestCpuSeconds"),
            Self::Idle { .. } => Some("idleSeconds"),
            Self::Wall { .. } => Some("stepWallSeconds"),
            Self::HostCalls { .. } => Some("hostCalls"),
            Self::Handles { .. } => Some("handles"),
            Self::Result { .. } => Some("resultKibibytes"),
            Self::Argument { .. } | Self::Stack { .. } | Self::StoppingCalls { .. } => None,
        }
    }

    /// What was asked or used, and what is allowed.
    pub fn told(self) -> String {
        match self {
            Self::Memory { asked, limit } => format!(
                "asked for {} MiB of memory, the limit is {} MiB",
                asked.div_ceil(MIB),
                limit / MIB
            ),
            Self::Table { asked, limit } => {
                format!("asked for tables of {asked} elements, the limit is {limit}")
            }
            Self::Cpu { spent, limit } => format!(
                "computed for {:.1} s of CPU time, the limit is {} s",
                spent.as_secs_f64(),
                limit.as_secs_f64()
            ),
            Self::Idle { limit } => format!(
                "moved no byte and reported no progress for {0} s, the limit is {0} s",
                limit.as_secs_f64()
            ),
            Self::Wall { limit } => format!(
                "did not return within {0} s, the limit is {0} s",
                limit.as_secs_f64()
            ),
            Self::HostCalls { limit } => {
                format!("called the host more than {limit} times, the limit is {limit}")
            }
            Self::StoppingCalls { limit } => format!("called the host {limit} times more"),
            Self::Handles { limit } => {
                format!("holds more than {limit} handles at once, the limit is {limit}")
            }
            Self::Argument { limit } => format!(
                "handed the host more than {0} MiB in one call, the limit is {0} MiB",
                limit / MIB
            ),
            Self::Stack { limit } => format!(
                "called itself too deeply for its stack, the limit is {} KiB",
                limit / 1024
            ),
            Self::Result { asked, limit } => {
                format!("returned {asked} bytes, the limit is {limit} bytes")
            }
        }
    }

    /// What its author can do, where no document helps.
    fn advice(self) -> &'static str {
        match self {
            Self::Stack { .. } => "it must recurse less",
            _ => "it must hand over less at once",
        }
    }

    /// What was asked for and what is allowed, in the smallest unit of the limit; seconds
    /// for times. Where counting ended at the limit, one more than that.
    fn figures(self) -> (String, String) {
        let pair = |asked: u64, limit: u64| (asked.to_string(), limit.to_string());
        let sizes = |asked: usize, limit: usize| pair(asked as u64, limit as u64);
        let times = |asked: Duration, limit: Duration| {
            let seconds = |time: Duration| time.as_secs_f64().to_string();
            (seconds(asked), seconds(limit))
        };
        match self {
            Self::Memory { asked, limit }
            | Self::Table { asked, limit }
            | Self::Result { asked, limit } => sizes(asked, limit),
            Self::Cpu { spent, limit } => times(spent, limit),
            Self::Idle { limit } | Self::Wall { limit } => times(limit, limit),
            Self::HostCalls { limit } | Self::StoppingCalls { limit } => {
                pair(limit.saturating_add(1), limit)
            }
            Self::Handles { limit } | Self::Argument { limit } | Self::Stack { limit } => {
                sizes(limit.saturating_add(1), limit)
            }
        }
    }
}

/// For the engine, which carries it out of the guest; operators get the fault.
impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().as_str())
    }
}

impl std::error::Error for LimitHit {}

/// A walk over every limit, for tests: a new one does not compile before it has its place.
#[cfg(test)]
impl LimitHit {
    pub const FIRST: Self = Self::Memory { asked: 2, limit: 1 };

    pub fn next(self) -> Option<Self> {
        let (limit, time) = (1, Duration::from_secs(1));
        match self {
            Self::Memory { .. } => Some(Self::Table { asked: 2, limit }),
            Self::Table { .. } => Some(Self::Cpu {
                spent: time,
                limit: time,
            }),
            Self::Cpu { .. } => Some(Self::Idle { limit: time }),
            Self::Idle { .. } => Some(Self::Wall { limit: time }),
            Self::Wall { .. } => Some(Self::HostCalls { limit: 1 }),
            Self::HostCalls { .. } => Some(Self::StoppingCalls { limit: 1 }),
            Self::StoppingCalls { .. } => Some(Self::Handles { limit }),
            Self::Handles { .. } => Some(Self::Argument { limit }),
            Self::Argument { .. } => Some(Self::Stack { limit }),
            Self::Stack { .. } => Some(Self::Result { asked: 2, limit }),
            Self::Result { .. } => None,
        }
    }
}

/// The mend of a limit that documents set.
pub(crate) fn mend(key: &str) -> String {
    format!(
        "raise `limits: {{{key}: ...}}` of its PluginGrant, or of the node's configuration, if it is to have more"
    )
}
