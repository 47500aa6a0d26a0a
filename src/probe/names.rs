//! The table of names (backends, zones, addresses) that samples refer to. Bounded: names come from answers, which may be hostile.

use std::{collections::HashMap, net::SocketAddr};

use crate::model::sample::NameIndex;

/// At most this many names; one place is kept for `OTHERS`.
const MOST: usize = 65_000;
/// A name is cut after so many bytes.
const LONGEST: usize = 128;
/// What every name is called after the table is full.
const OTHERS: &str = "(others)";

/// Names by index.
#[derive(Debug)]
pub struct Names {
    list: Vec<String>,
    index: HashMap<String, u16>,
    addresses: HashMap<SocketAddr, NameIndex>,
}

impl Default for Names {
    fn default() -> Self {
        Self { list: vec![String::new()], index: HashMap::new(), addresses: HashMap::new() }
    }
}

impl Names {
    /// The index of a name, taken into the table when it is new. The empty name is "not known".
    pub fn index(&mut self, name: &str) -> NameIndex {
        let mut end = name.len().min(LONGEST);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = &name[..end];
        if name.is_empty() {
            return NameIndex(0);
        }
        if let Some(&index) = self.index.get(name) {
            return NameIndex(index);
        }
        if self.list.len() > MOST {
            return NameIndex(MOST as u16);
        }
        let name = if self.list.len() == MOST { OTHERS } else { name };
        let index = self.list.len() as u16;
        self.list.push(name.to_owned());
        self.index.insert(name.to_owned(), index);
        NameIndex(index)
    }

    /// The index of an address.
    pub fn address(&mut self, address: SocketAddr) -> NameIndex {
        if let Some(&index) = self.addresses.get(&address) {
            return index;
        }
        let index = self.index(&address.to_string());
        if self.addresses.len() < MOST {
            self.addresses.insert(address, index);
        }
        index
    }

    /// The name of an index that was given out.
    pub fn get(&self, index: NameIndex) -> &str {
        self.list.get(usize::from(index.0)).map_or("", String::as_str)
    }

    /// All names, by index.
    pub fn into_list(self) -> Vec<String> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_the_empty_one_is_not_known() {
        let mut names = Names::default();
        assert_eq!(names.index(""), NameIndex(0));
        let web = names.index("web-a-1");
        assert_eq!(names.index("web-a-1"), web);
        assert_ne!(names.index("web-a-2"), web);
        let address = names.address("127.0.0.1:80".parse().unwrap());
        assert_eq!(names.address("127.0.0.1:80".parse().unwrap()), address);
        assert_eq!(names.into_list(), ["", "web-a-1", "web-a-2", "127.0.0.1:80"]);
    }

    #[test]
    fn a_server_that_makes_up_names_fills_neither_table_nor_memory() {
        let mut names = Names::default();
        for i in 0..70_000 {
            names.index(&format!("made-up-{i}"));
        }
        assert_eq!(names.index("one more"), NameIndex(MOST as u16));
        assert_eq!(names.index("made-up-5"), NameIndex(6));
        names.index(&"ä".repeat(1000));
        let list = names.into_list();
        assert_eq!((list.len(), list[MOST].as_str()), (MOST + 1, OTHERS));
    }
}
