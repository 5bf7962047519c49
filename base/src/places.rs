//! How many of something each key may hold at once: connections of one address, streams of one person.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Gives at most so many places to each key. Cheap to clone.
#[derive(Debug)]
pub struct Places<K> {
    each_max: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// A place, held until it is dropped.
#[derive(Debug)]
pub struct Place<K: Hash + Eq> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self {
            each_max: self.each_max,
            taken: self.taken.clone(),
        }
    }
}

impl<K: Hash + Eq + Clone> Places<K> {
    /// So many for each key.
    pub fn new(each_max: usize) -> Self {
        Self {
            each_max,
            taken: Arc::default(),
        }
    }

    /// A place, or none when the key holds all of its own.
    pub fn take(&self, key: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&key).copied().unwrap_or(0);
        if count >= self.each_max {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        Some(Place {
            key,
            taken: self.taken.clone(),
        })
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_places_and_gives_them_back() {
        let places = Places::new(2);
        let first = places.take("a").unwrap();
        let _second = places.take("a").unwrap();
        assert!(places.take("a").is_none());
        assert!(places.take("b").is_some());
        drop(first);
        let _third = places.take("a").unwrap();
        assert!(places.take("a").is_none());
        assert_eq!(places.taken.lock().unwrap().len(), 1);
    }
}
