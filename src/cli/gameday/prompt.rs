//! The words of the verbs, typed where the day runs. Only on a terminal: what comes through a pipe is nobody's word.

use std::io::{BufRead, IsTerminal};

use tokio::sync::{mpsc, oneshot};

use crate::{
    cli::say,
    file::suggest::{listed, nearest},
    gameday::{Answer, Ask, Request, Seat, server::Order},
    report::words::whole,
};

const WORDS: [&str; 10] = ["go", "note", "action", "answer", "pause", "resume", "skip", "detected", "mitigated", "abort"];

/// Says how the day is spoken to.
pub fn how_to_speak(seat: &Seat, here: bool) {
    let typed = if here { "here, or " } else { "" };
    say::out(&format!(
        "game day {}: speak to it {typed}from another terminal with `firedrill gameday WORD`\n  {}\n",
        whole(&seat.day),
        listed(WORDS, "or")
    ));
}

/// Listens to the terminal, if standard input is one; says whether it is. On a thread of its own, which nobody waits for: reading cannot be
/// stopped from outside.
pub fn listen(orders: mpsc::Sender<Order>, by: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let by = by.to_owned();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line.trim().is_empty() {
                continue;
            }
            let asked = read(&line).and_then(|ask| Request { by: by.clone(), ask }.checked());
            let answer = asked.and_then(|request| {
                let (reply, answer) = oneshot::channel();
                let ended = "the day is ending".to_owned();
                orders.blocking_send(Order { request, reply }).map_err(|_| ended.clone())?;
                answer.blocking_recv().map_err(|_| ended)
            });
            match answer {
                Ok(Answer::Refused { why }) | Err(why) => say::problem(why),
                Ok(Answer::Done { says }) => say::out(&format!("{}\n", whole(&says))),
                Ok(_) => {}
            }
        }
    });
    true
}

/// A line as what it asks.
fn read(line: &str) -> Result<Ask, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let text = rest.trim().to_owned();
    let alone = |ask: Ask| if text.is_empty() { Ok(ask) } else { Err(format!("`{word}` stands alone; `note` keeps words")) };
    match word {
        "go" => alone(Ask::Go { item: None }),
        "note" => Ok(Ask::Note { text }),
        "action" => Ok(Ask::Action { text, owner: None }),
        "answer" => Ok(Ask::Answer { text, item: None }),
        "pause" => alone(Ask::Pause),
        "resume" => alone(Ask::Resume),
        "skip" => alone(Ask::Skip { item: None }),
        "detected" => alone(Ask::Detected),
        "mitigated" => alone(Ask::Mitigated),
        "abort" => alone(Ask::Abort),
        other => {
            let near = nearest(other, WORDS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`{}` is no word of a game day: {}{near}", whole(other), listed(WORDS, "or")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_what_the_verbs_say() {
        assert_eq!(read(" note  users see 502 "), Ok(Ask::Note { text: "users see 502".to_owned() }));
        assert_eq!(read("go"), Ok(Ask::Go { item: None }));
        assert!(read("go away").unwrap_err().contains("stands alone"));
        assert!(read("detcted").unwrap_err().contains("did you mean `detected`?"));
    }
}
