//! Who the process is, and what it may.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{AccessFlags, Uid, faccessat, geteuid, setgroups, setresgid, setresuid};

use crate::confine::account::name_of;
use crate::confine::{Account, ConfineError, Privileges, Reopens, State, capabilities};

/// Makes room for at least `needed` descriptors, as far as the hard limit goes, and sets the hard limit
/// to what there is room for.
///
/// # Errors
///
/// [`ConfineError::Refused`]: less than that is everybody's right.
pub fn limit_descriptors(needed: u64) -> Result<(), ConfineError> {
    let limit = |(soft, hard): (u64, u64)| {
        let limit = soft.max(needed).min(hard);
        setrlimit(Resource::RLIMIT_NOFILE, limit, limit)
    };
    getrlimit(Resource::RLIMIT_NOFILE).and_then(limit).map_err(refused("limit descriptors"))
}

/// Becomes `account`, if there is one and it is another, and gives up every privilege but what it
/// takes to open a lost interface again.
///
/// # Errors
///
/// [`ConfineError::NotRoot`] where another user cannot be become, and [`ConfineError::Refused`] where
/// the system refuses what it grants everybody.
pub fn give_up_privileges(
    account: Option<&Account>,
    reopens: Option<Reopens>,
) -> Result<Privileges, ConfineError> {
    // While we may: it takes a capability that goes with the rest.
    let bounding = capabilities::empty_bounding_set();
    if let Some(account) = account {
        become_user(account)?;
    }
    let capabilities = capabilities::keep_only(&capabilities::kept(reopens))?;
    let no_new_privileges = match prctl::set_no_new_privs() {
        Ok(()) => State::InForce,
        Err(error) => State::Missing(format!("no new privileges ({error})")),
    };
    // Last: a change of user or capabilities sets it again.
    let no_core_dumps = forbid_core_dumps();
    let user = geteuid();
    Ok(Privileges {
        user: name_of(user),
        is_root: user.is_root(),
        capabilities,
        bounding,
        no_new_privileges,
        no_core_dumps,
    })
}

/// What lies in memory is not to get onto a disk.
fn forbid_core_dumps() -> State {
    let done = prctl::set_dumpable(false).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
    match done {
        Ok(()) => State::InForce,
        Err(error) => State::Missing(format!("no core dumps ({error})")),
    }
}

fn become_user(account: &Account) -> Result<(), ConfineError> {
    let Account { name, user, group, groups } = account;
    let now = geteuid();
    if now == *user && !user.is_root() {
        return Ok(());
    }
    if !now.is_root() {
        return Err(ConfineError::NotRoot { user: name.clone() });
    }
    setgroups(groups).map_err(refused("set the groups"))?;
    setresgid(*group, *group, *group).map_err(refused("set the group"))?;
    // Or CAP_NET_RAW would go with root.
    prctl::set_keepcaps(true).map_err(refused("keep capabilities"))?;
    setresuid(*user, *user, *user).map_err(refused("set the user"))?;
    prctl::set_keepcaps(false).map_err(refused("keep capabilities"))
}

/// Whether we are root, with capabilities or without.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Checks that the user we are now can read the file, or make files in the directory, at `path`; what
/// is not there is none of this check's business.
///
/// # Errors
///
/// [`ConfineError::Place`] says what to do about it.
pub fn check_place(path: &Path, access: Access) -> Result<(), ConfineError> {
    let (verb, wanted) = match access {
        Access::Read => ("read", AccessFlags::R_OK),
        Access::Write if path.is_dir() => ("written", AccessFlags::W_OK | AccessFlags::X_OK),
        Access::Write => ("written", AccessFlags::W_OK),
    };
    // Without capabilities the real user is the effective one.
    match faccessat(AT_FDCWD, path, wanted, nix::fcntl::AtFlags::AT_EACCESS) {
        Err(Errno::EACCES | Errno::EPERM) => Err(ConfineError::Place {
            path: path.to_owned(),
            verb,
            user: name_of(geteuid()),
            advice: advice(path),
        }),
        _ => Ok(()),
    }
}

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// To read the file.
    Read,
    /// To write the file, or files in the directory.
    Write,
}

/// Root without capabilities is a user like any other, which surprises who has just typed sudo.
fn advice(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;

    let owner = std::fs::metadata(path).map(|metadata| Uid::from_raw(metadata.uid()));
    match owner {
        Ok(owner) if geteuid().is_root() && !owner.is_root() => format!(
            ", who has given up the capability to do it; it is of user {0}: give --user {0}, or \
             another place",
            name_of(owner)
        ),
        Ok(owner) => format!("; it is of user {}", name_of(owner)),
        Err(_) => String::new(),
    }
}

fn refused(action: &'static str) -> impl Fn(Errno) -> ConfineError {
    move |error| ConfineError::Refused { action, source: io::Error::from(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_limited_to_what_there_was_or_is_needed() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        limit_descriptors(1).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (soft, soft));
        assert!(soft <= hard);
        // No more than the hard limit, and that is no error.
        limit_descriptors(u64::MAX).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (soft, soft));
    }

    #[test]
    fn places_of_our_own_can_be_used() {
        let directory = tempfile::tempdir().unwrap();
        check_place(directory.path(), Access::Write).unwrap();
        check_place(&directory.path().join("not-there"), Access::Read).unwrap();
    }
}
