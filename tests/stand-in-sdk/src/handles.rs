//! Handles as the vendor gives them out: small numbers from 0, the lowest free one first.

use std::sync::Arc;

/// A table of what is open, by handle.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Option<Arc<T>>>,
}

impl<T> Slots<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Puts `value` under the lowest free handle.
    pub fn insert(&mut self, value: Arc<T>) -> i32 {
        let free = self
            .slots
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
        self.slots[free] = Some(value);
        i32::try_from(free).expect("fewer than 2^31 handles are open")
    }

    /// What is open under `handle`.
    pub fn get(&self, handle: i32) -> Option<Arc<T>> {
        self.slots.get(usize::try_from(handle).ok()?)?.clone()
    }

    /// Closes `handle`; it is free from now on.
    pub fn remove(&mut self, handle: i32) -> Option<Arc<T>> {
        self.slots.get_mut(usize::try_from(handle).ok()?)?.take()
    }

    /// Closes everything.
    pub fn drain(&mut self) -> Vec<Arc<T>> {
        self.slots.drain(..).flatten().collect()
    }

    /// How many are open.
    pub fn len(&self) -> u32 {
        u32::try_from(self.slots.iter().flatten().count())
            .expect("fewer than 2^31 handles are open")
    }

    /// What is open, with its handle.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_handle_is_reused() {
        let mut slots = Slots::new();
        for n in 0..3 {
            assert_eq!(slots.insert(Arc::new(n)), n);
        }
        assert_eq!(slots.remove(1).as_deref(), Some(&1));
        assert!(slots.remove(1).is_none());
        assert_eq!(slots.insert(Arc::new(9)), 1);
        assert_eq!(slots.insert(Arc::new(10)), 3);
        assert!(slots.get(-1).is_none() && slots.get(77).is_none());
        assert_eq!(slots.len(), 4);
    }
}
