//! What is new for each run: its id and, when none was given, its seed. The one home of a run's unseeded randomness.

use rand::{TryRng, rngs::SysRng};

use crate::{clock, model::ids::RunId};

/// A run id: `YYYYMMDD-HHMMSS-xxxxxx` in UTC.
///
/// # Errors
/// When the system gives no randomness.
pub fn run_id() -> Result<RunId, String> {
    let seconds = clock::wall().0.div_euclid(1_000_000_000);
    let at = jiff::Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
    let mut bits = random()?;
    let mut letters = String::new();
    for _ in 0..6 {
        letters.push(char::from(b'a' + (bits % 26) as u8));
        bits /= 26;
    }
    Ok(RunId(format!("{}-{letters}", at.strftime("%Y%m%d-%H%M%S"))))
}

/// A seed that a person can type: below a million.
///
/// # Errors
/// When the system gives no randomness.
pub fn seed() -> Result<u64, String> {
    Ok(random()? % 1_000_000)
}

fn random() -> Result<u64, String> {
    SysRng.try_next_u64().map_err(|error| format!("the system gives no random numbers: {error}"))
}
