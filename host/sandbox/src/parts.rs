//! Values by their type: what was linked for a guest, and what the host brings to that.
//! Whoever holds them knows none of the types; each is a matter between those that put it
//! there and those that take it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// What one guest was given for its attempt.
#[derive(Default)]
pub(crate) struct GuestParts(HashMap<TypeId, Box<dyn Any + Send>>);

/// What outlives an attempt. Clones share the values.
#[derive(Clone, Default)]
pub(crate) struct HostParts(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl GuestParts {
    pub fn put<T: Any + Send>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// None for a call that has no power, whatever was linked.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    pub fn get_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.0.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }
}

impl HostParts {
    #[must_use]
    pub fn with<T: Any + Send + Sync>(&self, value: T) -> Self {
        let mut parts = self.clone();
        parts.put(value);
        parts
    }

    pub fn put<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
