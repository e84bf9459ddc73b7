//! Arguments, subcommands and what people see of them.

mod args;
mod capture;
mod ending;
mod flow_table;
mod replay;
pub mod show;
mod summary;
pub mod table;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::capture::CaptureError;
use crate::cli::args::{Arguments, Command};
use crate::cli::ending::Conflict;

/// Runs flowtap with the arguments of the process.
///
/// Exit codes: 0 done, 1 failed at run time, 2 wrong usage or configuration.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; nobody reading them is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match arguments.command {
        Command::Replay(arguments) => replay::run(arguments),
        Command::Capture(arguments) => capture::run(arguments),
        Command::Show(arguments) => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            let shown = show::show(&arguments.file, arguments.format, &mut out);
            let flushed = out.flush();
            match shown.and_then(|()| flushed.map_err(Into::into)) {
                Err(error) if is_broken_pipe(&error) => Ok(()),
                other => other,
            }
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            if is_usage(&error) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Says on standard error what went wrong, in one line.
fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "flowtap: {error:#}");
}

/// Whether the command line is to blame, and trying again will not help.
fn is_usage(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CaptureError::Filter { .. })) || error.is::<Conflict>()
}

/// Whether nobody wants to read any more: that ends a program, it does not fail it.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}
