//! What an earlier answer said of each of a list's items, found again by the bytes that it was told with: of a thousand instances nearly all are as
//! they were a moment ago, and what is said in the same bytes need not be read again.
//!
//! Items are looked for in their order, which AWS keeps but for those that came and went. The bytes themselves are not held: a hash of them is, whose
//! key nobody outside of this process knows, so that nobody can make two that are alike.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How often in a list, for each of its items, one of before is looked at in order to find out where we are: in another order, what is known is of no use,
/// and looking for it would cost more than to read.
const LOOKS: usize = 16;

/// One item: how many bytes it had and their hash, unless they came in two pieces; and what they said.
#[derive(Debug, Clone)]
pub(in super::super) struct Item<T> {
    bytes: Option<(usize, u64)>,
    said: T,
}

/// What the last answer said.
pub(in super::super) type Earlier<T> = Arc<Vec<Item<T>>>;

/// Where it is kept between two calls.
#[derive(Debug)]
pub(in super::super) struct Kept<T>(Mutex<Earlier<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    pub(in super::super) fn get(&self) -> Earlier<T> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in super::super) fn put(&self, known: Known<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known.now);
    }
}

/// An answer that is being read.
#[derive(Debug, Clone)]
pub(in super::super) struct Known<T> {
    earlier: Earlier<T>,
    /// Where in it we are.
    at: usize,
    /// How many of them may still be looked at.
    looks: usize,
    now: Vec<Item<T>>,
}

impl<T> Known<T> {
    pub(in super::super) fn after(earlier: Earlier<T>) -> Self {
        Self { looks: LOOKS * earlier.len(), earlier, at: 0, now: Vec::new() }
    }

    /// For the next page of the same list.
    pub(in super::super) fn page(&self) -> Self {
        Self { earlier: Arc::clone(&self.earlier), at: self.at, looks: self.looks, now: Vec::new() }
    }

    /// That page was read.
    pub(in super::super) fn extend(&mut self, page: Self) {
        (self.at, self.looks) = (page.at, page.looks);
        self.now.extend(page.now);
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self::after(Arc::default())
    }
}

impl<T: Clone> Known<T> {
    /// What the item says that begins here, if it is told with the same bytes as the next one of before; and how many those are.
    pub(super) fn same(&mut self, rest: &[u8]) -> Option<(usize, T)> {
        let item = self.earlier.get(self.at)?;
        let (length, hash) = item.bytes?;
        if KEY.hash_one(rest.get(..length)?) != hash {
            return None;
        }
        self.at += 1;
        self.now.push(item.clone());
        Some((length, item.said.clone()))
    }

    /// An item was read that was told with these bytes, if they are at hand. `is` finds the same one among those of before, whatever was said of it.
    pub(super) fn learn(&mut self, bytes: Option<&[u8]>, said: T, is: impl Fn(&T) -> bool) {
        let ahead = self.earlier[self.at..].iter().take(self.looks);
        let (most, found) = (ahead.len(), ahead.map(|item| &item.said).position(is));
        self.looks -= found.unwrap_or(most);
        self.at += found.map_or(0, |at| at + 1);
        self.now.push(Item { bytes: bytes.map(|bytes| (bytes.len(), KEY.hash_one(bytes))), said });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list, a page for each four items; those that had to be read for it.
    fn read(kept: &Kept<String>, list: &str) -> String {
        let mut all = Known::after(kept.get());
        let mut read = Vec::new();
        let mut rest = list;
        let mut known = all.page();
        while !rest.is_empty() {
            if known.now.len() == 4 {
                all.extend(known);
                known = all.page();
            }
            if let Some((length, said)) = known.same(rest.as_bytes()) {
                assert_eq!(said, rest[..length]);
                rest = &rest[length..];
                continue;
            }
            let (item, further) = rest.split_at(rest.find(' ').map_or(rest.len(), |at| at + 1));
            known.learn(Some(item.as_bytes()).filter(|_| !item.starts_with('x')), item.to_owned(), |was| was[..1] == item[..1]);
            read.push(item.trim());
            rest = further;
        }
        all.extend(known);
        kept.put(all);
        read.join(" ")
    }

    #[test]
    fn only_what_is_new_or_otherwise_is_read() {
        let kept = Kept::default();
        assert_eq!(read(&kept, "a1 b1 c1 d1 e1 "), "a1 b1 c1 d1 e1");
        assert_eq!(read(&kept, "a1 b1 c1 d1 e1 "), "");
        assert_eq!(read(&kept, "a1 b2 c1 d1 e1 "), "b2", "changed");
        assert_eq!(read(&kept, "a1 d1 e1 "), "d1", "after those that went, one shows where we are");
        assert_eq!(read(&kept, "f1 a1 d1 x1 e1 g1 "), "f1 x1 g1", "came");
        assert_eq!(read(&kept, "f1 a1 d1 x1 e1 g1 "), "x1", "whose bytes did not come at once");
        assert_eq!(read(&kept, "g1 e1 f1 a1 "), "g1 e1 f1 a1", "in another order everything is read");
        let mut known = Known::after(kept.get());
        for n in 0..100 {
            known.learn(None, n.to_string(), |_| false);
        }
        assert_eq!((known.at, known.looks), (0, 0), "not looked for in vain for ever");
    }
}
