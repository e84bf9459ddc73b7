//! flowtap: parse → config → run → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    flowtap::cli::run(std::env::args_os())
}
