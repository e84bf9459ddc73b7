//! As whom a probe would capture: what may be read is his to say, not that of who checks.

use std::env;
use std::path::Path;

use crate::cli::args::{Capture, Confine};
use crate::cli::installation::{CONFIGURATION_FILE, STATE_DIRECTORY, UNIT_USER};
use crate::confine::{self, Account, Privileges};

/// Who would capture.
#[derive(Debug, Default)]
pub(super) struct Runner {
    /// Whom this process has become for that; `None` where it is who it was.
    pub(super) user: Option<String>,
    /// The unit starts the probe, with directories that it makes.
    pub(super) is_unit: bool,
    /// The probe is started by root, and becomes this user when its interfaces and sockets are open.
    pub(super) is_started_by_root: bool,
    /// Why this process cannot become who would capture.
    pub(super) trouble: Option<String>,
}

impl Runner {
    /// Becomes who would capture with the configuration in `file`: for good, with what a capture gives up,
    /// as nothing is left to be done but to look. `asked` is who it has to be.
    ///
    /// # Errors
    ///
    /// Where it has to be somebody who is not there, or whom only root can become.
    pub(super) fn become_who_captures(
        capture: &Capture,
        file: &Path,
        asked: Option<&str>,
    ) -> anyhow::Result<Self> {
        if let Some(name) = asked {
            let account = Account::find(name)?;
            let Privileges { user, .. } = confine::give_up_privileges(Some(&account), None)?;
            return Ok(Self { user: Some(user), ..Self::default() });
        }
        let Confine { user, unconfined } = &capture.confine;
        if !confine::is_root() || *unconfined {
            return Ok(Self::default());
        }
        let is_unit = user.is_none()
            && file == Path::new(CONFIGURATION_FILE)
            && Account::find(UNIT_USER).is_ok();
        let name = user.as_deref().or_else(|| is_unit.then_some(UNIT_USER));
        // Who is not there is noted for himself.
        let Ok(account) = name.map(Account::find).transpose() else { return Ok(Self::default()) };
        if is_unit {
            // If it is not there as yet, the manager of the unit makes it.
            let _ = env::set_current_dir(STATE_DIRECTORY);
        }
        // Root without its capabilities is a user like any other, and that is what a capture makes of it.
        let (user, trouble) = match confine::give_up_privileges(account.as_ref(), None) {
            Ok(Privileges { user, .. }) => (Some(user), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Self { user, is_unit, is_started_by_root: !is_unit, trouble })
    }
}
