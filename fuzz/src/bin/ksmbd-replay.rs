//! `ksmbd-replay`: has the runs again that `ksmbd.mountd --record` has written down, or turns them
//! into something else.

use ksmbd_fuzz::replay::{
    self, Failed, Replayed, Watch, corpus,
    pcap::Pcap,
    rewrite::{Without, rewrite},
    scenario::Transcript,
};
use ksmbd_record::file;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
Usage: ksmbd-replay RECORDING [OPTION]

Has the recorded run again, and says where it differs. RECORDING is a file, or the directory that
`ksmbd.mountd --record` wrote to: then all that are in it.

     --to-scenario=FILE  write a test that reads as the exchange, and the recording beside it
     --to-corpus=DIR     write seeds for the fuzz targets `frame` and `recording`
     --pcap=FILE         write a capture for Wireshark, of what was said without encryption
     --without-data=FILE write another recording, without the data of files
     --without-keys=FILE write another recording, without session keys and proofs of passwords

One of them at a time: to leave out both, make the second recording of the first.
Exit status 1: something differs, or a recording is damaged.
";

/// What is wanted, and of what.
#[derive(Debug, Default)]
struct Options {
    recording: PathBuf,
    scenario: Option<PathBuf>,
    corpus: Option<PathBuf>,
    pcap: Option<PathBuf>,
    without_data: Option<PathBuf>,
    without_keys: Option<PathBuf>,
}

impl Options {
    /// What files are to be made of one recording.
    fn files(&self) -> usize {
        let files = [&self.scenario, &self.pcap, &self.without_data, &self.without_keys];
        files.iter().filter(|path| path.is_some()).count()
    }
}

fn main() -> ExitCode {
    let Some(options) = parse(std::env::args().skip(1)) else {
        eprint!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let recordings = match file::recordings(&options.recording) {
        Ok(recordings) => recordings,
        Err(error) => {
            eprintln!("ksmbd-replay: {}: {error}", options.recording.display());
            return ExitCode::FAILURE;
        }
    };
    let several = recordings.len() > 1;
    if several && options.files() > 0 {
        eprintln!("ksmbd-replay: there are {} recordings: name one", recordings.len());
        return ExitCode::FAILURE;
    }
    let mut status = ExitCode::SUCCESS;
    for recording in recordings {
        match run(&recording, &options) {
            Ok(done) => println!("{}: {}", recording.display(), said(&done)),
            Err(error) => {
                eprintln!("{}: {error}", recording.display());
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

fn parse(arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let slot = match name.as_str() {
            "--to-scenario" => &mut options.scenario,
            "--to-corpus" => &mut options.corpus,
            "--pcap" => &mut options.pcap,
            "--without-data" => &mut options.without_data,
            "--without-keys" => &mut options.without_keys,
            path if !path.starts_with('-') && options.recording.as_os_str().is_empty() => {
                options.recording = path.into();
                continue;
            }
            _ => return None,
        };
        *slot = Some(value.or_else(|| arguments.next())?.into());
    }
    let made = options.files() + usize::from(options.corpus.is_some());
    (!options.recording.as_os_str().is_empty() && made <= 1).then_some(options)
}

fn said(done: &Replayed) -> String {
    let Replayed { events, connections, frames, bytes, full } = done;
    let end = if *full { "; there the recording was full" } else { "" };
    format!(
        "{events} events, {connections} connections, {frames} frames of {bytes} bytes as recorded{end}"
    )
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn open(path: &Path) -> Outcome<BufReader<File>> {
    Ok(BufReader::new(File::open(path)?))
}

fn again(path: &Path, watch: &mut dyn Watch) -> Outcome<Replayed> {
    match replay::replay(open(path)?, watch) {
        // What came before the end that is missing is worth having, too.
        Err(Failed::Fault(fault, done)) if done.events > 0 => {
            println!("{}: {} until the fault", path.display(), said(&done));
            Err(fault.into())
        }
        other => Ok(other?),
    }
}

/// A new file for its owner alone.
fn secret(path: &Path) -> Outcome<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn run(recording: &Path, options: &Options) -> Outcome<Replayed> {
    let name = recording.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(path) = &options.scenario {
        let mut transcript = Transcript::default();
        let done = again(recording, &mut transcript)?;
        let beside = path.with_extension(file::EXTENSION);
        io::copy(&mut open(recording)?, &mut secret(&beside)?)?;
        let beside = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let test = path.file_stem().unwrap_or_default().to_string_lossy().replace(['-', '.'], "_");
        fs::write(path, transcript.test(&test, &beside))?;
        return Ok(done);
    }
    if let Some(path) = &options.pcap {
        let mut pcap = Pcap::new(BufWriter::new(secret(path)?))?;
        let done = again(recording, &mut pcap);
        pcap.finish()?;
        return done;
    }
    for (path, without) in
        [(&options.without_data, Without::Data), (&options.without_keys, Without::Keys)]
    {
        if let Some(path) = path {
            let read = || Ok(Box::new(BufReader::new(File::open(recording)?)) as Box<dyn Read>);
            let written = rewrite(read, secret(path)?, without);
            // Half of one would look like a run without an end.
            written.inspect_err(|_| drop(fs::remove_file(path)))?;
            return again(path, &mut ());
        }
    }
    if let Some(folder) = &options.corpus {
        let mut seeds = corpus::Seeds::default();
        // A recording without an end has as good a beginning.
        let done = again(recording, &mut seeds);
        seeds.save(folder, &name)?;
        let folder = folder.join("recording");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&name), corpus::events(open(recording)?)?)?;
        return done;
    }
    again(recording, &mut ())
}
