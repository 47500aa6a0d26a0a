//! What the gallery is made of: an example's files, and its rows.

use crate::{cli::trial::Expected, sample_app::programs::Program};

/// An example of `examples/`.
#[derive(Debug)]
pub struct Example {
    /// Its folder there.
    pub name: &'static str,
    /// What the example asks, as a title of its rows.
    pub asks: &'static str,
    /// Its files, inside the binary: their names in the folder, and their text.
    pub files: &'static [(&'static str, &'static str)],
    /// Its drills.
    pub rows: &'static [Row],
}

/// A drill of an example on the local platform, and what it must show.
#[derive(Debug)]
pub struct Row {
    /// What it is called, with its example's name before it: `sticky` is `shop/sticky`.
    pub name: &'static str,
    /// What runs there. It fits a table on a terminal of 80 columns: 34 characters.
    pub what: &'static str,
    /// The experiment.
    pub file: &'static str,
    /// The environment in `firedrill.yaml`.
    pub environment: &'static str,
    /// The variables of that environment that are ports.
    pub ports: &'static [&'static str],
    /// What it must show.
    pub expected: Expected,
    /// The programs that it needs.
    pub needs: &'static [Program],
}

/// The files of an example, as they lie in the repository.
macro_rules! embedded {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../examples/", $folder, "/", $name)))),+]
    };
}
pub(super) use embedded;
