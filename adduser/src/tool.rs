//! What the tools have in common around their work: what they say, where, and how they exit.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use lexopt::Error;

use crate::options::Request;

/// A program, by the name under which it is installed.
#[derive(Clone, Copy, Debug)]
pub struct Tool(pub &'static str);

impl Tool {
    /// Does what the command line asks for. `run` fails with what is wrong and what to do about it.
    pub fn main<T>(
        self,
        help: &str,
        request: Result<Request<T>, Error>,
        run: impl FnOnce(T) -> Result<(), String>,
    ) -> ExitCode {
        let done = match request {
            Ok(Request::Help) => say(help.trim_end()),
            Ok(Request::Version) => say(&format!("{} {}", self.0, env!("CARGO_PKG_VERSION"))),
            Ok(Request::Run(work)) => run(work),
            Err(error) => Err(format!("{error}\nTry `{} --help`.", self.0)),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                self.complain(message);
                ExitCode::FAILURE
            }
        }
    }

    /// To standard error.
    pub fn complain(self, text: impl Display) {
        // There is nobody left to tell if this fails.
        let _ = writeln!(io::stderr(), "{}: {text}", self.0);
    }
}

/// To standard output.
pub fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write: {error}"))
}
