//! `ksmbd.mountd`: reads its command line, and does what it says.

use std::process::ExitCode;

use ksmbd_mountd::options::{Action, Options, help};
use ksmbd_mountd::{check, logger, serve, try_out};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("ksmbd.mountd: {error}\nTry `ksmbd.mountd --help`.");
            return ExitCode::FAILURE;
        }
    };
    logger::start(options.common.verbose);
    match &options.action {
        Action::Help => print!("{}", help()),
        Action::Version => println!("ksmbd.mountd {}", env!("CARGO_PKG_VERSION")),
        Action::Check => return check::run(&options),
        Action::Serve => return serve::run(&options),
        Action::Try(folder) => return try_out::run(folder.as_deref(), &options),
    }
    ExitCode::SUCCESS
}
