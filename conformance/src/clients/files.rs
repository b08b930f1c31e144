//! Test data, and its comparison byte for byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::{Checked, wrong};

/// The small files of a tree, and the directories they lie in.
pub(crate) const TREE_FILES: usize = 1000;
const TREE_DIRECTORIES: usize = 10;

/// Bytes that no encoding or length error leaves alike.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Makes a file of `length` bytes.
pub(crate) fn make_big(path: &Path, length: u64, seed: u64) -> std::io::Result<()> {
    let mut noise = Noise(seed | 1);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut buffer = vec![0; 1 << 16];
    let mut left = length;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        noise.fill(&mut buffer[..now]);
        file.write_all(&buffer[..now])?;
        left -= now as u64;
    }
    file.flush()
}

/// Makes `TREE_FILES` files of 0 to 8 KiB in directories below `root`.
pub(crate) fn make_tree(root: &Path) -> std::io::Result<()> {
    let mut noise = Noise(77);
    for index in 0..TREE_FILES {
        let directory = root.join(format!("dir {}", index % TREE_DIRECTORIES));
        fs::create_dir_all(&directory)?;
        let mut content = vec![0; index * 131 % 8193];
        noise.fill(&mut content);
        fs::write(directory.join(format!("small-{index}.bin")), content)?;
    }
    Ok(())
}

/// Wants two files to be the same.
pub(crate) fn same_file(one: &Path, other: &Path) -> Checked {
    let (mut a, mut b) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut at = 0_u64;
    loop {
        let (n, m) = (read_full(&mut a, &mut left)?, read_full(&mut b, &mut right)?);
        if left[..n] != right[..m] {
            let differs = left[..n].iter().zip(&right[..m]).position(|(x, y)| x != y);
            let at = at + differs.unwrap_or_else(|| n.min(m)) as u64;
            return wrong(format!("{} differs from {} at {at}", other.display(), one.display()));
        }
        if n == 0 {
            return Ok(());
        }
        at += n as u64;
    }
}

fn open(path: &Path) -> Checked<File> {
    File::open(path).or_else(|e| wrong(format!("{}: {e}", path.display())))
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Wants two trees to hold the same names and bytes.
pub(crate) fn same_tree(one: &Path, other: &Path) -> Checked {
    let (left, right) = (list(one)?, list(other)?);
    if let Some(missing) = left.keys().find(|name| !right.contains_key(*name)) {
        return wrong(format!("{} lacks {}", other.display(), missing.display()));
    }
    if let Some(extra) = right.keys().find(|name| !left.contains_key(*name)) {
        return wrong(format!("{} has {}", other.display(), extra.display()));
    }
    for (name, path) in &left {
        same_file(path, &right[name])?;
    }
    Ok(())
}

fn list(root: &Path) -> Checked<BTreeMap<PathBuf, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.insert(name, path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found() {
        let dir = std::env::temp_dir().join(format!("ksmbd-files-test.{}", std::process::id()));
        let (a, b) = (dir.join("a"), dir.join("b"));
        make_tree(&a).unwrap();
        make_tree(&b).unwrap();
        same_tree(&a, &b).unwrap();
        let one = b.join("dir 3/small-3.bin");
        let content = fs::read(&one).unwrap();
        fs::write(&one, &content[1..]).unwrap();
        assert!(same_tree(&a, &b).unwrap_err().to_string().contains("differs"));
        fs::remove_file(&one).unwrap();
        assert!(same_tree(&a, &b).unwrap_err().to_string().contains("lacks"));
        assert!(same_tree(&b, &a).unwrap_err().to_string().contains("has"));
        make_big(&dir.join("c"), 300_001, 1).unwrap();
        assert_eq!(fs::metadata(dir.join("c")).unwrap().len(), 300_001);
        fs::remove_dir_all(&dir).unwrap();
    }
}
