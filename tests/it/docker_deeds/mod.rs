//! What is done to containers beside ending them, on a real engine: their network, their processes, commands inside them.

mod checking;
mod crashing;
mod disconnecting;
mod network;
mod rig;
mod running;
mod shaping;
mod stressing;
