//! Has each open one owner? What is wanted back is nobody else's, and no number is given twice.

use super::{Answered, Change, Checker, Ledger};
use ksmbd_core::wire::{header::HeaderFlags, message::RequestBody};

/// Nothing needs to be remembered: the ledger does.
pub(super) struct Owner;

impl Checker for Owner {
    fn answered(&mut self, _: &Ledger, answered: &Answered<'_>) {
        let asked = answered.asked;
        match answered.change {
            Change::Taken { id, owned } => {
                assert!(!owned, "open {id:#x} is taken from its owner by {asked:?}");
            }
            Change::Again(id) => {
                let replay = asked.header.flags.contains(HeaderFlags::REPLAY_OPERATION);
                assert!(replay, "open {id:#x} is opened a second time by {asked:?}");
            }
            Change::Opened(_) | Change::Late(_) | Change::Nothing => {}
        }
        if let Some(RequestBody::Create(_)) = &asked.body
            && answered.is_ok()
        {
            assert!(answered.change != Change::Nothing, "a CREATE without an open");
        }
    }
}
