//! `stress`: a container's processor, memory or disk is kept busy from inside, within the limits that the container itself has.
//!
//! Nothing is installed in it: a shell, `head`, `tail`, `sleep`, `grep`, `wc` and `rm` are enough, and most images have them. What is used is
//! held by processes alone (the file has no name), so it is free again as soon as they end, whatever ends them; and they end by
//! themselves after [`LONGEST`], if nobody is left to end them.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{models::ContainerInspectResponse, query_parameters::ContainerArchiveInfoOptions};

use super::inside::{Command, Ended, last_words};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        fault::LONGEST_STRESS as LONGEST,
        quantity::plural,
        time::Bracket,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::state,
            deed::{Deed, On, answered, effect, failure_here, seen},
            engine::{Engine, READ_LIMIT, Trouble},
            mark::{self, Mark},
            network::partition::well_again,
            undo::{Before, Owed, of_another_fault},
        },
    },
};

const STRESS: &str = include_str!("stress.sh");
const LOOK: &str = include_str!("look.sh");
/// Programs that the scripts need.
const NEEDED: [&str; 7] = ["sh", "head", "tail", "sleep", "grep", "wc", "rm"];
/// Where they may lie.
const FOLDERS: [&str; 4] = ["/bin", "/usr/bin", "/usr/local/bin", "/sbin"];
/// How long a look may take: a busy container is slow to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(15);
/// How long the first process gets to collect its children and end.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// How long all of it may take to end after that.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
/// Ticks of the processor that show that the loops run: 50 ms.
const TICKS: u64 = 5;
/// Bytes a second at which memory and disk are filled at the least.
const FILL_RATE: u64 = 20_000_000;

/// The variable that its processes carry; the scripts know it, too.
const VARIABLE: &str = "FIREDRILL_STRESS";
/// What its value begins with, before the mark.
const PREFIX: &str = "firedrill-";

/// The mark of the stress that a process with this environment is part of.
pub fn mark_in(environment: &[u8]) -> Option<Mark> {
    let entries = environment.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let mut values = entries.filter_map(|entry| entry.strip_prefix(VARIABLE)?.strip_prefix('='));
    values.find_map(|value| Mark::read(value.strip_prefix(PREFIX)?))
}

/// The word that carries a mark, as undo data has it.
pub fn word(mark: Mark) -> String {
    format!("{PREFIX}{mark}")
}

/// Keeps a container busy.
#[derive(Debug)]
pub struct Stress {
    /// Busy loops.
    pub cpu: u32,
    /// Bytes of memory held.
    pub memory: u64,
    /// Bytes of disk held.
    pub disk: u64,
}

/// What the processes of one act have taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    processes: usize,
    ticks: u64,
    memory: u64,
    disk: u64,
}

#[derive(Debug, Clone, Copy)]
enum Look {
    Only,
    End,
    Kill,
}

async fn look(engine: &Engine, container: &str, mark: &str, what: Look) -> Result<Taken, PlatformError> {
    let verb = match what {
        Look::Only => "",
        Look::End => "end",
        Look::Kill => "kill",
    };
    let words = ["sh", "-c", LOOK, "sh", mark, verb].map(str::to_owned);
    let command = Command { container, words: &words, env: &[], limit: LOOK_LIMIT };
    match command.run(engine).await? {
        Ended::Exit { code: 0, output } => Ok(taken(&output)),
        Ended::Exit { code, output } => Err(PlatformError::Failed(format!(
            "the look at the container's processes ended with exit code {code}: {}",
            last_words(&output)
        ))),
        Ended::TooLong { and } => Err(PlatformError::Failed(format!("the look at the container's processes took too long and {and}"))),
    }
}

fn taken(output: &str) -> Taken {
    let mut all = Taken::default();
    for line in output.lines() {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        if let (Some(Ok(_)), Some(Ok(ticks)), Some(Ok(memory)), Some(Ok(disk))) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        {
            all.processes += 1;
            all.ticks += ticks;
            all.memory += memory * 1024;
            all.disk = all.disk.max(disk);
        }
    }
    all
}

