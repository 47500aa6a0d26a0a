//! Key tables: what a map of a file may hold. Reading uses them to know every key, `schema` prints them: one source for both.

/// A map with known keys.
#[derive(Debug)]
pub struct Table {
    /// What the map is, with its article: "a probe".
    pub is: &'static str,
    /// The keys.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand behind it.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for: the description in the schema.
    pub about: &'static str,
}

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any scalar.
    Text,
    /// Text or where a secret is found: `{ env: NAME }`, `{ file: PATH }`.
    Secret,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// `2s`.
    Duration,
    /// `99.5%`.
    Share,
    /// `200/s`.
    Rate,
    /// `64KiB`.
    Bytes,
    /// `>= 99.5%`.
    Comparison,
    /// A name of `a-z`, `0-9` and `-`.
    Name,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A map with any keys.
    Map(&'static Kind),
    /// A map with these keys.
    Table(&'static Table),
    /// A map with just one of these keys that says what it is (a fault, a probe's kind), beside others.
    Tables(&'static [&'static Table]),
    /// One of several forms.
    Either(&'static [Kind]),
    /// Anything.
    Any,
}

/// A key that may be left out.
pub const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, required: false, about }
}

/// A key that must be there.
pub const fn must(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, required: true, about }
}

impl Table {
    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|k| k.name)
    }
}
