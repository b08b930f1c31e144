//! `--check`: what the files come to, as Samba's testparm says it.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::options::Options;
use crate::serve::{listen, source};

/// Prints what would be served to standard output, and every problem to standard error. Fails if
/// the server would not start, or would not serve one of the shares.
pub fn run(options: &Options) -> ExitCode {
    // Nobody is told a SID here, so none is made up and kept.
    let source = source(options, [0; 3]);
    let (state, problems) = match source.load_with_problems() {
        Ok(loaded) => loaded,
        Err(error) => {
            log::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let mut text =
        format!("# {}, with the accounts of {}\n", source.config.display(), source.pwddb.display());
    match listen(&state, options.port) {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            text.push_str(&format!("# listens on {}\n", addresses.join(", ")));
        }
        Err(error) => {
            log::error!("{error}");
            errors += 1;
        }
    }
    text.push_str(&state.settings.to_string());
    if let Err(error) = io::stdout().write_all(text.as_bytes()) {
        log::error!("cannot write: {error}");
        errors += 1;
    }
    log::info!("{}", verdict(errors, warnings));
    if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn verdict(errors: usize, warnings: usize) -> String {
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(verdict(0, 0), "no errors, no warnings");
        assert_eq!(verdict(1, 2), "1 error, 2 warnings");
    }
}
