//! Do sessions ever mix? An answer is its request's session's; an open is used by the session and
//! the tree that own it alone; what is made is made in the name of the session's user.

use super::{Answered, Change, Checker, Ledger};
use ksmbd_core::{
    status::NtStatus,
    wire::{create::CreateAction, header::Command, message::ResponseBody},
};

/// Nothing needs to be remembered.
pub(super) struct Identity;

/// The account that each user of the simulator is.
fn uid(user: &str) -> Option<u32> {
    crate::daemon::ACCOUNTS.iter().find(|(name, _)| *name == user).map(|(_, uid)| *uid)
}

impl Checker for Identity {
    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let Answered { asked, answer, .. } = answered;
        if !matches!(answer.header.command, Command::NEGOTIATE | Command::SESSION_SETUP) {
            let (of, to) = (asked.session, answer.header.session_id);
            assert!(of == to, "{:?} of session {of:#x} is answered to {to:#x}", asked.header);
        }
        if !answered.is_ok() {
            return;
        }
        if let Some(open) = ledger.open_of(asked).filter(|open| open.is_certain()) {
            let (owner, tree) = (open.session, open.tree);
            let used = (asked.session, asked.tree);
            assert!(
                used == (owner, tree),
                "{used:?} uses what is {owner:#x}'s in {tree}: {asked:?}"
            );
        }
        self.made(ledger, answered);
    }
}

impl Identity {
    /// What is new on the disk belongs to who asked.
    fn made(&self, ledger: &Ledger, answered: &Answered<'_>) {
        let (Change::Opened(id), ResponseBody::Create(create)) =
            (answered.change, &answered.answer.body)
        else {
            return;
        };
        debug_assert_eq!(answered.answer.status, NtStatus::SUCCESS);
        let user = ledger.sessions.get(&answered.asked.session).and_then(|s| s.user.as_ref());
        let inode = ledger.opens.get(&id).and_then(|open| open.inode);
        let new = create.create_action == CreateAction::CREATED;
        if let (true, Some(user), Some(inode)) = (new, user, inode) {
            let owner = answered.world.vfs(|vfs| vfs.owner(inode));
            let right = owner.is_none() || owner == uid(user);
            assert!(right, "{user} has made a file that belongs to {owner:?}");
        }
    }
}
