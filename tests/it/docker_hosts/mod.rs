//! Where engines are and who may use them, on real ones: several at once, over TLS, without permission, two drills side by side.

mod forbidden;
mod overlapping;
mod rig;
mod secured;
mod several;
