//! Changing a configuration file line by line: what is not changed stays as it was written, with its
//! comments, blanks and line ends.
//!
//! A comment belongs to what it stands at: right below a section's lines to that section, and right
//! above a header, with a blank line before it, to the section below. Between blank lines it is
//! nobody's, and stays.

use super::fold_section;
use super::line::{Line, LineReader, comment_at};

/// What new lines are indented with where the file has no habit.
const INDENT: &str = "    ";

/// The lines of a file that [`ConfFile`](super::ConfFile) can read.
#[derive(Clone, Debug)]
pub struct ConfText {
    lines: Vec<Raw>,
    /// What new lines end with.
    end: &'static str,
}

/// A line as it is written, and what it says.
#[derive(Clone, Debug)]
struct Raw {
    bytes: Vec<u8>,
    says: Says,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    Nothing,
    Comment,
    /// A folded name.
    Header(String),
    /// A folded key.
    Entry(String),
}

/// Where a section is: from its first comment or header up to what belongs to the next.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    header: usize,
    end: usize,
}

impl ConfText {
    /// Takes a text apart. Lines that cannot be read are kept as comments: ask [`ConfFile`](super::ConfFile) first.
    pub fn parse(text: &[u8]) -> Self {
        let end = if text.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
        let mut reader = LineReader::new();
        let lines = text.split_inclusive(|&byte| byte == b'\n').map(|bytes| {
            let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
            let says = match reader.read(body) {
                Ok(Line::Section(name)) => Says::Header(fold_section(&name)),
                Ok(Line::Entry { key, .. }) => Says::Entry(key),
                Ok(Line::Blank) if body.trim_ascii().is_empty() => Says::Nothing,
                Ok(Line::Blank) | Err(_) => Says::Comment,
            };
            Raw { bytes: bytes.to_vec(), says }
        });
        Self { lines: lines.collect(), end }
    }

