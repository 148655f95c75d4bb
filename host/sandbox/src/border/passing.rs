//! What can cross the border: values, which are written down by what they hold; and handles,
//! which are numbers for as long as an attempt goes on. A function of the contract that takes
//! or gives anything else cannot be linked.
//!
//! The parameter of the traits says which of these a type is: for each type there is one.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasmtime::component::Resource;

use super::told::{HANDLE, Told};

/// Handles that a record gave out are counted from here on: far above those of a table.
const STAND_INS_FROM: u32 = 1 << 30;

/// The handles of an attempt that an answer gave out, as a record knows them.
#[derive(Default)]
pub struct Handles {
    numbers: HashMap<u32, u32>,
    given: u32,
}

/// A value, by what it holds.
pub enum ByValue {}

/// A resource, by its number.
pub enum ByHandle {}

/// A resource, or why there is none.
pub enum ByHandleIfAny {}

/// What a call is given.
pub trait Argument<How> {
    fn told(&self, handles: &Handles) -> wasmtime::Result<Told>;
}

/// What a call answers.
pub trait Answer<How>: Sized {
    fn told(&self, handles: &mut Handles) -> wasmtime::Result<Told>;

    /// An answer that was written down; the error says what it is not.
    fn of(value: Value, handles: &mut Handles) -> Result<Self, String>;
}

/// All arguments of a call.
pub trait Arguments<How> {
    fn told(&self, handles: &Handles) -> wasmtime::Result<Vec<Told>>;
}

/// The one answer of a call, or none.
pub trait Answered<How>: Sized {
    fn told(&self, handles: &mut Handles) -> wasmtime::Result<Told>;

    fn of(value: Value, handles: &mut Handles) -> Result<Self, String>;
}

impl Handles {
    /// A handle in an argument: none of an answer's is one that the call was given.
    fn told(&self, rep: u32) -> Told {
        Told::Handle(self.numbers.get(&rep).copied())
    }

    /// A handle in an answer.
    fn give(&mut self, rep: u32) -> Told {
        self.given += 1;
        self.numbers.insert(rep, self.given);
        Told::Handle(Some(self.given))
    }

    /// A handle that stands for what a record once gave out.
    fn stand_in<T: 'static>(&mut self, value: &Value) -> Result<Resource<T>, String> {
        let number = value.get(HANDLE).and_then(Value::as_u64);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let rep = number.and_then(|number| STAND_INS_FROM.checked_add(number));
        let (Some(number), Some(rep)) = (number, rep) else {
            return Err(format!("{value} is no handle"));
        };
        self.given = self.given.max(number);
        self.numbers.insert(rep, number);
        Ok(Resource::new_own(rep))
    }

    /// Whether there is something behind it.
    pub fn forget(&mut self, rep: u32) -> bool {
        self.numbers.remove(&rep);
        rep < STAND_INS_FROM
    }
}

impl<T: Serialize> Argument<ByValue> for T {
    fn told(&self, _: &Handles) -> wasmtime::Result<Told> {
        Ok(Told::of(self)?)
    }
}

impl<T: 'static> Argument<ByHandle> for Resource<T> {
    fn told(&self, handles: &Handles) -> wasmtime::Result<Told> {
        Ok(handles.told(self.rep()))
    }
}

impl<T: Serialize + DeserializeOwned> Answer<ByValue> for T {
    fn told(&self, _: &mut Handles) -> wasmtime::Result<Told> {
        Ok(Told::of(self)?)
    }

    fn of(value: Value, _: &mut Handles) -> Result<Self, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }
}

impl<T, E> Answer<ByHandleIfAny> for Result<Resource<T>, E>
where
    T: 'static,
    E: Serialize + DeserializeOwned,
{
    fn told(&self, handles: &mut Handles) -> wasmtime::Result<Told> {
        let (case, told) = match self {
            Ok(handle) => ("Ok", handles.give(handle.rep())),
            Err(error) => ("Err", Told::of(error)?),
        };
        Ok(Told::Map(vec![(case.to_owned(), told)]))
    }

    fn of(value: Value, handles: &mut Handles) -> Result<Self, String> {
        if let Some(handle) = value.get("Ok") {
            return handles.stand_in(handle).map(Ok);
        }
        let error = value.get("Err").cloned().unwrap_or(Value::Null);
        let error = serde_json::from_value(error);
        error.map(Err).map_err(|error| error.to_string())
    }
}

impl Answered<()> for () {
    fn told(&self, _: &mut Handles) -> wasmtime::Result<Told> {
        Ok(Told::of(&())?)
    }

    fn of(value: Value, _: &mut Handles) -> Result<Self, String> {
        match value {
            Value::Null => Ok(()),
            _ => Err("there is one, and the call has none".to_owned()),
        }
    }
}

impl<A: Answer<How>, How> Answered<(How,)> for (A,) {
    fn told(&self, handles: &mut Handles) -> wasmtime::Result<Told> {
        self.0.told(handles)
    }

    fn of(value: Value, handles: &mut Handles) -> Result<Self, String> {
        A::of(value, handles).map(|answer| (answer,))
    }
}

/// Tuples of so many arguments.
macro_rules! arguments {
    ($(($($argument:ident $how:ident),*))*) => {
        $(
            #[expect(non_snake_case, reason = "an argument is named as its type")]
            impl<$($argument: Argument<$how>, $how),*> Arguments<($($how,)*)> for ($($argument,)*) {
                fn told(&self, handles: &Handles) -> wasmtime::Result<Vec<Told>> {
                    let ($($argument,)*) = self;
                    Ok(vec![$($argument.told(handles)?),*])
                }
            }
        )*
    };
}

impl Arguments<()> for () {
    fn told(&self, _: &Handles) -> wasmtime::Result<Vec<Told>> {
        Ok(Vec::new())
    }
}

arguments! {
    (A HowA)
    (A HowA, B HowB)
    (A HowA, B HowB, C HowC)
    (A HowA, B HowB, C HowC, D HowD)
    (A HowA, B HowB, C HowC, D HowD, E HowE)
    (A HowA, B HowB, C HowC, D HowD, E HowE, F HowF)
}
