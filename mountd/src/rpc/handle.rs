//! Context handles: what a client has opened, and the names under which it says so.

use std::collections::BTreeMap;

use ksmbd_core::rng::Rng;

use super::ndr::{Reader, Writer};
use super::pdu::Fault;

/// The most handles that one association may have open. Windows' object picker has some ten.
const MAX_HANDLES: usize = 64;

/// A context handle on the wire (C706 appendix N, `ndr_context_handle`): attributes, which are
/// zero, and a UUID. All zero is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle([u8; 16]);

impl Handle {
    /// What an open that fails returns, and what a close leaves.
    pub(super) const NONE: Self = Self([0; 16]);

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Fault> {
        let attributes = input.u32()?;
        let uuid = input.array()?;
        if attributes == 0 { Ok(Self(uuid)) } else { Err(Fault::ContextMismatch) }
    }

    pub(super) fn write(self, output: &mut Writer) {
        output.u32(0);
        output.bytes(&self.0);
    }
}

/// What can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// lsarpc: the policy object.
    Policy,
    /// samr: the server.
    Server,
    /// samr: one of its domains.
    Domain(Domain),
    /// samr: an account, by its name, so that one that goes meanwhile is gone.
    User(String),
}

/// The domains of samr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// S-1-5-21-a-b-c: the accounts.
    Machine,
    /// S-1-5-32: groups that every machine has.
    Builtin,
}

/// The open handles of one association; they end with it.
pub(super) struct Handles {
    open: BTreeMap<[u8; 16], Object>,
    rng: Rng,
}

impl Handles {
    pub(super) fn new(rng: Rng) -> Self {
        Self { open: BTreeMap::new(), rng }
    }

    /// A handle for `object`; none if there are as many as there may be.
    ///
    /// The names are random: one that was closed does not come back, and none can be guessed.
    pub(super) fn open(&mut self, object: Object) -> Option<Handle> {
        if self.open.len() >= MAX_HANDLES {
            return None;
        }
        let uuid = self.rng.array();
        self.open.insert(uuid, object);
        Some(Handle(uuid))
    }

    /// What stands behind a handle.
    pub(super) fn get(&self, handle: Handle) -> Result<&Object, Fault> {
        self.open.get(&handle.0).ok_or(Fault::ContextMismatch)
    }

    /// Closes a handle.
    pub(super) fn close(&mut self, handle: Handle) -> Result<(), Fault> {
        self.open.remove(&handle.0).map(|_| ()).ok_or(Fault::ContextMismatch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn handles_differ_and_end() {
        let mut handles = Handles::new(Rng::new([1; 32]));
        let policy = handles.open(Object::Policy).unwrap();
        let server = handles.open(Object::Server).unwrap();
        assert_ne!(policy, server);
        assert_eq!(handles.get(server), Ok(&Object::Server));
        assert_eq!(handles.close(policy), Ok(()));
        assert_eq!(handles.close(policy), Err(Fault::ContextMismatch));
        assert_eq!(handles.get(policy), Err(Fault::ContextMismatch));
        assert_eq!(handles.get(Handle::NONE), Err(Fault::ContextMismatch));
    }

    #[test]
    fn there_is_a_most() {
        let mut handles = Handles::new(Rng::new([1; 32]));
        let first = handles.open(Object::Server).unwrap();
        for _ in 1..MAX_HANDLES {
            handles.open(Object::Server).unwrap();
        }
        assert_eq!(handles.open(Object::Server), None);
        handles.close(first).unwrap();
        assert!(handles.open(Object::Server).is_some());
    }

    #[test]
    fn the_wire_has_twenty_bytes() {
        let mut handles = Handles::new(Rng::new([1; 32]));
        let handle = handles.open(Object::Server).unwrap();
        let mut output = Writer::default();
        handle.write(&mut output);
        let mut bytes = output.finish();
        assert_eq!(bytes.len(), 20);
        assert_eq!(Handle::read(&mut Reader::new(&bytes)), Ok(handle));
        bytes[0] = 1;
        assert_eq!(Handle::read(&mut Reader::new(&bytes)), Err(Fault::ContextMismatch));
        assert_eq!(Handle::read(&mut Reader::new(&bytes[..19])), Err(Fault::BadStub));
    }
}