/// The first of the needed programs that a container has not.
async fn lacks(on: On<'_>) -> Result<Option<&'static str>, Trouble> {
    for program in NEEDED {
        let mut found = false;
        for folder in FOLDERS {
            let options = ContainerArchiveInfoOptions { path: format!("{folder}/{program}") };
            let asked = on.engine.docker.get_container_archive_info(on.id(), Some(options));
            match on.engine.call("a program of a container", READ_LIMIT, asked).await {
                Ok(_) => found = true,
                Err(Trouble::Gone(_)) => {}
                Err(trouble) => return Err(trouble),
            }
            if found {
                break;
            }
        }
        if !found {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

impl Stress {
    fn says(&self) -> String {
        let size = |bytes: u64, of: &str| (bytes > 0).then(|| format!("{bytes} bytes of {of}"));
        let cpu = (self.cpu > 0).then(|| format!("{} busy loops", self.cpu));
        [cpu, size(self.memory, "memory"), size(self.disk, "disk")].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// What is missing of what was asked for; `before` is what an earlier look found.
    fn missing(&self, before: Taken, now: Taken) -> Option<String> {
        let used = now.ticks.saturating_sub(before.ticks);
        // The first process, its timer, one for each loop, two for memory, one for disk.
        let processes = 2 + self.cpu as usize + if self.memory > 0 { 2 } else { 0 } + usize::from(self.disk > 0);
        if now.processes < processes {
            return Some(format!("{} of its {processes} processes are there", now.processes));
        }
        if self.cpu > 0 && used < TICKS {
            return Some(format!("its loops used {} ms of the processor", used * 10));
        }
        // The kernel counts memory in pages, and late.
        if now.memory < self.memory / 100 * 95 {
            return Some(format!("it holds {} of {} bytes of memory", now.memory, self.memory));
        }
        (now.disk < self.disk).then(|| format!("it holds {} of {} bytes of disk", now.disk, self.disk))
    }
}

#[async_trait]
impl Deed for Stress {
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)?;
        if state::paused(now) { Err("is paused: nothing can run in it".to_owned()) } else { Ok(()) }
    }

    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        self.fits(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
        if let Some(program) = lacks(on).await? {
            let why = format!("{name} has no `{program}`: `stress` needs {} in the container", NEEDED.join(", "));
            return Err(PlatformError::Refused(why));
        }
        let mark = word(mark::fresh()?);
        let says = format!("end the stress in {name} ({})", self.says());
        Ok(Before::Unstressed { life: state::life(now), mark }.into_undo(on.engine, &on.instance.id, says))
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let requested = clock::now();
        let failed = |error| effect(prepared, requested, failure_here(error));
        let mark = match Owed::read(&prepared.undo).map(|owed| owed.before) {
            Ok(Before::Unstressed { mark, .. }) => mark,
            Ok(_) => return failed(of_another_fault()),
            Err(error) => return failed(error),
        };
        match look(on.engine, on.id(), &mark, Look::Only).await {
            Ok(Taken { processes: 0, .. }) => {}
            Ok(_) => return failed(PlatformError::Refused(format!("{} is under this stress already", on.instance.name))),
            // Nothing was begun: whoever cannot be looked at is not stressed.
            Err(error) => return failed(PlatformError::Refused(error.to_string())),
        }
        let numbers = [u64::from(self.cpu), self.memory, self.disk, LONGEST.as_secs()].map(|n| n.to_string());
        let words: Vec<String> = ["sh", "-c", STRESS, "sh"].map(str::to_owned).into_iter().chain(numbers).collect();
        let env = [format!("{VARIABLE}={mark}")];
        let command = Command { container: on.id(), words: &words, env: &env, limit: LONGEST };
        let requested = clock::now();
        answered(prepared, requested, command.start(on.engine).await)
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, mut effect: Effect) -> Effect {
        let Ok(Before::Unstressed { mark, .. }) = Owed::read(&prepared.undo).map(|owed| owed.before) else {
            return seen(effect, "", Err(of_another_fault().to_string()));
        };
        let deadline = clock::now().plus(Duration::from_secs(10 + ((self.memory + self.disk) / FILL_RATE).min(40)));
        let mut first = None;
        loop {
            let missing = match look(on.engine, on.id(), &mark, Look::Only).await {
                Ok(now) => match self.missing(*first.get_or_insert(now), now) {
                    None => {
                        effect.status = EffectStatus::Happened;
                        effect.took_effect = Some(Bracket { after: effect.requested, by: clock::now() });
                        "the container's processes".clone_into(&mut effect.source);
                        return effect;
                    }
                    Some(missing) => format!("the stress in {} is not what was asked for: {missing}", on.instance.name),
                },
                Err(error) => format!("the stress in {} could not be seen: {error}", on.instance.name),
            };
            if clock::now() > deadline {
                return seen(effect, "", Err(missing));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        let Before::Unstressed { life, mark } = &owed.before else { return Err(of_another_fault()) };
        let (id, name) = (owed.container.as_str(), prepared.act.target.says());
        let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
        let now = match engine.inspect(id).await {
            Ok(now) => now,
            Err(Trouble::Gone(_)) => return nothing(format!("{name} is gone, and the stress with it")),
            Err(trouble) => return Err(trouble.into()),
        };
        if state::started_at(&now) != life.started_at || !state::running(&now) {
            return nothing(format!("{name} ended since, and the stress with it"));
        }
        let found = look(engine, id, mark, Look::End).await?;
        if found.processes == 0 {
            return nothing(format!("no process of this act is in {name}"));
        }
        let begun = clock::now();
        loop {
            let waited = clock::now().since(begun);
            let what = if waited < ENDS_WITHIN { Look::Only } else { Look::Kill };
            let left = look(engine, id, mark, what).await?;
            if left.processes == 0 {
                break;
            }
            if waited > ENDS_WITHIN + GONE_WITHIN {
                return Err(PlatformError::Failed(format!("the stress still has {} in {name}", plural(left.processes, "process"))));
            }
            tokio::time::sleep(PAUSE).await;
        }
        well_again(engine, id, &name, life).await?;
        Ok(Reverted::Restored { says: format!("ended the stress in {name}: {}", plural(found.processes, "process")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_look_printed_is_added_up() {
        assert_eq!(taken("7 10 100 0\n8 20 300 512\nnonsense\n"), Taken { processes: 2, ticks: 30, memory: 400 * 1024, disk: 512 });
        assert_eq!(taken(""), Taken::default());
    }

    #[test]
    fn the_mark_is_read_from_the_environment() {
        let mark = mark::fresh().unwrap();
        assert_eq!(mark_in(format!("PATH=/bin\0{VARIABLE}={}\0", word(mark)).as_bytes()), Some(mark));
        assert_eq!(mark_in(format!("{VARIABLE}={mark}\0NO_{VARIABLE}={}\0", word(mark)).as_bytes()), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let stress = Stress { cpu: 1, memory: 1_000_000, disk: 100 };
        let before = Taken { processes: 6, ticks: 3, memory: 0, disk: 0 };
        let all = Taken { processes: 6, ticks: 8, memory: 1_000_000, disk: 100 };
        assert_eq!(stress.missing(before, all), None);
        let said = |now| stress.missing(before, now).unwrap();
        assert_eq!(said(Taken { processes: 5, ..all }), "5 of its 6 processes are there");
        assert_eq!(said(Taken { ticks: 7, ..all }), "its loops used 40 ms of the processor");
        assert!(said(Taken { memory: 900_000, ..all }).contains("900000 of 1000000"));
        assert!(said(Taken { disk: 99, ..all }).contains("99 of 100"));
    }
}
