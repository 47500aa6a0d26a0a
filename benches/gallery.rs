//! Figures of the gallery, each beside its bar: `cargo bench --bench gallery`, or `-- 3` for so many seeds in place of twenty.
//!
//! Lost carts: one server of `examples/shop` with carts in its memory is killed, with another seed each time. The report's count of lost
//! carts must be the number that the shop itself counted on that server before.

#[path = "../tests/it/gallery/carts.rs"]
mod carts;
#[path = "../tests/it/gallery/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;
#[path = "gallery/support.rs"]
mod support;

fn main() {
    let seeds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20);
    println!("carts lost with a killed server, as the report says and as the shop counted");
    let mut agreed = 0;
    for seed in 1..=seeds {
        let counted = carts::count(seed);
        let lost = counted.sessions["lost"].as_u64().unwrap_or(0);
        let agrees = counted.agree();
        agreed += u64::from(agrees);
        let word = if agrees { "equal".to_owned() } else { format!("NOT EQUAL: {}", counted.sessions) };
        println!("  seed {seed:>3}: {} killed, {:>3} counted, {lost:>3} reported lost: {word}", counted.victim, counted.held);
    }
    println!("  {agreed} of {seeds} equal (bar: all)");
    assert_eq!(agreed, seeds, "a count differs");
}
