//! The `rosterd` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rosterd::cli::run()
}
