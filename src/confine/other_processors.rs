//! Processors for whose system calls there is no list.

use crate::confine::report::SystemCallFence;
use crate::confine::{ConfineError, Policy, State};

/// Filters nothing, and says so.
///
/// # Errors
///
/// None here.
#[expect(clippy::unnecessary_wraps, reason = "as where there is a list")]
pub(super) fn raise(_: &Policy) -> Result<SystemCallFence, ConfineError> {
    let what = format!("system calls (no list for {})", std::env::consts::ARCH);
    Ok(SystemCallFence { state: State::Missing(what), allowed: 0 })
}
