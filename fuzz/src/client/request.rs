//! The commands, each sent at once; what comes back is said behind it.

use super::{Client, Message, Sent, Waiting, body};
use ksmbd_core::{
    name::SharePath,
    wire::{
        change_notify::CompletionFilter,
        fscc::{
            FileInfoClass, FsInfoClass,
            directory::{DirectoryEntry, parse_entries},
            set_file::{SetFileInformation, Target},
        },
        header::{FileId, HeaderFlags},
        lock::LockFlags,
        message::RequestBody,
        query_directory::QueryDirectoryFlags,
    },
};

/// Waits for an exclusive lock.
pub const EXCLUSIVE: LockFlags = LockFlags::EXCLUSIVE_LOCK;
/// Waits for a shared lock.
pub const SHARED: LockFlags = LockFlags::SHARED_LOCK;

impl Client {
    /// Any request.
    pub fn request(&mut self, body: &RequestBody) -> Sent<'_> {
        let message = self.message(body);
        self.send(message)
    }

    /// A message, as it is.
    pub fn send(&mut self, message: Message) -> Sent<'_> {
        let mid = message.header.message_id;
        self.send_chain(&[message]);
        Sent { client: self, mid }
    }

    /// TREE_CONNECT; the current tree stays what it is.
    pub fn tree_connect(&mut self, share: &str) -> Sent<'_> {
        self.request(&body::tree_connect(share))
    }

    /// TREE_DISCONNECT of the current tree.
    pub fn tree_disconnect(&mut self) -> Sent<'_> {
        self.request(&RequestBody::TreeDisconnect)
    }

    /// LOGOFF of the current session.
    pub fn logoff(&mut self) -> Sent<'_> {
        self.request(&RequestBody::Logoff)
    }

    /// ECHO.
    pub fn echo(&mut self) -> Sent<'_> {
        self.request(&RequestBody::Echo)
    }

    /// CLOSE.
    pub fn close(&mut self, file: FileId) -> Sent<'_> {
        self.request(&body::close(file))
    }

    /// FLUSH.
    pub fn flush(&mut self, file: FileId) -> Sent<'_> {
        self.request(&body::flush(file))
    }

    /// READ.
    pub fn read(&mut self, file: FileId, offset: u64, length: u32) -> Sent<'_> {
        self.request(&body::read(file, offset, length))
    }

    /// WRITE.
    pub fn write(&mut self, file: FileId, offset: u64, data: &[u8]) -> Sent<'_> {
        let message = self.message_with(&body::write(file, offset, data.len()), data);
        self.send(message)
    }

    /// LOCK of one range; without [`LockFlags::FAIL_IMMEDIATELY`] it waits.
    pub fn lock(&mut self, file: FileId, offset: u64, length: u64, flags: LockFlags) -> Sent<'_> {
        self.request(&body::lock(file, offset, length, flags))
    }

    /// LOCK that takes one range away.
    pub fn unlock(&mut self, file: FileId, offset: u64, length: u64) -> Sent<'_> {
        self.lock(file, offset, length, LockFlags::UNLOCK)
    }

    /// CANCEL by AsyncId, as clients do once they know it. There is no answer.
    pub fn cancel(&mut self, waiting: Waiting) {
        let mut message = self.message(&RequestBody::Cancel);
        message.header.message_id = waiting.mid;
        message.header.async_id = Some(waiting.async_id);
        message.header.flags |= HeaderFlags::ASYNC_COMMAND;
        self.send_chain(&[message]);
    }

    /// CANCEL by MessageId.
    pub fn cancel_message(&mut self, mid: u64) {
        let mut message = self.message(&RequestBody::Cancel);
        message.header.message_id = mid;
        self.send_chain(&[message]);
    }

    /// QUERY_INFO of a file.
    pub fn query_file(&mut self, file: FileId, class: FileInfoClass, max: u32) -> Sent<'_> {
        self.request(&body::query_file(file, class, max))
    }

    /// QUERY_INFO of a volume.
    pub fn query_volume(&mut self, file: FileId, class: FsInfoClass, max: u32) -> Sent<'_> {
        self.request(&body::query_volume(file, class, max))
    }

    /// SET_INFO of a file.
    pub fn set_file(&mut self, file: FileId, set: &SetFileInformation) -> Sent<'_> {
        self.request(&body::set_file(file, set))
    }

    /// SET_INFO that renames; backslashes separate.
    pub fn rename(&mut self, file: FileId, to: &str, replace: bool) -> Sent<'_> {
        self.set_file(file, &SetFileInformation::Rename(target(to, replace)))
    }

    /// SET_INFO that gives the file one more name; backslashes separate.
    pub fn link(&mut self, file: FileId, to: &str, replace: bool) -> Sent<'_> {
        self.set_file(file, &SetFileInformation::Link(target(to, replace)))
    }

    /// SET_INFO that marks for deletion, or takes that back.
    pub fn delete(&mut self, file: FileId, delete_pending: bool) -> Sent<'_> {
        self.set_file(file, &SetFileInformation::Disposition { delete_pending })
    }

    /// CHANGE_NOTIFY with room for 4096 bytes; `tree` watches subdirectories too.
    pub fn notify(&mut self, directory: FileId, filter: CompletionFilter, tree: bool) -> Sent<'_> {
        self.request(&body::notify(directory, filter, tree, 4096))
    }

    /// QUERY_DIRECTORY of one page.
    pub fn list(
        &mut self,
        directory: FileId,
        pattern: &str,
        flags: QueryDirectoryFlags,
        max: u32,
    ) -> Sent<'_> {
        let class = FileInfoClass::ID_BOTH_DIRECTORY;
        self.request(&body::list(directory, pattern, class, flags, max))
    }

    /// The names of one page.
    #[track_caller]
    pub fn names(&mut self, directory: FileId, pattern: &str) -> Vec<String> {
        let page = self.list(directory, pattern, QueryDirectoryFlags::RESTART_SCANS, 65536).ok();
        names(page.data())
    }

    /// Something is at this path, and may be opened for its attributes.
    #[track_caller]
    pub fn sees(&mut self, path: &str) -> bool {
        assert!(SharePath::parse(&path.encode_utf16().collect::<Vec<_>>()).is_ok());
        let access = ksmbd_core::wire::fscc::AccessMask::FILE_READ_ATTRIBUTES;
        let response = self.create(path).existing().access(access).send().answer();
        if response.status.is_error() {
            return false;
        }
        let file = response.created().file_id;
        self.close(file).ok();
        true
    }
}

/// Where a file goes or gets a link.
fn target(to: &str, replace_if_exists: bool) -> Target {
    Target { replace_if_exists, root_directory: 0, file_name: to.encode_utf16().collect() }
}

/// The names in a page of [`FileInfoClass::ID_BOTH_DIRECTORY`].
pub fn names(page: &[u8]) -> Vec<String> {
    entries(page).into_iter().map(|entry| entry.file_name.to_string_lossy()).collect()
}

/// The entries in a page of [`FileInfoClass::ID_BOTH_DIRECTORY`].
pub fn entries(page: &[u8]) -> Vec<DirectoryEntry> {
    let entries = parse_entries(FileInfoClass::ID_BOTH_DIRECTORY, page);
    entries.unwrap_or_else(|why| panic!("{why}"))
}
