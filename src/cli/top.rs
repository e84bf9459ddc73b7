//! `flowtap top`: a probe in a terminal.

mod room;
mod view;

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::bail;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::cli::{UsageError, args, log, telemetry};
use crate::telemetry::{Status, client};

/// Shows the probe until a key says otherwise.
pub(super) fn run(arguments: &args::Top) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() || !can_be_drawn_on(std::env::var_os("TERM").as_deref()) {
        bail!(UsageError(
            "flowtap top needs a terminal that can be drawn on: use flowtap status".into()
        ));
    }
    // What is not there at all is said in a line, not in a screen.
    let place = telemetry::place(&arguments.probe, arguments.config.as_deref())?;
    let mut seen = Seen { status: telemetry::printable(&telemetry::ask(&place)?)?, trouble: None };
    let mut terminal = ratatui::try_init()?;
    let outcome = loop {
        if let Err(error) = terminal.draw(|frame| view::draw(frame, &seen)) {
            break Err(error);
        }
        match wait() {
            Ok(Wish::Leave) => break Ok(()),
            Ok(Wish::Look) => {}
            Err(error) => break Err(error),
        }
        let status = client::status(&place).map_err(anyhow::Error::from);
        match status.and_then(|status| telemetry::printable(&status)) {
            Ok(status) => seen = Seen { status, trouble: None },
            Err(error) => seen.trouble = Some(log::printable(&error.to_string())),
        }
    };
    ratatui::restore();
    Ok(outcome?)
}

/// Whether a terminal of this name (`TERM`) can put the cursor where it is told to.
fn can_be_drawn_on(name: Option<&OsStr>) -> bool {
    name.is_some_and(|name| !name.is_empty() && name != "dumb" && name != "unknown")
}

/// What is known of the probe.
#[derive(Debug)]
struct Seen {
    status: Status,
    /// Why there is nothing newer.
    trouble: Option<String>,
}

enum Wish {
    Look,
    Leave,
}

/// Waits until it is time for another look, or for a key that ends it.
fn wait() -> std::io::Result<Wish> {
    if !event::poll(INTERVAL)? {
        return Ok(Wish::Look);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Wish::Leave,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Leave,
            _ => Wish::Look,
        },
        _ => Wish::Look,
    })
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_cursor_is_not_drawn_on() {
        assert!(can_be_drawn_on(Some("xterm-256color".as_ref())));
        for name in [None, Some(""), Some("dumb"), Some("unknown")] {
            assert!(!can_be_drawn_on(name.map(OsStr::new)), "{name:?}");
        }
    }
}
