//! Does nobody do what he may not? An open is used for what it was granted; who may only read, or
//! reads only, changes nothing; what belongs to others stays as it is.

use super::{Answered, Checker, Ledger};
use crate::{
    daemon::READER,
    memvfs::Content,
    world::{ROOT, World},
};
use ksmbd_core::wire::{
    create::CreateAction,
    message::{RequestBody, ResponseBody},
    query_info::InfoType,
};

/// What nobody may change.
const GUARDED: &str = "g/x";
const CONTENT: &[u8] = b"nobody but its owner changes this";

pub(super) struct Permission {
    /// The guarded file, and its directory.
    guarded: Option<(u64, u64)>,
}

impl Permission {
    pub(super) fn new(world: &World) -> Self {
        let guarded = world.vfs(|vfs| {
            vfs.put_node(ROOT, "g", Content::directory(), 0o755);
            vfs.put(ROOT, GUARDED, CONTENT);
            vfs.node_at(ROOT, GUARDED)?.mode = 0o644;
            Some((vfs.at(ROOT, GUARDED)?, vfs.at(ROOT, "g")?))
        });
        Self { guarded }
    }
}

impl Checker for Permission {
    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let (asked, answer) = (answered.asked, answered.answer);
        let Some(body) = asked.body.as_ref().filter(|_| answered.is_ok()) else {
            return;
        };
        if let Some(open) = ledger.open_of(asked).filter(|open| open.exact && open.inode.is_some())
        {
            let needs = needs(body);
            let may = needs == 0 || open.access.bits() & needs != 0;
            assert!(may, "{open:?} was not opened for {asked:?}");
        }
        if changes(body, &answer.body) && ledger.is_about_files(asked) {
            let share = ledger.trees.get(&(asked.session, asked.tree));
            let reads = share.is_some_and(|share| share == "readonly");
            assert!(!reads, "changed by a share that is only read: {asked:?}");
            let user = ledger.sessions.get(&asked.session).and_then(|s| s.user.as_deref());
            assert!(user != Some(READER), "changed by who may only read: {asked:?}");
        }
    }

    fn end(&mut self, _: &Ledger, world: &World) {
        if let Some((file, directory)) = self.guarded {
            let found = world.vfs(|vfs| (vfs.data_of(file, 4096), vfs.names_of(directory)));
            let right = (Some(CONTENT.to_vec()), Some(vec!["x".to_string()]));
            assert_eq!(found, right, "what nobody may change was changed");
        }
    }
}

/// One of these rights is needed for a request (MS-SMB2 3.3.5.12 to 3.3.5.21); 0 is none.
fn needs(body: &RequestBody) -> u32 {
    const READ: u32 = 0x1;
    const WRITE: u32 = 0x2;
    const APPEND: u32 = 0x4;
    const EXECUTE: u32 = 0x20;
    match body {
        RequestBody::Read(_) => READ | EXECUTE,
        RequestBody::Write(_) | RequestBody::Flush(_) => WRITE | APPEND,
        RequestBody::QueryDirectory(_) | RequestBody::ChangeNotify(_) => READ,
        RequestBody::Lock(_) => READ | EXECUTE | WRITE | APPEND,
        RequestBody::SetInfo(set) if set.info_type == InfoType::FILE => match set.info_class {
            // FileBasicInformation: FILE_WRITE_ATTRIBUTES
            4 => 0x100,
            // FileRenameInformation, FileDispositionInformation: DELETE
            10 | 13 => 0x1_0000,
            // FileFullEaInformation: FILE_WRITE_EA
            15 => 0x10,
            // FileAllocationInformation, FileEndOfFileInformation
            19 | 20 => WRITE,
            _ => 0,
        },
        RequestBody::QueryInfo(query) if query.info_type == InfoType::FILE => {
            match query.info_class {
                // FileBasicInformation, FileAllInformation, FileNetworkOpenInformation,
                // FileAttributeTagInformation: FILE_READ_ATTRIBUTES
                4 | 18 | 34 | 35 => 0x80,
                // FileFullEaInformation: FILE_READ_EA
                15 => 0x8,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// Something is different by now.
fn changes(body: &RequestBody, answer: &ResponseBody) -> bool {
    match (body, answer) {
        (_, ResponseBody::Create(create)) => create.create_action != CreateAction::OPENED,
        (_, ResponseBody::Write(write)) => write.count > 0,
        (RequestBody::SetInfo(set), _) => match set.info_type {
            // FilePositionInformation and FileModeInformation are the open's own; so is a deletion
            // that is taken back.
            InfoType::FILE => match set.info_class {
                14 | 16 => false,
                13 => set.buffer.first().is_some_and(|pending| *pending != 0),
                _ => true,
            },
            InfoType::SECURITY => true,
            _ => false,
        },
        _ => false,
    }
}
