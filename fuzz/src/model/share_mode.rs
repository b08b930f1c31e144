//! Are share modes exclusive? No two opens of a file are both there of which one does what the other
//! does not share (MS-FSA 2.1.5.1.2.2).

use super::{Answered, Change, Checker, Ledger, Open};
use ksmbd_core::{
    status::NtStatus,
    wire::{create::ShareAccess, fscc::AccessMask, message::RequestBody},
};

/// Nothing needs to be remembered: the ledger does.
pub(super) struct ShareModes;

/// Which right needs which permission of the others.
const RULES: [(u32, ShareAccess); 3] = [
    // FILE_READ_DATA, FILE_EXECUTE
    (0x0000_0021, ShareAccess::READ),
    // FILE_WRITE_DATA, FILE_APPEND_DATA
    (0x0000_0006, ShareAccess::WRITE),
    // DELETE
    (0x0001_0000, ShareAccess::DELETE),
];

/// The first does what the second does not share.
fn intrudes(access: AccessMask, others: &Open) -> bool {
    let part = others.access.bits() & 0x0001_0027 != 0;
    let wants = |rights: u32| access.bits() & rights != 0;
    part && RULES.iter().any(|(rights, share)| wants(*rights) && !others.sharing.contains(*share))
}

impl Checker for ShareModes {
    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let id = match answered.change {
            Change::Opened(id) | Change::Late(id) | Change::Taken { id, .. } => id,
            Change::Again(_) | Change::Nothing => return self.refused(ledger, answered),
        };
        let Some(new) = ledger.opens.get(&id).filter(|open| open.is_certain()) else {
            return;
        };
        let Some(inode) = new.inode else {
            return;
        };
        for old in ledger.certain(inode).filter(|old| old.file.persistent != id) {
            let clash = intrudes(new.access, old) || intrudes(old.access, new);
            assert!(!clash, "{new:?} was opened beside {old:?}");
        }
    }
}

impl ShareModes {
    /// Who is refused is told so because of somebody.
    fn refused(&self, ledger: &Ledger, answered: &Answered<'_>) {
        let Some(RequestBody::Create(create)) = &answered.asked.body else {
            return;
        };
        if answered.answer.status != NtStatus::SHARING_VIOLATION || !answered.world.is_quiet() {
            return;
        }
        let name = create.name.to_string_lossy().to_lowercase();
        let there = |open: &&Open| ledger.renamed || open.name == name;
        // Whoever ends right now may have been there.
        let ending = ledger.ended >= answered.asked.at
            || ledger.pending.values().any(|other| other.at <= answered.at);
        let unheard = ledger.is_unheard(&name);
        let somebody = ledger.opens.values().any(|open| there(&open)) || ending || unheard;
        assert!(somebody, "nobody has {name:?} open, and yet it cannot be opened");
    }
}
