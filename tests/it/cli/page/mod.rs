//! The page and the API of `firedrill serve`, through the real program: who gets in, what it does, and what bad clients cannot do.

mod access;
mod browser;
mod live;
mod site;
