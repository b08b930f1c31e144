//! Calls that are out: each is started once and completed once.

use crate::memvfs::op_name;
use ksmbd_core::{
    id::OpId,
    vfs::{Call, Done},
};
use std::collections::{BTreeSet, VecDeque};

/// Which calls wait for a test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Nothing,
    Everything,
    Only(&'static str),
}

pub(super) struct Calls {
    hold: Hold,
    ready: VecDeque<(OpId, Call)>,
    held: VecDeque<(OpId, Call)>,
    /// Carried out, and not told yet.
    kept: VecDeque<(OpId, Done)>,
    outstanding: BTreeSet<OpId>,
    last: Option<OpId>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            hold: Hold::Nothing,
            ready: VecDeque::new(),
            held: VecDeque::new(),
            kept: VecDeque::new(),
            outstanding: BTreeSet::new(),
            last: None,
        }
    }
}

impl Calls {
    pub(super) fn hold(&mut self, op: Option<&'static str>) {
        self.hold = op.map_or(Hold::Everything, Hold::Only);
    }

    pub(super) fn holds(&self) -> bool {
        self.hold != Hold::Nothing
    }

    pub(super) fn release(&mut self) {
        self.hold = Hold::Nothing;
        self.ready.append(&mut self.held);
    }

    pub(super) fn held(&self) -> Vec<&'static str> {
        self.held.iter().map(|(_, call)| op_name(&call.op)).collect()
    }

    #[track_caller]
    pub(super) fn take(&mut self, index: usize) -> (OpId, Call) {
        let names = self.held();
        self.held.remove(index).unwrap_or_else(|| panic!("no call {index} in {names:?}"))
    }

    pub(super) fn keep(&mut self, op: OpId, done: Done) {
        self.kept.push_back((op, done));
    }

    pub(super) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    pub(super) fn told(&mut self) -> VecDeque<(OpId, Done)> {
        std::mem::take(&mut self.kept)
    }

    pub(super) fn start(&mut self, op: OpId, call: Call) {
        assert!(self.last < Some(op), "{op:?} is not a new number");
        self.last = Some(op);
        self.outstanding.insert(op);
        let waits = match self.hold {
            Hold::Nothing => false,
            Hold::Everything => true,
            Hold::Only(name) => name == op_name(&call.op),
        };
        if waits { self.held.push_back((op, call)) } else { self.ready.push_back((op, call)) }
    }

    /// A call that will not be carried out; it completes all the same.
    pub(super) fn abandon(&mut self, op: OpId) {
        self.outstanding.insert(op);
    }

    pub(super) fn next(&mut self) -> Option<(OpId, Call)> {
        self.ready.pop_front()
    }

    pub(super) fn complete(&mut self, op: OpId) {
        assert!(self.outstanding.remove(&op), "{op:?} completes twice");
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }
}
