//! AWS: instances of one account in one or several regions, through its API.
//!
//! * Who asks: `connection` (credentials, account, regions), `calls` (the one way out: turns, deadlines, tries, counts), `bucket`, `trouble`
//!   (the one place that reads AWS's errors).
//! * What is there: `read` (pages become our own types), `world` (those types), `inventory`, `service`, `own` (the instance that we run on),
//!   `sight` (what was seen a moment ago).
//!
//! AWS is not trusted to answer, nor to be up to date: a lost answer is *unknown* and the state is read back; what was just made may not be
//! visible yet, what is dead may still be listed.

mod bucket;
mod calls;
mod connection;
mod inventory;
mod own;
mod read;
mod service;
mod trouble;
mod world;
