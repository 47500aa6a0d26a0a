//! The floor of this machine: bare loops that send the same requests at the same moments and read the answers, without HTTP,
//! runtime, deadlines or record. `both` wakes for each due time and for each answer: the kernel's price of two wake-ups and one
//! exchange per request, which no generator that is both punctual and prompt can go below here. `once` wakes for the due times only
//! and finds the answer of the request before: punctual, but its latencies would be wrong by up to an interval.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use firedrill::clock;
use rustix::{
    event::epoll,
    io::Errno,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime},
};

use crate::{
    backend::{Backend, pin},
    measured::cpu_seconds,
};

/// As many kept connections as a fast probe has.
const CONNECTIONS: u64 = 16;
const TIMER: u64 = u64::MAX;

/// Runs the loop and prints what it cost.
pub fn measure(rate: &str, seconds: &str, wakes: &str) {
    let (rate, seconds): (f64, f64) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    pin(0);
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let backend = Backend::start();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\nuser-agent: firedrill/0.1.0\r\n\r\n", backend.address);
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let watch = |fd: &dyn std::os::fd::AsFd, data| {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, fd.as_fd(), epoll::EventData::new_u64(data), flags).expect("a watch");
    };
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).expect("a timer");
    watch(&timer, TIMER);
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|k| {
            let stream = TcpStream::connect(&backend.address).expect("a connection");
            stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("options");
            watch(&stream, k);
            stream
        })
        .collect();
    let (origin, cpu) = (clock::now(), cpu_seconds());
    let all = (rate * seconds) as u64;
    let (mut sent, mut events, mut buffer) = (0, Vec::with_capacity(64), [0; 8192]);
    while sent < all {
        let due = origin.plus(Duration::from_secs_f64(sent as f64 / rate));
        if clock::now() >= due {
            streams[(sent % CONNECTIONS) as usize].write_all(request.as_bytes()).expect("a request is written");
            sent += 1;
            continue;
        }
        let at = Timespec { tv_sec: (due.0 / 1_000_000_000).cast_signed(), tv_nsec: (due.0 % 1_000_000_000).cast_signed() };
        if wakes == "once" {
            let _ = rustix::thread::clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &at);
            let _ = streams[((sent + CONNECTIONS - 1) % CONNECTIONS) as usize].read(&mut buffer);
            continue;
        }
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &once).expect("the timer is set");
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
        for event in events.drain(..) {
            if event.data.u64() != TIMER {
                let _ = streams[event.data.u64() as usize].read(&mut buffer);
            }
        }
    }
    println!("cpu_s_per_10000={}", (cpu_seconds() - cpu) / sent as f64 * 10_000.0);
    drop(streams);
    drop(backend.end());
}
