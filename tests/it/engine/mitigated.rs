//! Drills in which people mitigate: the faults stay until somebody says so, or the bound is over; and are undone in any case.

use std::time::Duration;

use firedrill::{event::EventKind, model::verdict::Verdict};

use crate::support::drill::{Done, Drill, six};

const TWO: &str = "
steady-state: [{ probe: home, availability: '>= 50%' }]
method: [{ kill: web, hold: 2s }, { pause: web, hold: 2s }]
";

fn drill() -> Drill {
    Drill::on(six()).file(TWO).until_mitigated(Duration::from_mins(1))
}

fn who(done: &Done) -> Vec<String> {
    let notes = done.events.iter().filter_map(|event| match &event.kind {
        EventKind::Observed { observation } if observation.source == "people" => Some(format!("{:?}", observation.what)),
        _ => None,
    });
    notes.collect()
}

#[tokio::test(start_paused = true)]
async fn faults_stay_whatever_their_hold_until_somebody_says_so() {
    // Warm-up and baseline take 5 s; the first hold is only the pace of the method.
    let done = drill().mitigated_at(30_000).await.expect(Verdict::Passed).restored();
    let (first, second, undone) = (done.at("arm kill"), done.at("arm pause"), done.at("reverted"));
    assert!((1_900..2_600).contains(&(second - first)), "{:#?}", done.words());
    assert!((29_900..31_000).contains(&undone), "{:#?}", done.words());
    assert_eq!(who(&done).len(), 1, "the first word counts, once");
    assert!(who(&done)[0].contains("mitigated, says ana"), "{:?}", who(&done));
    assert_eq!(done.open_journals(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_bound_undoes_when_nobody_says_so() {
    let done = Drill::on(six()).file(TWO).until_mitigated(Duration::from_secs(20)).run().await.expect(Verdict::Passed).restored();
    let after = done.at("reverted") - done.at("arm pause");
    assert!((20_000..21_500).contains(&after), "{:#?}", done.words());
    assert!(who(&done).is_empty());
}

#[tokio::test(start_paused = true)]
async fn mitigated_in_the_middle_of_the_method_spares_the_rest() {
    let done = drill().mitigated_at(6_000).await.restored();
    assert!(!done.words().iter().any(|line| line.contains("arm pause")), "{:#?}", done.words());
    assert!(done.words().iter().any(|line| line.contains("acted 3.1 spared")), "{:#?}", done.words());
    assert!((5_900..7_500).contains(&done.at("reverted")), "{:#?}", done.words());
    done.expect(Verdict::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_halt_ends_it_as_any_other_drill() {
    let done = drill().halted_at(&[20_000]).await.expect(Verdict::Aborted).restored();
    assert!((19_900..21_500).contains(&done.at("reverted")), "{:#?}", done.words());
}
