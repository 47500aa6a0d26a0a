//! A platform that misbehaves: never green, always undone or named.

use firedrill::{
    model::{ids::InstanceId, outcome::Ended, verdict::Verdict},
    platform::fake::{Call, Trouble},
};

use crate::support::drill::{Drill, six};

const TWO: &str = "
steady-state: [{ probe: home, availability: '>= 20%' }]
guardrails: { max-affected: { service: 100% } }
method: [{ kill: { service: web, zone: a, take: 2 }, hold: 3s }, { pause: { service: web, zone: b }, hold: 3s }]
";

#[tokio::test(start_paused = true)]
async fn a_victim_that_vanished_or_became_protected_leaves_the_others_alone() {
    for (trouble, word) in [("vanish", "vanished"), ("protect", "refused"), ("replace", "vanished")] {
        let drill = Drill::on(six()).file(TWO);
        let victim = InstanceId::from("web-a-1");
        let world = drill.world.clone();
        let meddle = async {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            world
                .change(|w| match trouble {
                    "vanish" => w.vanish(&victim),
                    "protect" => w.protect(&victim),
                    _ => w.reincarnate(&victim),
                })
                .unwrap();
        };
        let (done, ()) = tokio::join!(drill.run(), meddle);
        let done = done.expect(Verdict::Error);
        assert!(done.words().iter().any(|line| line.contains("acted 1.") && line.contains(word)), "{trouble}: {:#?}", done.words());
        assert!(!done.words().iter().any(|line| line.contains(" arm ")), "{trouble}: nobody is hurt in vain: {:#?}", done.words());
    }
}

#[tokio::test(start_paused = true)]
async fn a_floor_that_was_fine_in_the_plan_is_looked_at_again() {
    let file = "
steady-state: [{ probe: home, availability: '>= 20%' }]
guardrails: { max-affected: { service: 100% }, min-healthy: { web: 4 } }
method: [{ kill: { service: web, zone: a, take: 2 }, hold: 3s }]
";
    let drill = Drill::on(six()).file(file);
    let world = drill.world.clone();
    let sick = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        world.change(|w| w.instances.get_mut(&InstanceId::from("web-c-1")).unwrap().healthy = Some(false)).unwrap();
    };
    let (done, ()) = tokio::join!(drill.run(), sick);
    let done = done.expect(Verdict::Error);
    assert!(!done.words().iter().any(|line| line.contains(" arm ")), "{:#?}", done.words());
    assert!(matches!(&done.outcome.ended, Ended::Broke { why } if why.contains("min-healthy")), "{:?}", done.outcome);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_fails_ends_the_method_and_what_was_done_is_undone() {
    let drill = Drill::on(six()).file(TWO).trouble(|script| {
        script.nth(Call::Inject, 2, Trouble::Fails("no".to_owned()));
    });
    let done = drill.run().await.expect(Verdict::Error).restored();
    assert!(matches!(&done.outcome.ended, Ended::Broke { why } if why.contains("step 1")), "{:?}", done.outcome);
    assert!(!done.words().iter().any(|line| line.contains("arm pause")), "the next step is not done: {:#?}", done.words());
}

#[tokio::test(start_paused = true)]
async fn an_act_whose_answer_was_lost_is_undone() {
    let drill = Drill::on(six()).file(TWO).trouble(|script| {
        script.nth(Call::Inject, 1, Trouble::TimesOutAfterActing);
        script.nth(Call::Verify, 1, Trouble::SaysUnknown);
    });
    drill.run().await.expect(Verdict::Error).restored();
}

#[tokio::test(start_paused = true)]
async fn a_death_that_nobody_can_confirm_is_no_pass() {
    let drill = Drill::on(six()).file(TWO).trouble(|script| {
        script.nth(Call::Verify, 1, Trouble::SaysUnknown);
    });
    drill.run().await.expect(Verdict::Error).restored();
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_tried_again() {
    let drill = Drill::on(six()).file(TWO).trouble(|script| {
        script.fails(Call::Revert, 3, "busy");
    });
    drill.run().await.expect(Verdict::Passed).restored();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_residue_and_the_next_run_undoes_it_first() {
    let stuck = |drill: Drill| {
        drill.trouble(|script| {
            script.always(Call::Revert, "web-a-1", Trouble::Fails("the disk is gone".to_owned()));
        })
    };
    let done = stuck(Drill::on(six()).file(TWO)).run().await.expect(Verdict::Residue);
    assert!(done.outcome.residue.iter().any(|r| r.what.contains("web-a-1") && r.why.contains("the disk is gone")), "{:?}", done.outcome);
    assert_eq!(done.open_journals(), 1);
    // It still cannot be undone: nothing new is begun.
    let again = Drill::on(six()).file(TWO).after(done).run().await.expect(Verdict::NotStarted);
    assert!(matches!(&again.outcome.ended, Ended::NotStarted { why } if why.contains("run-1")), "{:?}", again.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_the_middle_of_the_script_ends_in_an_undo() {
    // The second act of the step, and the look at the second step's effect.
    for (call, n) in [(Call::Inject, 2), (Call::Verify, 3), (Call::Prepare, 6), (Call::Revert, 1)] {
        let drill = Drill::on(six()).file(TWO).trouble(|script| {
            script.nth(call, n, Trouble::Panics);
        });
        let done = drill.run().await.expect(Verdict::Error).restored();
        assert!(matches!(&done.outcome.ended, Ended::Broke { why } if why.contains("defect")), "{call:?}: {:?}", done.outcome);
        assert_eq!(done.open_journals(), 0, "{call:?}: nothing is owed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_the_middle_of_an_undo_is_residue_and_recovery_undoes_it() {
    let drill = Drill::on(six()).file(TWO).trouble(|script| {
        // The first undo, and again when everything that is owed is undone.
        script.nth(Call::Revert, 1, Trouble::Panics).nth(Call::Revert, 3, Trouble::Panics);
    });
    let done = drill.run().await.expect(Verdict::Residue);
    assert!(done.outcome.residue.iter().any(|r| r.command == "firedrill recover run-1"), "{:?}", done.outcome);
    assert_eq!(done.open_journals(), 1, "what is owed is not forgotten");
    // The next run on the scope undoes it first.
    Drill::on(six()).file(TWO).after(done).run().await.expect(Verdict::Passed).restored();
}

#[tokio::test(start_paused = true)]
async fn without_what_comes_first_nobody_is_hurt_and_nothing_of_it_is_undone() {
    let file = "
steady-state: [{ probe: home, availability: '>= 20%' }]
guardrails: { max-affected: { service: 100% } }
method: [{ zone-outage: a, hold: 3s }]
";
    let drill = Drill::on(six()).file(file).trouble(|script| {
        script.nth(Call::Inject, 1, Trouble::Fails("the group cannot be held".to_owned()));
    });
    let done = drill.run().await.expect(Verdict::Error).restored();
    let words = done.words();
    let of_kills = |what: &str| words.iter().filter(|line| line.contains(what) && line.contains("kill")).count();
    assert_eq!(of_kills(" arm "), 2, "{words:#?}");
    assert!(words.iter().any(|line| line.contains("acted 1.") && line.contains("refused")), "{words:#?}");
    assert!(!words.iter().any(|line| line.contains("died") || line.contains("started web-a")), "{words:#?}");
    assert!(matches!(&done.outcome.ended, Ended::Broke { why } if why.contains("the group cannot be held")), "{:?}", done.outcome);
    assert_eq!(done.open_journals(), 0, "nothing is owed");
}
