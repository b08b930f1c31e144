//! The daemon as a process: signals, reload, threads, messages, and `--try`.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::accounts;
use super::{Check, Checked, Context, Plain, Problem, Smbclient, wrong};
use crate::config::{Kind, Setup, Share};
use crate::process::{Process, run};
use crate::server::{Env, Server};

/// How long a change may take to show.
const SOON: Duration = Duration::from_secs(5);

/// Where `--try` listens.
const TRY_PORT: u16 = 4450;

pub(crate) fn checks() -> Vec<Check> {
    let bodies: [(&str, Plain); 10] = [
        ("threads", threads),
        ("reload", reload),
        ("broken-reload", broken_reload),
        ("term", |context| ends_by(context, Signal::TERM)),
        ("int", |context| ends_by(context, Signal::INT)),
        ("wrong-line", wrong_line),
        ("unknown-key", |context| reported(context, "no such parameter = 1", true)),
        ("wrong-value", |context| reported(context, "server signing = manditory", false)),
        ("try", try_it),
        ("recorded", recorded),
    ];
    let mut checks: Vec<Check> = bodies
        .into_iter()
        .map(|(name, body)| {
            Check::new(format!("clients.daemon.{name}"), move |context: &Context<'_>| {
                ours(context)?;
                body(context)
            })
        })
        .collect();
    checks.extend(accounts::checks());
    checks
}

/// These check ksmbd-mountd, whatever else is under test.
pub(crate) fn ours(context: &Context<'_>) -> Checked {
    if context.env.kind == Kind::Ksmbd {
        return Ok(());
    }
    Err(Problem::CannotRun("of ksmbd-mountd alone".into()))
}

