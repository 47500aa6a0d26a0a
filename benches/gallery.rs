//! Figures of the gallery, each beside its bar: `cargo bench --bench gallery`, or `-- 3` for so many seeds in place of twenty; `-- carts` or
//! `-- orders` for one of them.
//!
//! Lost carts: one server of `examples/shop` with carts in its memory is killed, with another seed each time. The report's count of lost
//! carts must be the number that the shop itself counted on that server before.
//!
//! Lost orders: a PostgreSQL primary is killed under 500 writes a second and its standby, at the end of a slow line, is promoted. The
//! ledger's count of writes that were acknowledged and lost must be what a comparison of the two databases shows; with a standby that
//! confirms, it must be 0.

#[path = "../tests/it/gallery/carts.rs"]
mod carts;
#[path = "../tests/it/gallery/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;
#[path = "gallery/support.rs"]
mod support;

use std::time::Duration;

use support::failover::Failover;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let seeds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20);
    let wants = |what: &str| words.iter().all(|word| word.parse::<u64>().is_ok() || word == what);
    if wants("carts") {
        lost_carts(seeds);
    }
    if wants("orders") {
        lost_orders(seeds, false, Duration::from_millis(100));
        lost_orders(seeds, true, Duration::from_millis(5));
    }
}

fn lost_carts(seeds: u64) {
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

fn lost_orders(seeds: u64, synchronous: bool, delay: Duration) {
    let how = if synchronous { "standby that confirms" } else { "asynchronous standby" };
    println!(
        "writes acknowledged and lost with a killed PostgreSQL, 500 a second, {how} on a line of {delay:?}: by the ledger, by the databases"
    );
    let mut agreed = 0;
    for seed in 1..=seeds {
        let found = Failover { synchronous, delay, rate: 500.0, seed }.run();
        let agrees = found.agree() && found.after > 0 && (found.ledger.lost == 0) == synchronous;
        agreed += u64::from(agrees);
        let word = if agrees { "equal".to_owned() } else { format!("WRONG: {found:?}") };
        let (acknowledged, lost, appeared) = (found.ledger.acknowledged, found.ledger.lost, found.ledger.appeared);
        println!(
            "  seed {seed:>3}: {acknowledged:>5} acknowledged, {} of them by the new primary; {lost:>3} lost, {:>3} by the databases; \
             {appeared} done without a word: {word}",
            found.after, found.gone
        );
    }
    println!("  {agreed} of {seeds} equal{} (bar: all)", if synchronous { ", and 0" } else { "" });
    assert_eq!(agreed, seeds, "a count differs");
}
