//! The Linux kernel's client: suite `kernel`. A small guest boots once under QEMU, mounts the server's
//! share in every way that is in [`VARIANTS`], and reports each check over a serial line. What the
//! guest does is in `conformance/kernel/`; it is built from Debian's packages in [`guest`].

mod channels;
mod failover;
mod guest;
mod report;

use std::time::{Duration, Instant};

use crate::clients::{Checked, Problem, SmallDisk, same_tree, say, wrong};
use crate::config::Setup;
use crate::expect::{Outcome, Test};
use crate::namespace;
use crate::server::{Env, Server};
use crate::smbtorture::Measured;

use guest::Guest;
use report::Report;

/// How long the guest may be silent: what takes longer says now and then how far it has come.
const SILENCE: Duration = Duration::from_secs(90);

/// A way to mount the share, and what is checked there.
struct Variant {
    name: &'static str,
    options: &'static str,
    checks: &'static [&'static [&'static str]],
}

/// What every mount must do.
const ALWAYS: &[&str] = &["mount", "tree", "fsx", "rename", "sizes"];

/// What depends little on the dialect.
const FILES: &[&str] = &[
    "build", "unlinked", "list", "symlink", "hardlink", "times", "mapped", "locks", "names",
    "reserved", "readonly",
];

/// What wants two mounts to see each other's changes at once.
const SHARED: &[&str] = &["coherent", "writers", "moved", "full"];

const NETWORK: &[&str] = &["break", "reconnect", "restart"];

/// What is done over several connections at once.
const CHANNELS: &[&str] = &["mount", "tree", "channels"];

/// The server grants leases; only the oldest dialect knows nothing of them, and caches by oplocks.
const VARIANTS: &[Variant] = &[
    Variant {
        name: "2_0",
        options: "vers=2.0",
        checks: &[ALWAYS, &["coherent", "writers", "moved"]],
    },
    Variant { name: "2_1", options: "vers=2.1", checks: &[ALWAYS, &["locks"]] },
    Variant { name: "2_1-sign", options: "vers=2.1,sign", checks: &[ALWAYS] },
    Variant { name: "3_0", options: "vers=3.0", checks: &[ALWAYS, &["locks"]] },
    Variant { name: "3_0-seal", options: "vers=3.0,seal", checks: &[ALWAYS] },
    Variant { name: "3_0_2", options: "vers=3.0.2", checks: &[ALWAYS] },
    Variant { name: "3_0_2-sign", options: "vers=3.0.2,sign", checks: &[ALWAYS] },
    Variant { name: "3_1_1", options: "vers=3.1.1", checks: &[ALWAYS, FILES, SHARED] },
    Variant {
        name: "strict",
        options: "vers=3.1.1,cache=strict,closetimeo=20",
        checks: &[&["mount"], SHARED, &["deferred", "locks"]],
    },
    Variant {
        name: "no-handles",
        options: "vers=3.1.1,cache=strict,nohandlecache,closetimeo=0",
        checks: &[&["mount"], SHARED, &["undeferred", "fsx"]],
    },
    Variant { name: "3_1_1-sign", options: "vers=3.1.1,sign", checks: &[ALWAYS] },
    Variant { name: "3_1_1-seal", options: "vers=3.1.1,seal", checks: &[ALWAYS, FILES] },
    Variant {
        name: "no-cache",
        options: "vers=3.1.1,cache=none",
        checks: &[ALWAYS, FILES, SHARED],
    },
    Variant { name: "loose", options: "vers=3.1.1,cache=loose", checks: &[ALWAYS, FILES] },
    Variant {
        name: "network",
        options: "vers=3.1.1,hard,echo_interval=1",
        checks: &[&["mount"], NETWORK],
    },
    Variant {
        name: "multichannel",
        options: "vers=3.1.1,ip=198.51.100.1,hard,multichannel,max_channels=4,echo_interval=2",
        checks: &[CHANNELS, &["coherent", "writers", "fsx", "cut", "unplugged"]],
    },
    Variant {
        name: "multichannel-seal",
        options: "vers=3.1.1,ip=198.51.100.1,seal,multichannel,max_channels=4,echo_interval=2",
        checks: &[CHANNELS],
    },
    // On the share whose handles outlive the server.
    Variant {
        name: "persistent",
        options: "vers=3.1.1,hard,persistenthandles,echo_interval=1",
        checks: &[ALWAYS, &["locks", "failover"]],
    },
];

impl Variant {
    /// The server has to be where the client looks for further connections.
    fn wants_addresses(&self) -> bool {
        self.options.contains(",multichannel")
    }

