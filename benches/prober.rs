//! The prober's bars, each figure beside its bar: `cargo bench --bench prober`, or `-- --quick` for a short look, or with the
//! names of some groups: `pace`, `truth`, `ticks`, `black-hole`, `memory`, `suspended`, `others`.
//!
//! The prober runs on the first core, a server on the second: one that stamps each arrival, or one that fails in windows that the
//! bench sets. Each figure comes from a process of its own, so that memory and CPU are that figure's alone. `oha`, `hey` and `wrk`
//! do the same work where they are installed. Other work on the machine shows in the figures: run it alone.

#[path = "prober/backend.rs"]
mod backend;
#[path = "prober/faulty.rs"]
mod faulty;
#[path = "prober/figures.rs"]
mod figures;
#[path = "prober/floor.rs"]
mod floor;
#[path = "prober/measured.rs"]
mod measured;
#[path = "prober/truth.rs"]
mod truth;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["backend"] => backend::serve(),
        ["faulty"] => faulty::serve(),
        ["measure", rate, seconds, connections] => measured::measure(rate, seconds, connections),
        ["floor", rate, seconds, wakes] => floor::measure(rate, seconds, wakes),
        ["windows", rate, length] => truth::windows(rate, length),
        ["one-tick", tick] => truth::ticks(tick),
        ["tenth", rate, seconds] => truth::black_hole(rate, seconds),
        rest => figures::print(rest),
    }
}
