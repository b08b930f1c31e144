//! A run of the simulator, recorded as a real one would be.

use super::{Inner, World};
use ksmbd_core::{config::Config, id::OpId, vfs::Done};
use ksmbd_record::{Ended, Start, Writer, event::put};
use std::sync::Arc;

/// What is recorded, if it is.
#[derive(Default)]
pub(super) struct Tape(Option<Writer<Vec<u8>>>);

impl World {
    /// From now on the run is recorded. Nothing may have happened yet.
    #[track_caller]
    pub fn record(&self) {
        self.inner(|world| {
            assert!(world.links.is_empty(), "a recording begins before the first client");
            world.tape = Tape(Some(world.new_tape(super::SEED)));
        });
    }

    /// The recording until now, which ends with this.
    pub fn recording(&self) -> Vec<u8> {
        let tape = self.inner(|world| std::mem::take(&mut world.tape));
        let ended = tape.0.map(|writer| writer.end(Ended::Stopped));
        ended.transpose().unwrap_or_else(|e| panic!("{e}")).unwrap_or_default()
    }
}

impl Tape {
    /// Something happens.
    pub(super) fn note(&mut self, event: impl FnOnce() -> Vec<u8>) {
        if let Some(writer) = &mut self.0 {
            writer.write(&event()).unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

impl Inner {
    fn new_tape(&self, seed: [u8; 32]) -> Writer<Vec<u8>> {
        let config: Arc<Config> = Arc::clone(&self.config);
        let mut writer = Writer::new(Vec::new(), u64::MAX).unwrap_or_else(|e| panic!("{e}"));
        let start = Start { made_by: "the simulator".into(), seed, config };
        writer.start(&start).unwrap_or_else(|e| panic!("{e}"));
        writer
    }

    /// Another server begins: what is recorded from now on is its run.
    pub(super) fn begin_tape(&mut self, seed: [u8; 32]) {
        if self.tape.0.is_some() {
            self.tape = Tape(Some(self.new_tape(seed)));
        }
    }

    /// Something happens.
    pub(super) fn note(&mut self, event: impl FnOnce() -> Vec<u8>) {
        self.tape.note(event);
    }

    /// Something happens in the server.
    pub(super) fn note_now(&mut self, event: impl FnOnce() -> Vec<u8>) {
        let now = self.now;
        self.note(|| put::at(event(), now));
    }

    /// A call comes to an end. Of an account only what it comes to in this exchange is recorded.
    pub(super) fn note_completed(&mut self, op: OpId, done: &Done) {
        let checked = match done {
            Done::Account(account) => self.server.checked(op, account).map(Done::Account),
            _ => None,
        };
        self.note_now(|| put::complete(op, checked.as_ref().unwrap_or(done)));
    }
}
