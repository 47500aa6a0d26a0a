//! The verbs of other terminals: one request to the running day each.

use super::{args::Say, by};
use crate::{
    cli::say,
    gameday::{Answer, Ask, Client, seat},
    model::verdict::Verdict,
    report::words::whole,
};

/// Says it to the day that is meant.
pub async fn talk(said: Say) -> u8 {
    let (which, ask) = match said {
        Say::Go(here) => (here.which, Ask::Go { item: here.item }),
        Say::Skip(here) => (here.which, Ask::Skip { item: here.item }),
        Say::Note(words) => (words.which, Ask::Note { text: words.text }),
        Say::Answer(words) => (words.which, Ask::Answer { text: words.text, item: None }),
        Say::Action(action) => (action.which, Ask::Action { text: action.text, owner: action.owner }),
        Say::Pause(which) => (which, Ask::Pause),
        Say::Resume(which) => (which, Ask::Resume),
        Say::Detected(which) => (which, Ask::Detected),
        Say::Mitigated(which) => (which, Ask::Mitigated),
        Say::Abort(which) => (which, Ask::Abort),
    };
    let seat = match seat::find(which.day.as_deref()) {
        Ok(seat) => seat,
        Err(why) => {
            say::problem(why);
            return Verdict::Invalid.exit_code();
        }
    };
    match Client::new(&seat.socket(), &by(which.by.as_deref())).ask(ask).await {
        Ok(Answer::Done { says }) => {
            say::out(&format!("{}\n", whole(&says)));
            0
        }
        Ok(Answer::Refused { why }) => {
            say::problem(why);
            Verdict::Invalid.exit_code()
        }
        Ok(Answer::Day { .. } | Answer::Events) => {
            say::problem("the game day gave an answer to something else");
            Verdict::Error.exit_code()
        }
        Err(error) => {
            say::problem(format!("the game day {} does not answer: {error}", seat.day));
            Verdict::Error.exit_code()
        }
    }
}
