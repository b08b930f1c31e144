//! Random behaviour over a [`World`]: a source of choices decides what which client does next. `sim`
//! draws choices from a seed, the fuzz target from its bytes.

mod action;
mod careful;
mod choice;
mod durable;
mod network;
pub mod report;
mod request;
mod restart;
mod script;
mod shape;
mod shrink;
pub mod trace;

pub use choice::{Bytes, Choices, Seed};
pub use script::{Finding, Script, Totals, catch_findings};
pub use shrink::shrink;

use crate::{
    client::{Client, durable::persistence},
    daemon::{READER, password},
    model::{Models, exercise},
    world::{Seen, World},
};
use action::Action;
use careful::Careful;
use core::time::Duration;
use ksmbd_core::{
    auth::ntlm::client::Credentials,
    id::OpenId,
    status::NtStatus,
    status_report::OpenStatus,
    wire::{
        create_context::LeaseState,
        header::{Command, FileId},
        negotiate::{Capabilities, Dialect},
        oplock_break::OplockBreakRequest,
    },
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

/// Clients at once.
const CLIENTS: usize = 4;

/// Opens of clients that have left, which others may want.
const LOST: usize = 12;

/// Requests that a client leaves unanswered before it reads.
const UNANSWERED: usize = 24;

/// One client and what it knows.
struct Actor {
    client: Client,
    files: Vec<FileId>,
    /// Breaks that it was told and has not answered.
    broken: Vec<OplockBreakRequest>,
    trees: Vec<u32>,
    /// What others had open when they left.
    lost: Vec<FileId>,
    /// What the last WRITE wrote; the next one writes something else.
    tag: Rc<Cell<u8>>,
    /// Ranges that it has asked to be locked.
    locks: RefCell<Vec<(FileId, u64, u64)>>,
    /// How those of them were made that the server has promised to keep.
    made: durable::Made,
    /// It wants its opens to outlive the server.
    keen: bool,
}

/// A run under way.
pub struct Swarm {
    world: World,
    actors: Vec<Actor>,
    /// Clients that really cache, and how many there shall be.
    careful: Vec<Careful>,
    cautious: usize,
    /// How many have come so far.
    came: u8,
    /// What those had open who have left, the last of it.
    lost: Vec<FileId>,
    /// Opens outlive the server in this run.
    persistent: bool,
    /// Opens that somebody was told will.
    promised: BTreeSet<OpenId>,
    /// How likely each kind of action is in this run; 0 is never.
    weights: [u32; Action::COUNT],
    models: Option<Models>,
    tag: Rc<Cell<u8>>,
    /// Requests that were sent.
    pub sent: usize,
    /// Answers that were read.
    pub answered: usize,
    /// Connections that the server has dropped.
    pub dropped: usize,
    /// Opens that have outlived a server.
    pub survived: usize,
}

impl Swarm {
    /// A run whose shape is drawn first: limits, faults, and how likely each action is.
    pub fn new(choices: &mut dyn Choices) -> Self {
        let persistent = choices.chance(2);
        Self::shaped(choices, persistent)
    }

    fn shaped(choices: &mut dyn Choices, persistent: bool) -> Self {
        let world = shape::world(choices, persistent);
        // They come back to no server that is another one.
        let cautious = if persistent { 0 } else { choices.below(4) };
        let weights = Action::weights(choices);
        Self {
            world,
            actors: Vec::new(),
            careful: Vec::new(),
            cautious,
            came: 0,
            lost: Vec::new(),
            persistent,
            promised: BTreeSet::new(),
            weights,
            models: None,
            tag: Rc::default(),
            sent: 0,
            answered: 0,
            dropped: 0,
            survived: 0,
        }
    }

    /// The same with all models beside it. They do not know what outlives a server: a run in which it is
    /// killed has none, but checks of its own (`restart.rs`).
    pub fn with_models(choices: &mut dyn Choices) -> Self {
        let persistent = choices.chance(5);
        let mut swarm = Self::shaped(choices, persistent);
        if persistent {
            return swarm;
        }
        if choices.chance(16) {
            exercise(&swarm.world.config());
        }
        swarm.models = Some(Models::new(&swarm.world));
        swarm
    }

    /// One action of somebody.
    pub fn step(&mut self, choices: &mut dyn Choices) {
        if self.actors.is_empty() {
            return self.join(choices);
        }
        let index = choices.below(self.actors.len());
        match Action::draw(&self.weights, choices) {
            Action::Join => self.join(choices),
            Action::Request => self.request(index, choices),
            Action::Chain => self.chain(index, choices),
            Action::Acknowledge => self.acknowledge(index, choices),
            Action::Mutate => self.mutate(index, choices),
            Action::Cancel => self.cancel(index, choices),
            Action::SetUp => self.set_up(index, choices),
            Action::HangUp => drop(self.leave(index)),
            Action::Hold => self.hold(choices),
            Action::Complete => self.complete(choices),
            Action::Wait => self.wait(choices),
            Action::Fault => self.fault(choices),
            Action::Outside => self.outside(choices),
            Action::Slow => self.slow(choices),
            Action::Careful => self.careful(choices),
            Action::LetThrough => self.let_through(choices),
            Action::Restart => self.restart(choices),
        }
        let crowded = |actor: &Actor| actor.client.unanswered().len() > UNANSWERED;
        if choices.chance(8) {
            self.check_caches();
        }
        self.observe();
        if choices.chance(2) || self.actors.get(index).is_some_and(crowded) {
            self.read(index);
        }
    }

    /// The models are told what has happened.
    #[track_caller]
    fn observe(&mut self) {
        if let Some(models) = &mut self.models {
            let others = self.careful.iter_mut().map(|careful| &mut careful.client);
            let clients = self.actors.iter_mut().map(|actor| &mut actor.client).chain(others);
            clients.for_each(Client::take_off_the_wire);
            models.check(&self.world);
        }
    }

    /// Somebody wants to be told what happens.
    pub fn listen(&mut self, to: Box<dyn FnMut(&Seen)>) {
        if let Some(models) = &mut self.models {
            models.listen(to);
        }
    }

    /// Where it happens.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What one client has not written yet nobody else reads from a cache, or writes.
    fn check_caches(&self) {
        let status = self.world.status();
        let writes = |open: &&OpenStatus| open.caching.state.contains(LeaseState::WRITE_CACHING);
        for one in status.opens.iter().filter(writes) {
            let other = status.opens.iter().find(|open| {
                open.file == one.file
                    && open.caching.holder != one.caching.holder
                    && !open.caching.state.is_empty()
            });
            assert!(other.is_none(), "{one:?} caches alone, and so does {other:?}");
        }
    }

    /// A number for every byte that the server has sent so far.
    pub fn digest(&self) -> u64 {
        self.world.digest()
    }

    /// The faults end, everything finishes, each request has had its one answer, and nothing is left.
    pub fn finish(mut self) {
        self.heal();
        self.settle();
        // Whatever waits for somebody's word has given up by now, or waits for ever.
        self.world.advance(Duration::from_secs(400));
        self.settle();
        self.observe();
        self.read_all();
        for actor in &mut self.actors {
            let ledger = self.models.as_ref().map(Models::ledger);
            let conn = actor.client.conn();
            let stuck = actor.client.waiting().into_iter().find(|(mid, what)| match *what {
                Command::LOCK | Command::CHANGE_NOTIFY => false,
                // Pipes wait for somebody to say something.
                Command::READ | Command::IOCTL => ledger.is_some_and(|ledger| {
                    let asked = ledger.pending.get(&(conn, *mid));
                    asked.is_some_and(|asked| ledger.is_about_files(asked))
                }),
                _ => true,
            });
            assert!(stuck.is_none(), "{stuck:?} of {conn:?} waits for ever");
            for mid in actor.client.unanswered() {
                actor.client.cancel_message(mid);
            }
        }
        self.read_all();
        for actor in &mut self.actors {
            let left = actor.client.unanswered();
            assert!(left.is_empty(), "{left:?} of {:?} never answered", actor.client.conn());
        }
        if let Some(models) = &mut self.models {
            models.end(&self.world);
        }
        for client in self.actors.iter_mut().map(|actor| &mut actor.client) {
            client.forget();
        }
        for careful in &mut self.careful {
            let left = careful.client.unanswered();
            let dropped = careful.client.is_dropped();
            assert!(left.is_empty() || dropped, "{left:?} of a careful client never answered");
            careful.client.forget();
        }
        self.actors.clear();
        self.careful.clear();
        self.world.finish();
    }

    fn join(&mut self, choices: &mut dyn Choices) {
        if self.actors.len() >= CLIENTS || self.holds() {
            return;
        }
        let dialects = [Dialect::SMB_3_1_1, Dialect::SMB_2_0_2, Dialect::SMB_2_1, Dialect::SMB_3_0];
        let Ok(mut client) = self.world.try_connect([10, 0, 0, choices.below(2) as u8]) else {
            return;
        };
        client.lenient = true;
        client.offer = crate::Offer::only(dialects[choices.below(dialects.len())]);
        if choices.chance(2) {
            client.offer.capabilities = Capabilities::all();
        }
        // Two clients can be one, which shares its leases.
        client.offer.guid = [choices.below(3) as u8; 16];
        client.offer.capabilities.set(Capabilities::PERSISTENT_HANDLES, self.persistent);
        let user = user(choices);
        let (lost, tag) = (self.lost.clone(), Rc::clone(&self.tag));
        let made = self.world.promised().iter().map(|p| (p.id.0, p.create)).collect();
        let keen = self.persistent;
        if choices.chance(2)
            && let Some((files, trees)) = self.join_session(&mut client, user, choices)
        {
            return self.actors.push(Actor {
                client,
                files,
                broken: Vec::new(),
                trees,
                lost,
                tag,
                locks: RefCell::default(),
                made,
                keen,
            });
        }
        if client.negotiated.is_none() {
            client.negotiate().ok();
        }
        let (files, broken, trees) = (Vec::new(), Vec::new(), Vec::new());
        let locks = RefCell::default();
        let mut actor = Actor { client, files, broken, trees, lost, tag, locks, made, keen };
        let logon = actor.client.begin(Credentials::new(user, "WORLD", &password(user)));
        let last = logon.run_patiently(&mut actor.client);
        if last.is_some_and(|last| last.status == NtStatus::SUCCESS) {
            self.world.see(Seen::User(actor.client.session_id, user.into()));
            actor.client.encrypt |= actor.client.cipher().is_some() && choices.chance(3);
            if !actor.client.is_dropped() {
                let lasting = self.persistent && !choices.chance(3);
                let share = if lasting { "lasting" } else { "share" };
                actor.trees.push(actor.client.connect_tree(share));
            }
        }
        self.actors.push(actor);
    }

    /// A second channel of somebody's session, if that is granted; who wants it may be somebody else,
    /// or may leave in the middle.
    fn join_session(
        &self,
        client: &mut Client,
        user: &str,
        choices: &mut dyn Choices,
    ) -> Option<(Vec<FileId>, Vec<u32>)> {
        let of = self.actors.get(choices.below(self.actors.len()))?;
        of.client.first_keys()?;
        if !choices.chance(4) {
            client.offer = of.client.offer.clone();
        }
        client.negotiate().ok();
        let credentials = Credentials::new(user, "WORLD", &password(user));
        let mut logon = client.begin_join(&of.client, credentials);
        let first = logon.first(client).answer();
        if first.status != NtStatus::MORE_PROCESSING_REQUIRED || choices.chance(8) {
            return None;
        }
        logon.second_patiently(client, &first).filter(|last| last.status == NtStatus::SUCCESS)?;
        client.encrypt = of.client.encrypt;
        Some((of.files.clone(), of.trees.clone()))
    }

    /// One of those that really cache does something, or comes, or its connection is cut.
    fn careful(&mut self, choices: &mut dyn Choices) {
        let number = self.careful.len();
        if number < self.cautious {
            if !self.holds() {
                self.came = self.came.wrapping_add(1);
                let number = self.came % 100;
                let tag = Rc::clone(&self.tag);
                self.careful.extend(Careful::join(&self.world, number, tag, choices));
            }
            return;
        }
        let index = choices.below(number);
        let Some(careful) = self.careful.get_mut(index) else {
            return;
        };
        careful.step(choices);
        if careful.client.is_dropped() || choices.chance(100) {
            careful.is_cut();
            let mut careful = self.careful.remove(index);
            careful.client.forget();
            careful.client.hang_up();
        }
    }

    /// Those that really cache write back, and close.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.observe();
            self.careful.iter_mut().for_each(Careful::leave);
            if self.careful.iter().all(Careful::is_idle) {
                break;
            }
        }
    }

    /// Calls would be held back.
    fn holds(&self) -> bool {
        self.world.inner(|world| world.holds())
    }

    /// Everybody reads what there is, until nothing comes any more.
    fn read_all(&mut self) {
        (0..self.actors.len()).rev().for_each(|index| self.read(index));
    }

    /// Reads what there is; a client that was dropped leaves.
    fn read(&mut self, index: usize) {
        let Some(actor) = self.actors.get_mut(index) else {
            return;
        };
        while let Some(response) = actor.client.try_receive() {
            if response.is_notification() {
                actor.broken.extend(response.acknowledgment());
                continue;
            }
            self.answered += usize::from(response.status != NtStatus::PENDING);
            if let ksmbd_core::wire::message::ResponseBody::Create(create) = &response.body {
                actor.files.push(create.file_id);
                if persistence(create).is_some() {
                    self.promised.insert(OpenId(create.file_id.persistent));
                }
            }
            if let ksmbd_core::wire::message::ResponseBody::TreeConnect(_) = &response.body {
                actor.trees.push(response.header.tree_id);
            }
        }
        if actor.client.is_dropped() {
            self.dropped += 1;
            self.leave(index);
        }
    }

    fn leave(&mut self, index: usize) -> Option<()> {
        if index >= self.actors.len() {
            return None;
        }
        let mut actor = self.actors.remove(index);
        self.lost.append(&mut actor.files);
        self.lost.drain(..self.lost.len().saturating_sub(LOST));
        actor.client.take_off_the_wire();
        actor.client.forget();
        actor.client.hang_up();
        Some(())
    }

    fn wait(&mut self, choices: &mut dyn Choices) {
        self.careful.iter_mut().for_each(Careful::look);
        if self.careful.iter().any(Careful::is_asked) {
            // Who keeps others waiting answers in time.
            return;
        }
        let seconds = [1, 10, 40][choices.below(3)];
        self.world.advance(Duration::from_secs(seconds));
    }
}

