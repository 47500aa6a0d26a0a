//! Whether the probes see what is hit: a green verdict about something else is told as what it is.

use firedrill::model::verdict::Verdict;

use crate::support::{
    drill::{Drill, six},
    scripted_prober::Answer,
};

const ONE: &str = "
steady-state: [{ probe: home, availability: '>= 50%' }]
method: [{ kill: { service: web, zone: a, take: 1 }, hold: 3s }]
";

fn warnings(words: &[String]) -> Vec<&String> {
    words.iter().filter(|line| line.contains("warning ")).collect()
}

#[tokio::test(start_paused = true)]
async fn answers_that_never_come_from_a_victim_are_told() {
    let done = Drill::on(six()).file(ONE).answers(|_, _| Answer::ok("web-c-1")).run().await.expect(Verdict::Passed);
    let words = done.words();
    let told = warnings(&words);
    assert_eq!(told.len(), 1, "{words:#?}");
    assert!(told[0].contains("no answer came from a victim (web-a-") && told[0].contains("something else"), "{told:?}");
    done.restored();
}

#[tokio::test(start_paused = true)]
async fn probes_that_see_a_victim_are_not_doubted() {
    let done = Drill::on(six()).file(ONE).run().await.expect(Verdict::Passed);
    assert!(warnings(&done.words()).is_empty(), "{:#?}", done.words());
    done.restored();
}
