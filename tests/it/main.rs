//! Integration tests.
mod bad_files;