    /// The text.
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| &line.bytes).copied().collect()
    }

    /// Whether there is such a section.
    pub fn has(&self, section: &str) -> bool {
        !self.blocks(section).is_empty()
    }

    /// The lines of a section without its headers.
    pub fn body(&self, section: &str) -> Vec<u8> {
        let blocks = self.blocks(section);
        let lines = blocks.iter().flat_map(|block| &self.lines[block.header + 1..block.end]);
        lines.flat_map(|line| &line.bytes).copied().collect()
    }

    /// Adds an empty section at the end.
    pub fn add(&mut self, section: &str) {
        self.end_last_line();
        if self.lines.last().is_some_and(|line| line.says != Says::Nothing) {
            self.insert(self.lines.len(), "", Says::Nothing);
        }
        let says = Says::Header(fold_section(section));
        self.insert(self.lines.len(), &format!("[{section}]"), says);
    }

    /// Sets a key of a section, whichever of its `names` is there; else a line with the first is
    /// added. Without a value all lines of the key go.
    pub fn set(&mut self, section: &str, names: &[&str], value: &str) {
        let is_it = |says: &Says| matches!(says, Says::Entry(key) if names.contains(&key.as_str()));
        let places: Vec<_> = self
            .blocks(section)
            .iter()
            .flat_map(|block| block.header..block.end)
            .filter(|&at| is_it(&self.lines[at].says))
            .collect();
        let kept = if value.is_empty() { None } else { places.first().copied() };
        for at in places.into_iter().rev().filter(|&at| Some(at) != kept) {
            self.lines.remove(at);
        }
        match kept {
            Some(at) => {
                let line = &mut self.lines[at];
                line.bytes = with_value(&line.bytes, value);
            }
            None if value.is_empty() => {}
            None => self.insert_entry(section, names.first().copied().unwrap_or_default(), value),
        }
    }

    /// Removes a section with its comments.
    pub fn remove(&mut self, section: &str) {
        for block in self.blocks(section).into_iter().rev() {
            self.lines.drain(block.start..block.end);
            // The blank lines above and below it have met.
            let blank = |at: usize| self.lines.get(at).is_some_and(|l| l.says == Says::Nothing);
            if blank(block.start) && (block.start == 0 || blank(block.start - 1)) {
                self.lines.remove(block.start);
            }
        }
    }

    /// Replaces the lines of a section, which must be there, by other ones.
    pub fn replace_body(&mut self, section: &str, body: &[u8]) {
        let blocks = self.blocks(section);
        for block in blocks.iter().skip(1).rev() {
            self.lines.drain(block.start..block.end);
        }
        let Some(first) = blocks.first() else {
            return;
        };
        let mut new = Self::parse(body);
        new.end_last_line();
        self.end_last_line();
        self.lines.splice(first.header + 1..first.end, new.lines);
    }

    fn insert_entry(&mut self, section: &str, key: &str, value: &str) {
        let Some(block) = self.blocks(section).pop() else {
            return;
        };
        let is_entry = |at: &usize| matches!(self.lines[*at].says, Says::Entry(_));
        let after = (block.header..block.end).rev().find(is_entry).unwrap_or(block.header);
        let habit = (0..self.lines.len()).rev().filter(is_entry).collect::<Vec<_>>();
        let habit = if is_entry(&after) { Some(&after) } else { habit.first() };
        let indent = habit.map_or_else(|| INDENT.to_owned(), |&at| indent(&self.lines[at].bytes));
        if after + 1 == self.lines.len() {
            self.end_last_line();
        }
        self.insert(after + 1, &format!("{indent}{key} = {value}"), Says::Entry(key.to_owned()));
    }

    fn insert(&mut self, at: usize, text: &str, says: Says) {
        let bytes = format!("{text}{}", self.end).into_bytes();
        self.lines.insert(at, Raw { bytes, says });
    }

    fn end_last_line(&mut self) {
        let end = self.end;
        if let Some(last) = self.lines.last_mut()
            && !last.bytes.ends_with(b"\n")
        {
            last.bytes.extend(end.as_bytes());
        }
    }

    /// Where a section is: sections of one name may be several.
    fn blocks(&self, section: &str) -> Vec<Block> {
        let wanted = Says::Header(fold_section(section));
        let is_header = |at: &usize| matches!(self.lines[*at].says, Says::Header(_));
        let headers: Vec<_> = (0..self.lines.len()).filter(is_header).collect();
        let mut blocks = Vec::new();
        for (number, &header) in headers.iter().enumerate() {
            if self.lines[header].says == wanted {
                let next = headers.get(number + 1);
                let end = next.map_or(self.lines.len(), |&next| self.comments_above(next));
                let end = self.own_end(header, end);
                blocks.push(Block { start: self.comments_above(header), header, end });
            }
        }
        blocks
    }

    /// The first of the comment lines right above a header, if a blank line is above them.
    fn comments_above(&self, header: usize) -> usize {
        let is_comment = |at: &usize| self.lines[*at].says == Says::Comment;
        let count = (0..header).rev().take_while(is_comment).count();
        let first = header - count;
        match first.checked_sub(1).map(|above| &self.lines[above].says) {
            Some(Says::Nothing) => first,
            // At the top of the file they are about the file.
            _ => header,
        }
    }

    /// Where what is surely the section's ends: with its last key and the comments right below it.
    fn own_end(&self, header: usize, end: usize) -> usize {
        let is_entry = |at: &usize| matches!(self.lines[*at].says, Says::Entry(_));
        let last = (header..end).rev().find(is_entry).unwrap_or(header);
        let comments = self.lines[last + 1..end].iter();
        last + 1 + comments.take_while(|line| line.says == Says::Comment).count()
    }
}

/// The blanks that a line begins with.
fn indent(line: &[u8]) -> String {
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    blanks.map(|&byte| char::from(byte)).collect()
}

/// A line of a key with another value: what is before and behind the value stays.
fn with_value(line: &[u8], value: &str) -> Vec<u8> {
    let equals = line.iter().position(|&byte| byte == b'=').map_or(line.len(), |at| at + 1);
    let (key, rest) = line.split_at(equals);
    let body = rest.trim_ascii_end();
    let line_end = &rest[body.len()..];
    let line_end = &line_end[line_end.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()..];
    let comment = comment_at(&line[..equals + body.len()]).saturating_sub(equals);
    let old = body[..comment].trim_ascii_end();
    let blanks = old.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut new = key.to_vec();
    new.extend(if blanks == 0 && old.is_empty() { b" " } else { &old[..blanks] });
    new.extend(value.as_bytes());
    new.extend(&body[old.len()..]);
    new.extend(line_end);
    new
}

#[cfg(test)]
mod tests;
