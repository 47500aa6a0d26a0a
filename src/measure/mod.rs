//! Layer 1: samples to numbers, numbers to judgements. Pure: no I/O, no clock; randomness only by seed.

pub mod source;
