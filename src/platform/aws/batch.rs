//! Undos come one by one, and AWS's calls take hundreds of instances: who comes within a moment goes together. A call for each of 300
//! instances would be throttled for minutes, just when they are wanted back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::trouble::Trouble;

/// How long the first one waits for others.
const GATHER: Duration = Duration::from_millis(50);

type Answer = Result<(), Trouble>;

/// Those who wait to go together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<(String, oneshot::Sender<Answer>)>>,
}

impl Batch {
    /// Goes with others who come about now; the first one sends the call for all, at most `most` at a time.
    pub(super) async fn join<F>(&self, id: &str, most: usize, send: impl Fn(Vec<String>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let (tell, told) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((id.to_owned(), tell));
            waiting.len() == 1
        };
        if first {
            tokio::time::sleep(GATHER).await;
            let mut all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            while !all.is_empty() {
                let part: Vec<_> = all.drain(..all.len().min(most)).collect();
                let mut ids: Vec<String> = part.iter().map(|(id, _)| id.clone()).collect();
                ids.sort();
                ids.dedup();
                let answer = send(ids).await;
                for (_, tell) in part {
                    let _ = tell.send(answer.clone());
                }
            }
        }
        // Whoever sent for us was dropped: what became of it is not known.
        told.await.unwrap_or_else(|_| Err(Trouble::Lost("the call was given up".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_together_goes_together() {
        let (batch, sent) = (Batch::default(), Mutex::new(Vec::new()));
        let send = async |ids: Vec<String>| {
            sent.lock().unwrap().push(ids.len());
            if ids.contains(&"i-4".to_owned()) { Err(Trouble::Quota("no".to_owned())) } else { Ok(()) }
        };
        let ids: Vec<String> = (0..5).map(|n| format!("i-{n}")).collect();
        let answers = join_all(ids.iter().map(|id| batch.join(id, 3, send))).await;
        assert_eq!(*sent.lock().unwrap(), [3, 2]);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
        assert_eq!(batch.join("i-9", 3, send).await, Ok(()));
    }
}
