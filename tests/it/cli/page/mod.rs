//! The page and the API of `firedrill serve`, through the real program: who gets in, what it does, and what bad clients cannot do.

mod access;
pub mod browser;
mod live;
pub mod site;
