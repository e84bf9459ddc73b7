//! Systems that have none of this.

use crate::confine::report::{FileFence, SystemCallFence};
use crate::confine::{ConfineError, Fence, Policy, Privileges, Reopens, State};

/// A user to become; here there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account;

impl Account {
    /// Looks up `NAME[:GROUP]`.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Account`] always.
    pub fn find(text: &str) -> Result<Self, ConfineError> {
        Err(ConfineError::Account { text: text.to_owned(), what: ONLY_LINUX.to_owned() })
    }

    /// Does nothing: nobody can be become.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn give_socket(&self, _: &std::path::Path) -> Result<(), ConfineError> {
        Ok(())
    }
}

/// Does nothing.
///
/// # Errors
///
/// None here.
pub fn limit_descriptors(_: u64) -> Result<(), ConfineError> {
    Ok(())
}

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// To read the file.
    Read,
    /// To write the file, or files in the directory.
    Write,
}

/// Finds nothing wrong: the user is the one who started us.
///
/// # Errors
///
/// None here.
pub fn check_place(_: &std::path::Path, _: Access) -> Result<(), ConfineError> {
    Ok(())
}

/// Nobody else is to be become here.
pub fn is_root() -> bool {
    false
}

/// Gives up nothing, and says so.
///
/// # Errors
///
/// None here.
pub fn give_up_privileges(
    _: Option<&Account>,
    _: Option<Reopens>,
) -> Result<Privileges, ConfineError> {
    Ok(Privileges {
        user: "as started".to_owned(),
        is_root: false,
        capabilities: Vec::new(),
        bounding: 0,
        no_new_privileges: missing("capabilities given up, no new privileges"),
        no_core_dumps: missing("no core dumps"),
    })
}

/// Raises nothing, and says so.
///
/// # Errors
///
/// None here.
pub fn raise_fence(_: &Policy) -> Result<Fence, ConfineError> {
    Ok(Fence {
        files: FileFence {
            state: missing("files"),
            read: Vec::new(),
            written: Vec::new(),
            tcp: missing("TCP ports"),
            tcp_ports: Vec::new(),
            scope: missing("signals"),
        },
        system_calls: SystemCallFence { state: missing("system calls"), allowed: 0 },
    })
}

fn missing(what: &str) -> State {
    State::Missing(format!("{what} ({ONLY_LINUX})"))
}

const ONLY_LINUX: &str = "only Linux has it";
