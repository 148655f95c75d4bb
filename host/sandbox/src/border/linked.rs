//! wasmtime as the bindings of the contract see it: the same, but for a linker that knows each
//! function by its name, and lets its calls cross the border.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Crossing;
use super::passing::{Answered, Arguments};

pub use wasmtime::*;

/// How an attempt crosses the border, out of the state behind its store; none where nobody
/// looks.
pub type CrossingOf<T> = fn(&T) -> Option<&Crossing>;

pub mod component {
    pub use super::{Linker, LinkerInstance};
    pub use wasmtime::component::*;
}

/// A linker of interfaces of the contract. Dereferenced, it links what is none of them, which
/// crosses unseen.
pub struct Linker<T: 'static> {
    inner: wasmtime::component::Linker<T>,
    crossing: CrossingOf<T>,
    /// Whether an interface is one by which a plugin only says something to the host.
    heard: fn(&str) -> bool,
    /// Every function that was linked.
    functions: Vec<Arc<str>>,
}

/// One interface of it.
pub struct LinkerInstance<'a, T: 'static> {
    inner: wasmtime::component::LinkerInstance<'a, T>,
    crossing: CrossingOf<T>,
    interface: String,
    heard: bool,
    functions: &'a mut Vec<Arc<str>>,
}

impl<T: 'static> Linker<T> {
    pub fn new(engine: &Engine, crossing: CrossingOf<T>, heard: fn(&str) -> bool) -> Self {
        Self {
            inner: wasmtime::component::Linker::new(engine),
            crossing,
            heard,
            functions: Vec::new(),
        }
    }

    pub fn instance(&mut self, interface: &str) -> Result<LinkerInstance<'_, T>> {
        Ok(LinkerInstance {
            inner: self.inner.instance(interface)?,
            crossing: self.crossing,
            interface: interface.to_owned(),
            heard: (self.heard)(interface),
            functions: &mut self.functions,
        })
    }

    /// What calls of can be written down: `interface#function`.
    #[cfg(test)]
    pub fn functions(&self) -> &[Arc<str>] {
        &self.functions
    }
}

impl<T: 'static> Deref for Linker<T> {
    type Target = wasmtime::component::Linker<T>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<T: 'static> DerefMut for Linker<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl<T: Send + 'static> LinkerInstance<'_, T> {
    /// Links a function whose calls cross the border.
    pub fn func_wrap_async<P, R, MP, MR, F>(&mut self, name: &str, call: F) -> Result<()>
    where
        F: Fn(StoreContextMut<'_, T>, P) -> Box<dyn Future<Output = Result<R>> + Send + '_>
            + Send
            + Sync
            + 'static,
        P: component::ComponentNamedList + component::Lift + Arguments<MP> + Send + 'static,
        R: component::ComponentNamedList + component::Lower + Answered<MR> + Send + 'static,
    {
        let function: Arc<str> = format!("{}#{name}", self.interface).into();
        self.functions.push(Arc::clone(&function));
        let (crossing_of, heard, call) = (self.crossing, self.heard, Arc::new(call));
        self.inner.func_wrap_async(
            name,
            move |store: StoreContextMut<'_, T>,
                  params: P|
                  -> Box<dyn Future<Output = _> + Send + '_> {
                let Some(crossing) = crossing_of(store.data()).cloned() else {
                    return call(store, params);
                };
                let (function, call) = (Arc::clone(&function), Arc::clone(&call));
                Box::new(async move {
                    let called = move |params| Box::into_pin(call(store, params));
                    crossing.pass(function, heard, params, called).await
                })
            },
        )
    }

    /// Links a resource. What a record has given out has nothing behind it that could end.
    pub fn resource_async<F>(
        &mut self,
        name: &str,
        ty: component::ResourceType,
        end: F,
    ) -> Result<()>
    where
        F: Fn(StoreContextMut<'_, T>, u32) -> Box<dyn Future<Output = Result<()>> + Send + '_>
            + Send
            + Sync
            + 'static,
    {
        let crossing_of = self.crossing;
        self.inner
            .resource_async(name, ty, move |store: StoreContextMut<'_, T>, rep| {
                let crossing = crossing_of(store.data());
                if crossing.is_none_or(|crossing| crossing.dropped(rep)) {
                    end(store, rep)
                } else {
                    Box::new(async { Ok(()) })
                }
            })
    }
}