/// Polls until something holds.
fn soon(what: &str, mut holds: impl FnMut() -> bool) -> Checked {
    let until = Instant::now() + SOON;
    while !holds() {
        if Instant::now() > until {
            return wrong(format!("not within {} s: {what}", SOON.as_secs()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn thread_names(pid: u32) -> Vec<String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

/// `ksmbd/0` accepts; each client has its `ksmbd/N` as long as it is connected.
fn threads(context: &Context<'_>) -> Checked {
    let Some(pid) = context.server.pid() else {
        return wrong("no process");
    };
    let clients = || {
        let names = thread_names(pid);
        let number = |name: &String| name.strip_prefix("ksmbd/")?.parse::<u32>().ok();
        names.iter().filter_map(number).filter(|number| *number > 0).count()
    };
    // A thread has its name when it runs for the first time, and connections wait for it until then.
    soon("ksmbd/0", || thread_names(pid).iter().any(|name| name == "ksmbd/0"))?;
    soon("no ksmbd/N without a client", || clients() == 0)?;
    let client = Smbclient::new(context.server.port, "files");
    let held: Vec<Process> = (0..3).map(|_| client.hold()).collect::<Checked<_>>()?;
    soon("three ksmbd/N for three clients", || clients() == 3)?;
    drop(held);
    soon("no ksmbd/N when they are gone", || clients() == 0)
}

fn own_server(context: &Context<'_>) -> Checked<Server> {
    let name = context.name.rsplit('.').next().unwrap_or_default();
    Ok(Server::start(context.env, Setup::clients(name, &[]))?)
}

fn stopped(server: Server) -> Checked {
    let troubles = server.stop();
    if troubles.is_empty() { Ok(()) } else { wrong(troubles.join("; ")) }
}

/// HUP: a new share and a new user, while a client stays connected.
fn reload(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let mut server = own_server(context)?;
    let mut held = Smbclient::new(server.port, "files").hold()?;
    let client = Smbclient::new(server.port, "later").login("ksmbd3", "third-Pass3");
    client.refused(&work, "ls", &["NT_STATUS_LOGON_FAILURE"])?;
    server.setup().shares.push(Share::new("later", &["read only = no"]));
    server.make_shares()?;
    server.write_conf()?;
    server.add_user("ksmbd3", "third-Pass3")?;
    server.signal(Signal::HUP);
    soon("the new user reaches the new share", || client.run(&work, "mkdir here; ls").is_ok())?;
    Smbclient::new(server.port, "files").run(&work, "ls")?;
    if held.ended().is_some() {
        return wrong("the reload ended a client's connection");
    }
    stopped(server)
}

/// HUP with a broken file: what was served is served on.
fn broken_reload(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let server = own_server(context)?;
    let text = fs::read_to_string(server.conf())?;
    fs::write(server.conf(), format!("{text}\nthis is no line of a configuration\n"))?;
    server.signal(Signal::HUP);
    thread::sleep(Duration::from_millis(500));
    Smbclient::new(server.port, "files").run(&work, "ls")?;
    stopped(server)
}

/// Several clients at once, a wrong password and a reload: the recording replays bit for bit.
fn recorded(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    fs::write(work.join("file"), vec![b'x'; 3 << 20])?;
    let env = Env { record: true, ..context.env.clone() };
    let server = Server::start(&env, Setup::clients("recorded", &[]))?;
    let client = Smbclient::new(server.port, "files");
    let run = |number: usize, protection: &str| {
        let client = client.clone().option(format!("--client-protection={protection}"));
        let name = format!("f{number}");
        client.run(&work, &format!("put file {name}; ls; get {name} {name}; del {name}"))
    };
    thread::scope(|scope| {
        let kinds = ["off", "sign", "encrypt", "encrypt"].into_iter().enumerate();
        let run = &run;
        let running: Vec<_> =
            kinds.map(|(number, kind)| scope.spawn(move || run(number, kind))).collect();
        running.into_iter().try_for_each(|one| match one.join() {
            Ok(checked) => checked.map(|_| ()),
            Err(_) => wrong("a thread panicked"),
        })
    })?;
    let nobody = Smbclient::new(server.port, "files").login("ksmbd1", "not-It");
    nobody.refused(&work, "ls", &["NT_STATUS_LOGON_FAILURE"])?;
    server.signal(Signal::HUP);
    client.list()?;
    stopped(server)
}

/// A signal ends it with 0 although a client is connected.
fn ends_by(context: &Context<'_>, signal: Signal) -> Checked {
    let server = own_server(context)?;
    let Some(pid) = server.pid() else {
        return wrong("no process");
    };
    let _held = Smbclient::new(server.port, "files").hold()?;
    soon("a client's thread", || {
        thread_names(pid).iter().any(|name| name.starts_with("ksmbd/") && name != "ksmbd/0")
    })?;
    server.signal(signal);
    soon("its end", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
    })?;
    stopped(server)
}

/// A wrong line stops the start, and is named by file and number.
fn wrong_line(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let conf = work.join("wrong.conf");
    fs::write(&conf, "[global]\nnetbios name = X\n\nthis is no line of a configuration\n")?;
    fs::write(work.join("pwd.db"), "")?;
    let mut command = context.env.tool("ksmbd-mountd");
    command.arg("--nodetach").arg(format!("--config={}", conf.display()));
    command.arg(format!("--pwddb={}", work.join("pwd.db").display()));
    command.arg(format!("--port={}", crate::server::free_port()?));
    let output = run(&mut command, b"", SOON)?;
    let all = output.all();
    if output.status.is_none() || output.success() {
        return wrong(format!("started in spite of it: {}: {}", output.ending(), output.tail()));
    }
    if all.contains("wrong.conf:4") || all.contains("wrong.conf") && all.contains("line 4") {
        return Ok(());
    }
    wrong(format!("the message does not name wrong.conf and line 4: {}", output.tail()))
}

/// A key or value that means nothing is reported with file and line; an unknown key does not stop
/// the start.
fn reported(context: &Context<'_>, line: &str, starts: bool) -> Checked {
    let work = context.env.work(context.name)?;
    let name = context.name.rsplit('.').next().unwrap_or_default();
    let started = Server::start(context.env, Setup::clients(name, &[line]));
    if let Ok(server) = &started {
        Smbclient::new(server.port, "files").run(&work, "ls")?;
    }
    let conf = fs::read_to_string(context.env.scratch.join(name).join("ksmbd.conf"))?;
    let number = conf.lines().position(|own| own == line).unwrap_or_default() + 1;
    let log = fs::read_to_string(context.env.out.join(format!("{name}.log")))?;
    let key = line.split(" = ").next().unwrap_or_default();
    let place = [format!("ksmbd.conf:{number}"), format!("line {number}")];
    let named = |said: &&str| said.contains(key) && place.iter().any(|place| said.contains(place));
    if !log.lines().any(|said| named(&said)) {
        let log = log.replace('\n', " | ");
        return wrong(format!("no message names {key:?} and line {number}: {log}"));
    }
    match started {
        Ok(server) => stopped(server),
        Err(e) if starts => wrong(e),
        Err(_) => Ok(()),
    }
}

/// `--try DIR`: the printed smbclient line works as it stands, and Ctrl-C ends it with 0.
fn try_it(context: &Context<'_>) -> Checked {
    if std::net::TcpStream::connect(("127.0.0.1", TRY_PORT)).is_ok() {
        return Err(Problem::CannotRun(format!("something else listens on port {TRY_PORT}")));
    }
    let work = context.env.work(context.name)?;
    fs::write(work.join("shown-by-try"), b"x")?;
    let log = context.env.out.join("try.log");
    let file = File::create(&log)?;
    let mut command = context.env.tool("ksmbd-mountd");
    command.arg("--try").arg(&work).stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file);
    let mut process = Process::spawn(&mut command)?;
    let said = || fs::read_to_string(&log).unwrap_or_default();
    soon("the smbclient line", || said().lines().any(|line| smbclient_line(line).is_some()))?;
    let text = said();
    let Some(words) = text.lines().find_map(smbclient_line) else {
        return wrong("no line");
    };
    if !text.contains("mount -t cifs") {
        return wrong(format!("no mount line: {}", text.replace('\n', " | ")));
    }
    let mut client = Command::new("smbclient");
    client.args(["-s", "/dev/null"]).args(&words[1..]).args(["-c", "ls; mkdir made"]);
    let mut output = run(&mut client, b"", SOON)?;
    if !output.success() {
        // The line may be printed a moment before the server accepts.
        thread::sleep(Duration::from_millis(500));
        output = run(&mut client, b"", SOON)?;
    }
    if !output.success() || !output.stdout.contains("shown-by-try") || !work.join("made").is_dir() {
        return wrong(format!("{words:?}: {}: {}", output.ending(), output.tail()));
    }
    process.signal(Signal::INT);
    match process.wait(SOON) {
        Some(status) if status.success() => Ok(()),
        Some(status) => wrong(format!("Ctrl-C ended it with {status}")),
        None => wrong("Ctrl-C did not end it"),
    }
}

/// The words of a line that calls smbclient, whatever prompt stands before it.
fn smbclient_line(line: &str) -> Option<Vec<String>> {
    let line = &line[line.find("smbclient ")?..];
    let words = words(line)?;
    words.iter().any(|word| word.starts_with("//")).then_some(words)
}

/// Splits as a shell does, as far as quotes and backslashes go.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().push(letters.next()?),
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_line_is_split_as_a_shell_does() {
        let line = "  $ smbclient //127.0.0.1/try -p 4450 -U 'me%a b' \"x'y\" a\\ b ''";
        let wanted =
            ["smbclient", "//127.0.0.1/try", "-p", "4450", "-U", "me%a b", "x'y", "a b", ""];
        assert_eq!(smbclient_line(line).unwrap(), wanted);
        assert_eq!(smbclient_line("smbclient is not installed"), None);
        assert_eq!(smbclient_line("smbclient '//open"), None);
    }
}
