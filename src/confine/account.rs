//! Whom to become.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::unistd::{Gid, Group, Uid, User, fchownat, geteuid, getgrouplist};

use crate::confine::ConfineError;

/// A user with its groups, as `NAME[:GROUP]` asks for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    pub(super) name: String,
    pub(super) user: Uid,
    pub(super) group: Gid,
    /// The group and the supplementary ones.
    pub(super) groups: Vec<Gid>,
}

impl Account {
    /// Looks up `NAME[:GROUP]`; numbers are taken as well.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Account`] for what there is not, and for a number without a group that has
    /// none by name.
    pub fn find(text: &str) -> Result<Self, ConfineError> {
        let wrong = |what: String| ConfineError::Account { text: text.to_owned(), what };
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let by_name = User::from_name(name).map_err(|error| wrong(error.to_string()))?;
        let entry = match (by_name, name.parse().ok().map(Uid::from_raw)) {
            (Some(entry), _) => Ok(entry),
            (None, None) => return Err(wrong(format!("there is no user {name:?}"))),
            (None, Some(number)) => match User::from_uid(number) {
                Ok(Some(entry)) => Ok(entry),
                Ok(None) => Err(number),
                Err(error) => return Err(wrong(error.to_string())),
            },
        };
        let group = match group {
            None => None,
            Some(group) => {
                let found = Group::from_name(group).map_err(|error| wrong(error.to_string()))?;
                let number = || group.parse().ok().map(Gid::from_raw);
                let found = found.map(|entry| entry.gid).or_else(number);
                Some(found.ok_or_else(|| wrong(format!("there is no group {group:?}")))?)
            }
        };
        match entry {
            Ok(User { name, uid, gid, .. }) => {
                let group = group.unwrap_or(gid);
                let c_name = CString::new(name.as_str()).map_err(|e| wrong(e.to_string()))?;
                let groups = getgrouplist(&c_name, group).map_err(|e| wrong(e.to_string()))?;
                Ok(Self { name, user: uid, group, groups })
            }
            Err(user) => {
                let group = group.ok_or_else(|| {
                    wrong("this number has no entry, so tell the group: NUMBER:GROUP".to_owned())
                })?;
                Ok(Self { name: user.to_string(), user, group, groups: vec![group] })
            }
        }
    }
}

impl Account {
    /// Lets this user and its group connect to the socket at `path`, and the user remove it: root has made
    /// it, if we are root.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Refused`] where there is no socket any more, and what else the system says.
    pub fn give_socket(&self, path: &Path) -> Result<(), ConfineError> {
        if !geteuid().is_root() {
            return Ok(());
        }
        self.own_socket(path).map_err(|source| ConfineError::Refused {
            action: "give the telemetry socket to the user",
            source,
        })
    }

    fn own_socket(&self, path: &Path) -> io::Result<()> {
        // What is looked at is what is given away, whoever can write to the directory.
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let found = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !found.metadata()?.file_type().is_socket() {
            return Err(io::Error::other(format!("{} is no socket", path.display())));
        }
        let (user, group) = (Some(self.user), Some(self.group));
        Ok(fchownat(&found, "", user, group, AtFlags::AT_EMPTY_PATH)?)
    }
}

/// What a user is called.
pub(super) fn name_of(user: Uid) -> String {
    match User::from_uid(user) {
        Ok(Some(entry)) => entry.name,
        _ => user.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_number() {
        let root = Account::find("root").unwrap();
        assert_eq!((root.user.as_raw(), root.group.as_raw()), (0, 0));
        assert!(root.groups.contains(&root.group), "{root:?}");
        assert_eq!(Account::find("0").unwrap(), root);
        assert_eq!(Account::find("root:root").unwrap(), root);
    }

    #[test]
    fn a_number_without_an_entry_needs_a_group() {
        let account = Account::find("4242424:17").unwrap();
        assert_eq!((account.user.as_raw(), account.group.as_raw()), (4_242_424, 17));
        assert_eq!(account.groups, [Gid::from_raw(17)]);
        let error = Account::find("4242424").unwrap_err().to_string();
        assert!(error.contains("NUMBER:GROUP"), "{error}");
    }

    #[test]
    fn who_is_not_there_is_named() {
        for (text, what) in [
            ("nobody-of-that-name", "no user"),
            ("", "no user"),
            ("root:no-such-group", "no group"),
        ] {
            let error = Account::find(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--user {text}: ")), "{error}");
            assert!(error.contains(what), "{error}");
        }
    }
}
