//! Denial of service: suite `dos`. Attackers (`conformance/load/src/attack/`) come from 127.0.0.2 and its
//! neighbours, an ordinary client from 127.0.0.1: it is served all the while, the server's memory stays
//! under the budget that `mountd/README.md` has for it, and nothing is left when they are gone.

mod attack;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clients::{Check, Checked, Context, Problem, Smbclient, wrong};
use crate::config::{Kind, Setup};
use crate::server::Server;
use crate::storm::{self, Held};

use attack::Attack;

/// How long an attack goes on when nobody says otherwise.
const SECONDS: u64 = 4;

/// What one visit of the ordinary client may take: it is to be served, however slowly. Alone it takes some
/// tens of milliseconds.
const SERVED: Duration = Duration::from_secs(20);

/// KiB of a connection without a session, with its thread; of the longest frame that one may begin, which is held
/// until the rest of it has come, or its time is over; and of all that is needed once.
const STRANGER: u64 = 40;
const BEGUN: u64 = 66;
const ONCE: u64 = 24 << 10;

/// KiB of a connection with sessions: the largest frame three times, and an answer twice.
const MEMBER: u64 = 3 * (4 << 10) + 2 * (16 << 10);

/// KiB of one that does nothing but to write into a pipe.
const PIPE: u64 = 1 << 10;

/// KiB for what waits, of all clients together.
const WAITING: u64 = 64 << 10;

/// `max ip connections`, as it is when nobody says otherwise.
const OF_ADDRESS: u64 = 32;

/// All that are let in once the limits are raised.
const MANY: u64 = 10_000;

/// What an attack is to show.
struct Plan {
    attack: &'static str,
    /// Attackers of one address.
    clients: u64,
    addresses: u8,
    /// Lines of `[global]`.
    global: &'static [&'static str],
    /// KiB that the server may grow by.
    budget: u64,
}

const PLAN: Plan = Plan {
    attack: "",
    clients: OF_ADDRESS,
    addresses: 1,
    global: &[],
    budget: OF_ADDRESS * MEMBER + WAITING,
};

