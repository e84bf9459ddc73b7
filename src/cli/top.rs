//! `flowtap top`: a probe in a terminal.

mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::bail;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::cli::{args, telemetry};
use crate::telemetry::{Status, client};

/// Shows the probe until a key says otherwise.
pub(super) fn run(arguments: &args::Top) -> anyhow::Result<()> {
    // What is not there at all is said in a line, not in a screen.
    let place = telemetry::place(&arguments.probe, arguments.config.as_deref())?;
    let mut seen = Seen { status: telemetry::ask(&place)?, trouble: None };
    if !std::io::stdout().is_terminal() {
        bail!("flowtap top needs a terminal; for programs there is flowtap status --json");
    }
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
        match client::status(&place) {
            Ok(status) => seen = Seen { status, trouble: None },
            Err(error) => seen.trouble = Some(error.to_string()),
        }
    };
    ratatui::restore();
    Ok(outcome?)
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
