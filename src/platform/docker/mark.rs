//! Marks: words that one act alone has, so that its undo finds what it left and nothing else.

use rand::{TryRng, rngs::SysRng};

use crate::platform::PlatformError;

/// A new mark: 16 letters and digits.
///
/// # Errors
/// When the machine gives no random numbers.
pub fn fresh() -> Result<String, PlatformError> {
    Ok(format!("{:016x}", draw()?))
}

/// Random bits.
///
/// # Errors
/// When the machine gives none.
pub fn draw() -> Result<u64, PlatformError> {
    SysRng.try_next_u64().map_err(|error| PlatformError::Failed(format!("this machine gives no random numbers: {error}")))
}
