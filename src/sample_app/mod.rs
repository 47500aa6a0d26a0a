//! Layer 1: what the rungs of the ladder run.
