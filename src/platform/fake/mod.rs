//! A scripted world.