pub(crate) fn checks() -> Vec<Check> {
    let strangers = OF_ADDRESS * STRANGER + ONCE;
    let plans = [
        (
            "silent",
            Plan {
                attack: "silent",
                clients: MANY / 2,
                addresses: 2,
                budget: 2 * strangers,
                ..PLAN
            },
        ),
        ("guesses", Plan { attack: "guesses", budget: strangers, ..PLAN }),
        ("readers", Plan { attack: "readers", ..PLAN }),
        ("chains", Plan { attack: "chains", ..PLAN }),
        ("opens", Plan { attack: "opens", ..PLAN }),
        ("locks", Plan { attack: "locks", clients: 8, ..PLAN }),
        ("notifies", Plan { attack: "notifies", clients: 4, ..PLAN }),
        ("wildcards", Plan { attack: "wildcards", clients: 8, ..PLAN }),
        ("claims", Plan { attack: "claims", ..PLAN }),
        ("pipes", Plan { attack: "pipes", budget: OF_ADDRESS * PIPE + ONCE, ..PLAN }),
    ];
    let mut checks: Vec<Check> = plans
        .into_iter()
        .map(|(name, plan)| {
            Check::new(format!("dos.{name}"), move |context: &Context<'_>| held_off(context, &plan))
        })
        .collect();
    checks.push(Check::new("dos.full", full));
    checks.push(Check::new("dos.setups", setups));
    checks
}

/// A server under attack.
struct Besieged {
    server: Server,
    before: Held,
    /// KiB: at the start, and the most there were.
    fresh: u64,
    most: u64,
    /// Visits of the ordinary client, and the longest.
    visits: u64,
    longest: Duration,
}

impl Besieged {
    fn new(context: &Context<'_>, global: &[&str], warm: &str) -> Checked<Self> {
        if context.env.kind != Kind::Ksmbd {
            return Err(Problem::CannotRun("of ksmbd-mountd alone".into()));
        }
        let mut setup = Setup::clients(&context.name.replace('.', "-"), global);
        setup.plain = true;
        let server = Server::start(context.env, setup)?;
        prepare(&server)?;
        let mut besieged = Self {
            server,
            before: Held::default(),
            fresh: 0,
            most: 0,
            visits: 0,
            longest: Duration::ZERO,
        };
        // What is made when it is needed for the first time, and stays.
        besieged.visit(context)?;
        if warm == "notifies" {
            // The queue that tells of changes stays, once there is one.
            let one = Attack::begin(context, &besieged.server, warm, 0, 1, 0)?;
            one.ready()?;
            one.end()?;
        }
        storm::settled(context.env, &besieged.server)?;
        besieged.before = Held::of(&besieged.server)?;
        besieged.fresh = besieged.server.resident().unwrap_or(0);
        (besieged.visits, besieged.longest) = (0, Duration::ZERO);
        Ok(besieged)
    }

    /// An ordinary client comes, does its work, and goes.
    fn visit(&mut self, context: &Context<'_>) -> Checked {
        let work = context.env.work(context.name)?;
        fs::write(work.join("mine"), b"still served")?;
        let begun = Instant::now();
        let client = Smbclient::new(self.server.port, "files");
        let name = format!("mine{}", self.visits);
        client.run(&work, &format!("put mine {name}; get {name} back; del {name}"))?;
        let took = begun.elapsed();
        if took > SERVED {
            return wrong(format!("an ordinary client was served after {took:.1?}"));
        }
        (self.visits, self.longest) = (self.visits + 1, self.longest.max(took));
        self.look();
        Ok(())
    }

    fn look(&mut self) {
        self.most = self.most.max(self.server.resident().unwrap_or(0));
    }

    /// Visits for some time.
    fn visits(&mut self, context: &Context<'_>, seconds: u64) -> Checked {
        let until = Instant::now() + Duration::from_secs(seconds);
        while self.visits < 2 || Instant::now() < until {
            self.visit(context)?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What has happened since the start, by its name.
    fn tally(&self, context: &Context<'_>, name: &str) -> Checked<u64> {
        let status = self.server.status(context.env)?;
        let count = status["since_start"][name].as_u64();
        count
            .map_or_else(|| wrong(format!("the status does not count {name}: {}", Value::Null)), Ok)
    }

    fn grown(&self) -> u64 {
        self.most.saturating_sub(self.fresh)
    }

    /// Threads end a moment after their connections have.
    fn nothing_left(&self) -> Checked {
        let until = Instant::now() + SERVED;
        loop {
            let left = Held::of(&self.server)?.but_memory(&self.before);
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                let some = left.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
                return wrong(format!("{} are left: {some} ...", left.len()));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The attackers are gone: so is what they had, and an ordinary client is served.
    fn relieved(mut self, context: &Context<'_>, budget: u64, said: &str) -> Checked {
        let took = storm::settled(context.env, &self.server)?;
        self.nothing_left()?;
        self.visit(context)?;
        println!(
            "{}: {said}; {} visits, the longest {:.2?}; memory {} KiB before, {} KiB meanwhile, {} KiB after; all \
             tables empty after {:.1?}",
            context.name,
            self.visits,
            self.longest,
            self.fresh,
            self.most,
            self.server.resident().unwrap_or(0),
            took,
        );
        if self.grown() > budget {
            return wrong(format!(
                "{} KiB more than at the start, and {budget} are allowed",
                self.grown()
            ));
        }
        let troubles = self.server.stop();
        if troubles.is_empty() { Ok(()) } else { wrong(troubles.join("; ")) }
    }
}

/// What attackers look for.
fn prepare(server: &Server) -> Checked {
    let share = server.share_dir("files");
    let long = share.join("long");
    fs::create_dir_all(&long)?;
    for number in 0..100 {
        fs::write(long.join(format!("{}{number:03}", "a".repeat(250))), b"")?;
    }
    fs::write(share.join("large"), vec![7; 8 << 20])?;
    for path in [long, share.join("large")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
    }
    Ok(())
}

fn held_off(context: &Context<'_>, plan: &Plan) -> Checked {
    let mut besieged = Besieged::new(context, plan.global, plan.attack)?;
    let seconds = context.env.seconds.unwrap_or(SECONDS);
    let mut attacks = Vec::new();
    for address in 0..plan.addresses {
        attacks.push(Attack::begin(
            context,
            &besieged.server,
            plan.attack,
            address,
            plan.clients,
            0,
        )?);
    }
    for attack in &attacks {
        attack.ready()?;
    }
    besieged.visits(context, seconds)?;
    let mut done = 0;
    for attack in attacks {
        done += attack.end()?;
    }
    if done == 0 {
        return wrong("there was no attack");
    }
    besieged.relieved(context, plan.budget, &format!("{done} times"))
}

/// As many connections as `max connections` has, all without a session: the oldest of them goes for whoever
/// comes.
fn full(context: &Context<'_>) -> Checked {
    let global = ["max connections = 10000", "max ip connections = 10000", "max open files = 1000"];
    let mut besieged = Besieged::new(context, &global, "")?;
    let all = room(context, &besieged.server)?;
    let mut attacks = Vec::new();
    for address in 0..2 {
        // A fifth of them claims too much, and is hung up on at once.
        let attack = Attack::begin(context, &besieged.server, "silent", address, 2 * all / 3, 0)?;
        attacks.push(attack);
    }
    for attack in &attacks {
        attack.ready()?;
    }
    let until = Instant::now() + Duration::from_secs(30);
    let mut connected = 0;
    while connected < all * 99 / 100 {
        if Instant::now() > until {
            return wrong(format!("only {connected} connections"));
        }
        let status = besieged.server.status(context.env)?;
        connected = status["connections"].as_array().map_or(0, |all| all.len() as u64);
        besieged.look();
    }
    besieged.visits(context, context.env.seconds.unwrap_or(2 * SECONDS))?;
    let ended = besieged.tally(context, "connections ended for others")?;
    if ended < besieged.visits {
        return wrong(format!("{ended} connections went for others in {} visits", besieged.visits));
    }
    let mut done = 0;
    for attack in attacks {
        done += attack.end()?;
    }
    let each = besieged.grown() / all;
    let said = format!(
        "{done} connections, {connected} at once, {each} KiB each; {ended} went for others"
    );
    // A fifth of them begins such a frame.
    besieged.relieved(context, all * STRANGER + all / 5 * BEGUN + ONCE, &said)
}

/// How many connections there can be: as many as are configured, or fewer for want of descriptors.
fn room(context: &Context<'_>, server: &Server) -> Checked<u64> {
    let status = server.status(context.env)?;
    let budgets = status["budgets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let limit = budgets.iter().find(|budget| budget["name"] == "connections");
    match limit.and_then(|limit| limit["limit"].as_u64()) {
        Some(limit) if limit < MANY / 2 => {
            let why = format!("descriptors for {limit} connections only, instead of {MANY}");
            Err(Problem::CannotRun(why))
        }
        Some(limit) => Ok(limit),
        None => wrong("the status does not say how many connections there may be"),
    }
}

/// A hundred thousand sessions, begun and left or made and left.
fn setups(context: &Context<'_>) -> Checked {
    const SESSIONS: u64 = 100_000;
    let mut besieged = Besieged::new(context, &[], "")?;
    let begun = Instant::now();
    let mut attack = Attack::begin(context, &besieged.server, "setups", 0, 8, SESSIONS)?;
    attack.ready()?;
    while !attack.is_over() {
        if begun.elapsed() > Duration::from_secs(600) {
            return wrong("a hundred thousand sessions take too long");
        }
        besieged.visit(context)?;
        thread::sleep(Duration::from_millis(100));
    }
    let done = attack.end()?;
    if done < SESSIONS {
        return wrong(format!("only {done} sessions"));
    }
    let said = format!("{done} sessions in {:.1?}", begun.elapsed());
    besieged.relieved(context, OF_ADDRESS * STRANGER + 2 * ONCE, &said)
}