    fn tests(&self) -> impl Iterator<Item = String> {
        self.checks.iter().copied().flatten().map(|check| format!("kernel.{}.{check}", self.name))
    }
}

/// The guest's plan: a line for each variant that has something to be checked.
fn plan(tests: &[Test]) -> String {
    let mut text = String::new();
    for variant in VARIANTS {
        let chosen = variant.tests().filter(|name| tests.iter().any(|test| test.name == *name));
        let checks: Vec<String> =
            chosen.filter_map(|name| Some(name.rsplit_once('.')?.1.to_owned())).collect();
        if !checks.is_empty() {
            text += &format!("{} {} {}\n", variant.name, variant.options, checks.join(" "));
        }
    }
    text
}

/// Runs the chosen checks; appends their results and what was wrong with the server.
pub(crate) fn run_all(
    env: &Env,
    tests: &[Test],
    results: &mut Vec<Measured>,
    troubles: &mut Vec<(String, Vec<String>)>,
) {
    // The namespace ends with its thread and with what that has started.
    std::thread::scope(|scope| {
        scope.spawn(|| run_alone(env, tests, results, troubles));
    });
}

fn run_alone(
    env: &Env,
    tests: &[Test],
    results: &mut Vec<Measured>,
    troubles: &mut Vec<(String, Vec<String>)>,
) {
    let addresses = namespace::enter();
    let (possible, impossible) = match &addresses {
        Ok(()) => (tests.to_vec(), Vec::new()),
        Err(_) => tests.iter().cloned().partition(|test| !wants_addresses(test)),
    };
    let mut run = Run { tests: &possible, done: Vec::new(), begun: None };
    let missing = match run.guest(env, addresses.is_ok(), troubles) {
        Ok(()) => Outcome::Fail("the guest did not come to it".into()),
        Err(problem) => outcome(problem),
    };
    let open =
        possible.iter().filter(|test| !run.done.iter().any(|done| done.test.name == test.name));
    let open: Vec<Measured> =
        open.map(|test| Measured { test: test.clone(), outcome: missing.clone() }).collect();
    if let Some(first) = open.first() {
        let (name, count) = (&first.test.name, open.len());
        println!("{name} and the rest, {count} in all, did not run: {missing:?}");
    }
    results.append(&mut run.done);
    results.extend(open);
    if let Err(problem) = addresses {
        println!("{} checks did not run: {problem}", impossible.len());
        let outcome = outcome(problem);
        results
            .extend(impossible.into_iter().map(|test| Measured { test, outcome: outcome.clone() }));
    }
}

fn outcome(problem: Problem) -> Outcome {
    match problem {
        Problem::CannotRun(why) => Outcome::CannotRun(why),
        Problem::Wrong(why) => Outcome::Fail(why),
    }
}

fn wants_addresses(test: &Test) -> bool {
    let mut wanting = VARIANTS.iter().filter(|variant| variant.wants_addresses());
    wanting.any(|variant| variant.tests().any(|name| name == test.name))
}

struct Run<'a> {
    tests: &'a [Test],
    done: Vec<Measured>,
    begun: Option<Instant>,
}