/// Whoever it is.
fn user(choices: &mut dyn Choices) -> &'static str {
    ["alice", "bob", "alice", "bob", READER][choices.below(5)]
}

/// Actions of one run with [`run_with_models`]; more choices mean nothing.
const STEPS: usize = 400;

/// A run of several clients with all models beside it, for choices that end: until they say no more.
pub fn run_with_models(choices: &mut Bytes<'_>) {
    let mut swarm = Swarm::with_models(choices);
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        swarm.step(choices);
    }
    swarm.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64) -> u64 {
        let mut choices = Seed::new(seed);
        let mut swarm = Swarm::new(&mut choices);
        (0..150).for_each(|_| swarm.step(&mut choices));
        let digest = swarm.digest();
        swarm.finish();
        digest
    }

    /// Servers are killed while they have promised something.
    #[test]
    fn opens_outlive_servers() {
        let survived = |seed| {
            let mut choices = Seed::new(seed);
            let mut swarm = Swarm::new(&mut choices);
            (0..400).for_each(|_| swarm.step(&mut choices));
            let survived = swarm.survived;
            swarm.finish();
            survived
        };
        let counts: Vec<_> = (0..60).map(survived).collect();
        assert!(counts.iter().filter(|count| **count > 0).count() > 3, "{counts:?}");
    }

    /// DESIGN 3, property 2: the same inputs give the same outputs, byte for byte.
    #[test]
    fn a_seed_runs_the_same_again() {
        for seed in 0..40 {
            assert_eq!(run(seed), run(seed), "seed {seed}");
        }
    }
}
