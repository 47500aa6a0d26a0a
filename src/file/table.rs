//! Key tables: what a map of a file may hold. Reading uses them to know every key, `schema` prints them: one source for both.

/// A map with known keys.
#[derive(Debug)]
pub struct Table {
    /// What the map is, with its article: "a probe".
    pub is: &'static str,
    /// Its own keys.
    pub keys: &'static [Key],
    /// Keys that it shares with others.
    pub also: Option<&'static Table>,
    /// Exactly one of these keys must be there.
    pub one_of: &'static [&'static str],
    /// Keys that one may look for here, each with why there is none.
    pub refused: &'static [(&'static str, &'static str)],
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
    /// `1MB/s`.
    Bandwidth,
    /// `>= 99.5%`.
    Comparison,
    /// `< 0.05`: a comparison with a plain number.
    Threshold,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A map with any keys.
    Map(&'static Kind),
    /// A map with these keys.
    Table(&'static Table),
    /// A map with the keys of one of these tables.
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
    /// A map with these keys.
    pub const fn new(is: &'static str, keys: &'static [Key]) -> Self {
        Self { is, keys, also: None, one_of: &[], refused: &[] }
    }

    /// With the keys of another table beside its own.
    #[must_use]
    pub const fn also(mut self, other: &'static Table) -> Self {
        self.also = Some(other);
        self
    }

    /// With exactly one of these keys.
    #[must_use]
    pub const fn one_of(mut self, names: &'static [&'static str]) -> Self {
        self.one_of = names;
        self
    }

    /// With words for keys that one may look for here.
    #[must_use]
    pub const fn without(mut self, refused: &'static [(&'static str, &'static str)]) -> Self {
        self.refused = refused;
        self
    }

    /// All keys, its own first.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().chain(self.also.map_or(&[][..], |t| t.keys)).chain(self.also.and_then(|t| t.also).map_or(&[][..], |t| t.keys))
    }

    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.all().map(|k| k.name)
    }

    /// Whether a key is known.
    pub fn knows(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }
}