impl Run<'_> {
    fn guest(
        &mut self,
        env: &Env,
        addresses: bool,
        troubles: &mut Vec<(String, Vec<String>)>,
    ) -> Checked {
        guest::possible(env)?;
        // Without leases the client of Linux keeps an exclusive oplock over SMB 3 when it is broken:
        // it takes a break only with a newer epoch, which oplocks have not.
        let mut global = Vec::new();
        if addresses {
            global
                .extend(["server multi channel support = yes".to_owned(), channels::interfaces()]);
        }
        let global: Vec<&str> = global.iter().map(String::as_str).collect();
        let setup = Setup::persistent("kernel", &global);
        let disk = SmallDisk::mount(env, &setup);
        let mut server = match addresses {
            true => Server::start_on(env, setup, namespace::PORT)?,
            false => Server::start(env, setup)?,
        };
        let guest = Guest::prepare(env, &server, &plan(self.tests))?;
        let followed = self.follow(env, &mut server, guest);
        let source = env.scratch.join("work/kernel/source");
        for measured in &mut self.done {
            compare_tree(measured, &server, &source);
        }
        troubles.push(("server.kernel".to_owned(), server.stop()));
        drop(disk);
        followed
    }

    /// Reads the guest's reports until it ends.
    fn follow(&mut self, env: &Env, server: &mut Server, mut guest: Guest) -> Checked {
        let mut current = String::from("the boot");
        loop {
            let Some(line) = guest.line(SILENCE) else {
                let why = format!("the guest is silent or has ended, at {current}");
                self.finish(&current, Outcome::Fail(why.clone()), server);
                return Err(Problem::Wrong(format!("{why}: {}", guest.console_tail(env))));
            };
            match Report::parse(&line) {
                Some(Report::Booted(seconds)) => println!("the guest booted in {seconds} s"),
                Some(Report::Begin(name)) => {
                    self.begun = Some(Instant::now());
                    current = name;
                }
                Some(Report::Ok(name)) => self.finish(&name, Outcome::Pass, server),
                Some(Report::Bad(name, why)) => self.finish(&name, Outcome::Fail(why), server),
                Some(Report::Ask(what)) => {
                    let answer = match asked(&what, env, server) {
                        Ok(()) => "done".to_owned(),
                        Err(problem) => problem.to_string().replace('\n', " "),
                    };
                    guest.answer(&answer)?;
                }
                Some(Report::Step) => {}
                Some(Report::End) => return Ok(()),
                None => println!("the guest says {line:?}"),
            }
        }
    }

    fn finish(&mut self, name: &str, mut outcome: Outcome, server: &mut Server) {
        let Some(test) = self.tests.iter().find(|test| test.name == name) else {
            return;
        };
        if outcome != Outcome::Pass
            && let Some(why) = server.dead()
        {
            outcome = Outcome::Died(why.clone());
            let _ = server.restart(format!("during {name}: {why}"));
        }
        say(test, &outcome, self.begun.take().unwrap_or_else(Instant::now));
        self.done.push(Measured { test: test.clone(), outcome });
    }
}

/// Does what the guest cannot do itself.
fn asked(what: &str, env: &Env, server: &mut Server) -> Checked {
    match what {
        "restart" => Ok(server.bounce()?),
        "failover" => failover::kill(env, server),
        "channels" => channels::spread(env, server),
        "cut" => channels::cut(env, server, false),
        "cut-first" => channels::cut(env, server, true),
        "unplug" => channels::unplugged(),
        _ => wrong(format!("nobody knows how to {what}")),
    }
}

/// What the guest unpacked must be on the server's disk as it was packed.
fn compare_tree(measured: &mut Measured, server: &Server, source: &std::path::Path) {
    let name = &measured.test.name;
    let variant = name.strip_prefix("kernel.").and_then(|rest| rest.strip_suffix(".tree"));
    let (Some(variant), Outcome::Pass) = (variant, &measured.outcome) else {
        return;
    };
    let share = if variant == "persistent" { "lasting" } else { "files" };
    let there = server.share_dir(share).join(variant).join("tree");
    if let Err(problem) = same_tree(source, &there) {
        println!("{name}: on the server's disk: {problem}");
        measured.outcome = Outcome::Fail(format!("on the server's disk: {problem}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_check_has_its_expectation_and_its_function() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let suite = crate::expect::Suite::load(&here.join("suites/kernel.toml")).unwrap();
        let expected: BTreeSet<String> = suite.tests.into_iter().map(|test| test.name).collect();
        let checks: BTreeSet<String> = VARIANTS.iter().flat_map(Variant::tests).collect();
        assert_eq!(checks, expected);
        let script = std::fs::read_to_string(here.join("kernel/checks.sh")).unwrap();
        for name in &checks {
            let check = name.rsplit('.').next().unwrap();
            assert!(script.contains(&format!("\ncheck_{check}() {{")), "{check}");
        }
    }

    #[test]
    fn the_plan_holds_what_was_chosen() {
        let test = |name: &str| Test {
            name: name.to_owned(),
            expectation: crate::expect::Expectation::Pass,
            seconds: None,
            arguments: Vec::new(),
            share: None,
            global: Vec::new(),
            alone: false,
            port: None,
        };
        let tests = [test("kernel.3_0.fsx"), test("kernel.loose.tree"), test("kernel.3_0.tree")];
        let wanted = "3_0 vers=3.0 tree fsx\nloose vers=3.1.1,cache=loose tree\n";
        assert_eq!(plan(&tests), wanted);
    }
}
