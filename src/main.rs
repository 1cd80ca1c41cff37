//! The process: everything is in the library, so that tests can walk through the same doors.

use std::process::ExitCode;

fn main() -> ExitCode {
    panelgate::cli::run()
}
