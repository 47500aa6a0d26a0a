//! The requests in flight, driven by the pacing thread itself. A queue of our own rather than the runtime's tasks, so that the
//! pacer can look at the clock after every single step, and a request costs no allocation once the slots are warm.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

#[derive(Debug)]
struct Ready {
    queue: Mutex<VecDeque<u32>>,
    /// Wakes the pacer itself.
    parent: Mutex<Option<Waker>>,
}

#[derive(Debug)]
struct Signal {
    slot: u32,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.slot);
            if let Some(parent) = &*self.ready.parent.lock().unwrap_or_else(PoisonError::into_inner) {
                parent.wake_by_ref();
            }
        }
    }
}

struct Slot<F> {
    future: Pin<Box<Option<F>>>,
    /// See `Tasks::hold_ready`.
    held: Duration,
    signal: Arc<Signal>,
    waker: Waker,
}

/// Lets the pacing thread look at the clock, and at the other requests, before this one goes on: for whoever reads as long as something
/// comes.
pub async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a step came to.
#[derive(Debug)]
pub enum Step<T> {
    /// No future can go on now.
    Nothing,
    /// One went on, and is not done.
    Taken,
    /// One is done, and had been held up by us for so long.
    Done(T, Duration),
}

/// Futures of one type, each in a slot that is used again.
pub struct Tasks<F> {
    slots: Vec<Slot<F>>,
    free: Vec<u32>,
    ready: Arc<Ready>,
}

impl<F: Future> Tasks<F> {
    /// None.
    pub fn new() -> Self {
        let ready = Arc::new(Ready { queue: Mutex::default(), parent: Mutex::default() });
        Self { slots: Vec::new(), free: Vec::new(), ready }
    }

    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whom to wake when a future can go on.
    pub fn set_parent(&mut self, waker: &Waker) {
        let mut parent = self.ready.parent.lock().unwrap_or_else(PoisonError::into_inner);
        if !parent.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *parent = Some(waker.clone());
        }
    }

    /// Takes a future in and takes its first step at once, so that a due request is on its way before anything else.
    pub fn start(&mut self, future: F) -> Option<F::Output> {
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize].future.set(Some(future));
            self.slots[slot as usize].held = Duration::ZERO;
            slot
        } else {
            let slot = self.slots.len() as u32;
            let signal = Arc::new(Signal { slot, queued: AtomicBool::new(false), ready: self.ready.clone() });
            let waker = Waker::from(signal.clone());
            self.slots.push(Slot { future: Box::pin(Some(future)), held: Duration::ZERO, signal, waker });
            slot
        };
        self.step(slot)
    }

    /// Takes one step of one future that can go on.
    pub fn step_next(&mut self) -> Step<F::Output> {
        let Some(slot) = self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
            return Step::Nothing;
        };
        self.slots[slot as usize].signal.queued.store(false, Ordering::Release);
        let held = self.slots[slot as usize].held;
        self.step(slot).map_or(Step::Taken, |output| Step::Done(output, held))
    }

    /// Notes of every future that can go on now that it could have done so up to `gap` ago: we stood still ourselves.
    pub fn hold_ready(&mut self, gap: Duration) {
        for &slot in self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let held = &mut self.slots[slot as usize].held;
            *held = gap.max(*held);
        }
    }

    /// Whether some future can go on now.
    pub fn can_step(&self) -> bool {
        !self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn step(&mut self, index: u32) -> Option<F::Output> {
        let slot = &mut self.slots[index as usize];
        // A late wake-up of the slot's former future finds it empty, or steps the present one once for nothing.
        let future = slot.future.as_mut().as_pin_mut()?;
        match future.poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Ready(output) => {
                slot.future.set(None);
                self.free.push(index);
                Some(output)
            }
            Poll::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn futures_run_to_their_end_and_slots_are_used_again() {
        let gate = Rc::new(tokio::sync::Semaphore::new(0));
        let done = Rc::new(Cell::new(0));
        let mut tasks = Tasks::new();
        let make = |wait: bool| {
            let (gate, done) = (gate.clone(), done.clone());
            async move {
                if wait {
                    gate.acquire().await.unwrap().forget();
                }
                done.set(done.get() + 1);
                done.get()
            }
        };
        assert_eq!(tasks.start(make(false)), Some(1));
        assert_eq!(tasks.start(make(true)), None);
        assert_eq!(tasks.start(make(true)), None);
        assert_eq!((tasks.len(), tasks.slots.len()), (2, 2));
        assert!(!tasks.can_step());
        gate.add_permits(1);
        tasks.hold_ready(Duration::from_millis(20));
        tasks.hold_ready(Duration::from_millis(10));
        let mut finished = vec![];
        let mut all = |tasks: &mut Tasks<_>| loop {
            match tasks.step_next() {
                Step::Nothing => return finished.clone(),
                Step::Taken => {}
                Step::Done(_, held) => finished.push(held.as_millis()),
            }
        };
        assert_eq!(all(&mut tasks), [20]);
        assert_eq!((tasks.len(), done.get()), (1, 2));
        // The other was not ready then, so it was not held up; nor is the next one in the same slot.
        gate.add_permits(1);
        assert_eq!(all(&mut tasks), [20, 0]);
        assert_eq!(tasks.start(make(true)), None);
        gate.add_permits(1);
        assert_eq!(all(&mut tasks), [20, 0, 0]);
        assert_eq!((tasks.len(), tasks.slots.len(), done.get()), (0, 2, 4));
    }
}
