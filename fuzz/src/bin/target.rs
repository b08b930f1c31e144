//! `target NAME [FILE…]`: runs a fuzz target once for each file, or for standard input. For
//! reproducing what was found, and for fuzzers that start a process or write to its input.

use std::{
    io::{self, Read},
    process::ExitCode,
};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(target) = ksmbd_fuzz::target::TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("usage: target NAME [FILE…]; the names are:");
        ksmbd_fuzz::target::TARGETS.iter().for_each(|target| eprintln!("  {}", target.name));
        return ExitCode::from(2);
    };
    let files: Vec<String> = arguments.collect();
    match run(target.run, &files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("target: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(target: fn(&[u8]), files: &[String]) -> io::Result<()> {
    if files.is_empty() {
        let mut data = Vec::new();
        io::stdin().read_to_end(&mut data)?;
        target(&data);
    }
    for file in files {
        let data = std::fs::read(file).map_err(|why| io::Error::other(format!("{file}: {why}")))?;
        target(&data);
    }
    Ok(())
}
