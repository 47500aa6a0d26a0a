//! The prober's bars, each figure beside its bar: `cargo bench --bench prober`, or `-- --quick` for a short look.
//!
//! The prober runs on the first core, a backend that stamps each arrival on the second; each figure comes from a process of its
//! own, so that memory and CPU are that figure's alone. `hey` and `wrk` do the same work where they are installed.

#[path = "prober/backend.rs"]
mod backend;
#[path = "prober/figures.rs"]
mod figures;
#[path = "prober/measured.rs"]
mod measured;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["backend"] => backend::serve(),
        ["measure", rate, seconds, connections] => measured::measure(rate, seconds, connections),
        rest => figures::print(rest.contains(&"--quick")),
    }
}
