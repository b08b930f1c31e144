//! What models look at: files by their number on the disk.

use super::{Content, MemVfs};

impl MemVfs {
    /// Who owns a file.
    pub fn owner(&self, inode: u64) -> Option<u32> {
        self.nodes.get(&inode).map(|node| node.uid)
    }

    /// A file's data, no more than this much of it: files can be larger than memory.
    pub fn data_of(&self, inode: u64, most: usize) -> Option<Vec<u8>> {
        match &self.nodes.get(&inode)?.content {
            Content::File(pages) => {
                let mut data = Vec::new();
                pages.read(0, most, &mut data);
                Some(data)
            }
            _ => None,
        }
    }

    /// The names in a directory.
    pub fn names_of(&self, inode: u64) -> Option<Vec<String>> {
        match &self.nodes.get(&inode)?.content {
            Content::Directory(entries) => Some(entries.keys().cloned().collect()),
            _ => None,
        }
    }
}
