//! Whether the gate cries wolf, and whether it sees one: `cargo bench --bench gate`, or `-- 5` for so many runs of each in place of twenty.
//!
//! One of three servers freezes behind a balancer whose check gives up after 100 ms. Runs of the same, each held against the first one,
//! must be green every time; with a check that waits 3 s each must be red. A run that firedrill itself does not trust is made again, as a
//! pipeline would do, and counted.

#[path = "../tests/it/cli/gated.rs"]
mod gated;
#[path = "../tests/it/cli/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;
#[path = "safety/support.rs"]
mod support;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20);
    let rig = gated::rig();
    let mut again = 0;
    judge(&rig, &["run", "experiment.yaml"], &mut again);
    let baseline = gated::keep(&rig);
    for (what, code) in [("the same again", 0), ("a check that waits 3 s", 1)] {
        if code == 1 {
            gated::slow_check(&rig);
        }
        let mut right = 0;
        for n in 1..=runs {
            let found = judge(&rig, &["run", "experiment.yaml", "--against", &baseline], &mut again);
            right += u64::from(found == code);
            println!("  {what} {n:>3}: {}", if found == code { "as it should be".to_owned() } else { format!("WRONG: exit code {found}") });
            gated::clear(&rig);
        }
        println!("{what}: {} {right} of {runs} (bar: all)", if code == 0 { "green" } else { "red" });
        assert_eq!(right, runs, "{what}");
    }
    println!("{again} runs made again, as the machine was busy");
}

/// The exit code of a run that was to be trusted.
fn judge(rig: &rig::Rig, args: &[&str], again: &mut u64) -> i32 {
    for _ in 0..10 {
        let said = rig.firedrill(args);
        let code = said.status.code().unwrap_or(-1);
        if code == 0 || code == 1 {
            return code;
        }
        assert!(said.out.contains("more than 10 ms late"), "{}\n{}", said.out, said.err);
        *again += 1;
        gated::clear(rig);
    }
    panic!("this machine is too busy for a drill of 200 requests a second");
}
