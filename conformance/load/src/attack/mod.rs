//! Denial of service: clients that want the server to serve nobody else. What they are answered does not
//! matter, but whoever is hung up on comes again.
//!
//! An attack says `ready` when it is in full swing, and `done COUNT` when it was told to end, or when its
//! time is up.

mod members;
mod strangers;

use std::io::{self, BufRead};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Options;
use crate::smb::broken;

/// Whoever is hung up on waits so long before he comes again.
const AGAIN: Duration = Duration::from_millis(20);

/// How an attack goes.
pub(crate) struct Course {
    until: Instant,
    told: AtomicBool,
    /// What has been done so far.
    count: AtomicU64,
    ready: AtomicU64,
}

impl Course {
    /// The attack goes on.
    fn goes_on(&self) -> bool {
        !self.told.load(Ordering::Relaxed) && Instant::now() < self.until
    }

    fn did(&self, more: u64) -> u64 {
        self.count.fetch_add(more, Ordering::Relaxed) + more
    }

    /// One of the attackers is where it wants to be.
    fn in_place(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one attacker does, once or until it is hung up on.
type Attacker = fn(&Options, usize, &Course) -> io::Result<()>;

const ATTACKS: [(&str, Attacker); 11] = [
    ("silent", strangers::silent),
    ("setups", strangers::setups),
    ("guesses", strangers::guesses),
    ("readers", members::readers),
    ("chains", members::chains),
    ("opens", members::opens),
    ("locks", members::locks),
    ("notifies", members::notifies),
    ("wildcards", members::wildcards),
    ("claims", members::claims),
    ("pipes", members::pipes),
];

/// Attacks until the time is up, or the input ends.
pub(crate) fn run(name: &str, options: &Options) -> io::Result<()> {
    let found = ATTACKS.iter().find(|(known, _)| *known == name);
    let (_, attacker) = found.ok_or_else(|| broken(format!("no attack {name}")))?;
    let course = Course {
        until: Instant::now() + Duration::from_secs_f64(options.seconds),
        told: AtomicBool::new(false),
        count: AtomicU64::new(0),
        ready: AtomicU64::new(0),
    };
    // One thread for all of those who say nothing, one for each of the others.
    let threads = if name == "silent" { 1 } else { options.clients };
    if name == "silent" {
        provide(options.clients)?;
    }
    thread::scope(|scope| {
        let course = &course;
        for number in 0..threads {
            scope.spawn(move || attack(*attacker, options, number, course));
        }
        scope.spawn(|| {
            while course.goes_on() && course.ready.load(Ordering::Relaxed) < threads as u64 {
                thread::sleep(AGAIN);
            }
            println!("ready");
        });
        // Whoever started this may end it: not joined, it ends with the process.
        thread::spawn({
            let told: &'static AtomicBool = &TOLD;
            move || {
                io::stdin().lock().lines().for_each(drop);
                told.store(true, Ordering::Relaxed);
            }
        });
        while course.goes_on() {
            if TOLD.load(Ordering::Relaxed) {
                course.told.store(true, Ordering::Relaxed);
            }
            thread::sleep(AGAIN);
        }
    });
    println!("done {}", course.count.load(Ordering::Relaxed));
    Ok(())
}

static TOLD: AtomicBool = AtomicBool::new(false);

fn attack(attacker: Attacker, options: &Options, number: usize, course: &Course) {
    let mut first = true;
    while course.goes_on() {
        let ended = attacker(options, number, course);
        if first {
            course.in_place();
            first = false;
        }
        if ended.is_err() {
            thread::sleep(AGAIN);
        }
    }
}

/// As many descriptors as sockets are wanted.
fn provide(sockets: usize) -> io::Result<()> {
    let wanted = sockets as u64 + 64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .map_err(|error| broken(format!("{wanted} descriptors: {error}")))
}
