//! # firedrill: where things are
//!
//! firedrill kills what a file says, measures what users feel, undoes everything, and gives a verdict. This page is the map; each
//! module's first lines say more.
//!
//! ## Layers
//! Folder names are the architecture. A module imports only from layers with a lower number than its own; `tests/it/layers.rs` reads the
//! source and fails on any other edge, naming file and line.
//!
//! | layer | module | what it does |
//! | --- | --- | --- |
//! | 6 | [`cli`] | one file a verb; the only place that names a concrete platform or prober, and hands them to the engine |
//! | 5 | [`daemon`] | what is due, and what of it survives a restart; the page and the API, on threads of their own; `firedrill serve` starts the runs |
//! | 4 | [`report`] | events → record → console, JSON, HTML, Markdown, JUnit; the gate: outcome → verdict, in one sentence |
//! | 4 | `history` | what became of past runs, a row each, in SQLite: listed, compared, as trends, and how long they are kept |
//! | 4 | [`chaostoolkit`] | experiments of the Chaos Toolkit: read, turned into ours, or run as they are by a small runner of its own |
//! | 3 | [`engine`] | the run: planning, the dispatcher (the one owner of a run's state), injection, undo, halt, recovery |
//! | 3 | `notify` | messages about runs to webhooks, Slack and mail; a slow receiver holds up nobody |
//! | 2 | [`platform`] | the trait [`platform::Platform`]; `local` (processes of this machine), `docker` (containers), `aws` (an account's instances, groups and stores), `fake` (a scripted world, for tests) |
//! | 2 | [`probe`] | the trait [`probe::Prober`]; the open-loop pacer; one file or folder a kind of probe: `http`, `journey`, `ledger`, `tcp`, `dns`, `websocket`, `redis`, `postgres`, `prometheus`, `command` |
//! | 2 | [`gameday`] | a game day's events, record and control socket: what the page and other terminals see of it |
//! | 1 | [`file`] | what people write, from text to model, with every error at its place |
//! | 1 | [`plan`](mod@plan) | selector × inventory, drawn by a seed, capped → the exact victims |
//! | 1 | [`journal`] | what was done and how it is undone, on disk before it is done |
//! | 1 | [`measure`] | samples → availability, outages, latency, intervals; conditions → held, broken, or cannot tell |
//! | 1 | [`balancer`] | the load balancer of local systems: a process of its own, so that it is a target too |
//! | 1 | [`sample_app`] | the applications of the examples, and the real stores that they need |
//! | 1 | [`lock`](mod@lock) | one run at a time on a target scope; a dead holder's lock is free |
//! | ½ | [`schedule`] | when an experiment fires by itself: rules, zones, calendars, draws → the next firing, and why not before. Pure; below `file`, which reads schedules as it reads everything |
//! | 0 | [`model`] | what everything speaks of: experiment, fault, instance, plan, undo, sample, verdict. No I/O, no clock, no randomness |
//!
//! Usable by every layer above the model: [`event`] (what reporters and the console hear), [`clock`] (the only reader of clocks),
//! [`state_dir`](mod@state_dir) (where journals, locks and sockets lie), [`failpoint`] (places where a test may end the process; nothing in a normal build).
//!
//! ## One run
//! `firedrill run FILE`, step by step:
//!
//! 1. **Parsed, lowered, checked.** [`file`] reads the text into a tree that knows its places, puts in the variables of the environment
//!    (`firedrill.yaml`), lowers the tree to a [`model::experiment::Experiment`], and `cli::connect` checks it against what the platform can
//!    do and what the system file names. Every error of every file comes at once; one error, and nothing runs (exit code 2).
//! 2. **Connected.** [`cli`] attaches to the local system that `firedrill up` keeps, or starts one for this run. Its supervisor starts
//!    services and balancers, checks their health, replaces the dead, and takes orders over a control socket.
//! 3. **Locked.** The engine takes the lock of the scope. If a run on it died, its journal is replayed and undone first. What such a run left
//!    without a journal is found by its mark at the platform ([`platform::Platform::orphans`]), and undone too.
//! 4. **Planned.** The platform lists its [`model::instance::Inventory`]; [`plan`](mod@plan) draws the victims and applies the caps; for each act
//!    [`platform::Platform::prepare`] gives the [`model::undo::Undo`], made from the state that is found now. What other
//!    runs are at work on counts for the caps ([`platform::Platform::held`]; asked again when the baseline is nearly over). `firedrill plan` stops here.
//! 5. **Baseline.** The prober sends each request at its due time, on a thread of its own, and never waits for an earlier answer; samples go
//!    to spill files and to the live view. If the steady state does not hold now, nothing is touched (exit code 3).
//! 6. **Acts.** For each: *Armed* is written to the [`journal`] and synced, then the platform injects, the outcome is written, and
//!    [`platform::Platform::verify`] looks from an independent side whether it happened. After its hold an act is undone, in reverse order.
//! 7. **Recovery.** The steady state must hold again, for as long as the file says.
//! 8. **Judged.** [`measure`] folds the samples of each phase to numbers with intervals, and the conditions to results. Pure: the same
//!    samples give the same verdict.
//! 9. **Reported.** Everything above was an [`event::Event`]; [`report`] folds them to a record and renders it. An old run renders again
//!    from its `events.jsonl`. A row of it goes into the history. The verdict ([`model::verdict::Verdict`]) is the exit code.
//!
//! A signal, `firedrill halt` or an abort condition calls the [`engine::halt::Halt`] that was passed in: no new act starts, and what was done is undone,
//! under a deadline of its own. `firedrill recover` is the same code from the middle: the journal is replayed, what may be in
//! effect is undone, and nothing is ever injected.
//!
//! ## Where to begin
//! - A new fault: [`model::fault`], its lowering in [`file::lower`], then the platform. Selecting and capping know nothing of it.
//! - A new platform: [`platform::Platform`], and `tests/it/conformance.rs` runs on it.
//! - A new probe: [`model::probe`], its lowering, and a file in [`probe`]. The pacer and the measuring stay as they are. One whose users come back asks for
//!   further turns (`probe::schedule`), and tells what became of state ([`model::state`]).
//! - A new finding: a file in `measure::findings`. Another number that a gate compares: an aspect of `measure::compare`.
//! - A new example: a folder in `examples`, and a file in [`cli::gallery`] with its rows.
//! - A new figure of the history: a column in a new step of `history::schema`, and an aspect of `measure::compare`.
//! - A new report: fold the record of [`report::record`]; `tests/golden` has the runs to render.

pub mod balancer;
pub mod chaostoolkit;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod engine;
pub mod event;
pub mod failpoint;
pub mod file;
pub mod gameday;
#[cfg(feature = "history")]
pub mod history;
pub mod journal;
pub mod lock;
pub mod measure;
pub mod model;
#[cfg(feature = "notify")]
pub mod notify;
pub mod plan;
pub mod platform;
pub mod probe;
pub mod redact;
pub mod report;
pub mod sample_app;
pub mod schedule;
pub mod state_dir;

pub use cli::main;
pub use model::verdict::Verdict;
