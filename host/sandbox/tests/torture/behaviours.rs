//! Everything that the hostile fixtures can be told to do, out of the files that the
//! fixtures themselves are built from.

use std::fmt;

use serde::Serialize;

#[path = "../../../../plugins/fixtures/hostile/src/behaviour.rs"]
mod guest;
#[path = "../../../../plugins/fixtures/hostile-verify/src/behaviour.rs"]
mod judge;
#[path = "../../../../plugins/fixtures/hostile-store/src/behaviour.rs"]
mod store;

pub use guest::Behaviour as Guest;
pub use judge::Behaviour as Judge;
pub use store::Behaviour as Store;

/// One behaviour of one fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    Guest(Guest),
    Judge(Judge),
    Store(Store),
}

impl Act {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let guests = Guest::ALL.iter().copied().map(Self::Guest);
        let judges = Judge::ALL.iter().copied().map(Self::Judge);
        let stores = Store::ALL.iter().copied().map(Self::Store);
        guests.chain(judges).chain(stores).collect()
    }

    /// The fixture that does it.
    pub fn fixture(self) -> &'static str {
        match self {
            Self::Guest(_) => "hostile",
            Self::Judge(_) => "hostile-verify",
            Self::Store(_) => "hostile-store",
        }
    }

    /// How the fixture's configuration names it.
    pub fn word(self) -> String {
        match self {
            Self::Guest(behaviour) => word(&behaviour),
            Self::Judge(behaviour) => word(&behaviour),
            Self::Store(behaviour) => word(&behaviour),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.fixture(), self.word())
    }
}

fn word(behaviour: &impl Serialize) -> String {
    let value = serde_json::to_value(behaviour).expect("a behaviour is a word");
    value.as_str().expect("a behaviour is a word").to_owned()
}
