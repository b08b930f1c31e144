//! Values of `[global]` that need more than [`Entry`]'s readers.

use ksmbd_adduser::{ConfProblem, Entry, Section, Severity};
use ksmbd_core::config::Encryption;
use ksmbd_core::wire::negotiate::Dialect;

/// The bounds of the kernel server for READ, WRITE and everything else.
const IO_SIZES: std::ops::RangeInclusive<u64> = (64 << 10)..=(8 << 20);
/// What ksmbd takes a limit of 0 or more for.
const NO_LIMIT: u64 = 65_536;

/// `server signing`: ksmbd's words, then Samba's.
pub(super) const SIGNING: &[(&str, bool)] = &[
    ("auto", false),
    ("mandatory", true),
    ("disabled", false),
    ("enabled", false),
    ("required", true),
    ("default", false),
    ("desired", false),
];

/// `smb3 encryption`: ksmbd's words, then Samba's.
pub(super) const ENCRYPTION: &[(&str, Encryption)] = &[
    ("auto", Encryption::Auto),
    ("mandatory", Encryption::Mandatory),
    ("disabled", Encryption::Disabled),
    ("enabled", Encryption::Auto),
    ("required", Encryption::Mandatory),
    ("default", Encryption::Auto),
    ("desired", Encryption::Auto),
    ("off", Encryption::Disabled),
];

/// `smb encrypt`: whether it is required. Less than that is for the client to decide.
pub(super) const SMB_ENCRYPT: &[(&str, bool)] = &[
    ("required", true),
    ("mandatory", true),
    ("desired", false),
    ("if_required", false),
    ("enabled", false),
    ("auto", false),
    ("default", false),
    ("disabled", false),
    ("off", false),
    ("no", false),
    ("false", false),
];

const DIALECTS: &[(&str, Dialect)] = &[
    ("SMB2_02", Dialect::SMB_2_0_2),
    ("SMB2_10", Dialect::SMB_2_1),
    ("SMB3_00", Dialect::SMB_3_0),
    ("SMB3_02", Dialect::SMB_3_0_2),
    ("SMB3_11", Dialect::SMB_3_1_1),
];

/// How a dialect is written.
pub(super) fn dialect_name(dialect: Dialect) -> &'static str {
    DIALECTS.iter().find(|(_, known)| *known == dialect).map_or("", |(name, _)| name)
}

/// Dialects are in the order of their numbers.
pub(super) fn number(dialect: Dialect) -> u16 {
    dialect.0
}

/// The first of several names of a key that is there.
pub(super) fn first<'a>(section: &'a Section, names: &[&str]) -> Option<&'a Entry> {
    names.iter().find_map(|name| section.get(name))
}

/// Reads `[global]`.
pub(super) struct Reader<'a> {
    pub(super) section: &'a Section,
    pub(super) problems: &'a mut Vec<ConfProblem>,
}

impl Reader<'_> {
    /// The file cannot be used: a guess could open the server to more than was meant.
    pub(super) fn error(&mut self, entry: &Entry, what: &str, remedy: &str) {
        let what = format!("`{}` {what}", entry.value());
        self.problems.push(entry.problem(Severity::Error, what, remedy));
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        self.section.get(key).map(|entry| entry.boolean(self.problems))
    }

    /// At most `limit` bytes, cut between characters, and without blanks at the end.
    pub(super) fn text(&mut self, names: &[&str], limit: usize, target: &mut String) {
        let Some(entry) = first(self.section, names) else {
            return;
        };
        let value = entry.value();
        let kept = value[..value.floor_char_boundary(limit)].trim_end();
        if kept.len() < value.len() {
            let what = format!("it is longer than {limit} bytes, `{kept}` is used");
            self.problems.push(entry.problem(Severity::Warning, what, "write less"));
        }
        kept.clone_into(target);
    }

    /// A word that must be known.
    pub(super) fn strict<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let entry = self.section.get(key)?;
        // `choice` would use the default, with a warning.
        let found = entry.choice(words, &mut Vec::new());
        if found.is_none() {
            let remedy = "write auto, mandatory, disabled or enabled";
            self.error(entry, "is not known", remedy);
        }
        found
    }

    /// ksmbd takes prefixes, and of several fitting names the highest: there `SMB3` is SMB3_11 even
    /// as a minimum. So is Samba's, and so it is here, with a warning; other prefixes are unknown.
    pub(super) fn dialect(&mut self, entry: &Entry, minimum: bool) -> Option<Dialect> {
        let name = entry.value().to_ascii_uppercase();
        if let Some((_, dialect)) = DIALECTS.iter().find(|(known, _)| *known == name) {
            return Some(*dialect);
        }
        let (dialect, what, remedy) = match (name.as_str(), minimum) {
            ("SMB3", true) => (
                Dialect::SMB_3_1_1,
                "as a minimum, `SMB3` means SMB3_11, and keeps SMB3_00 and SMB3_02 out",
                "write SMB3_00 to let all of SMB3 in, or SMB3_11",
            ),
            ("SMB3", false) => return Some(Dialect::SMB_3_1_1),
            ("SMB2" | "SMB2_22" | "SMB2_24", _) => (
                Dialect::SMB_2_1,
                "it is taken for SMB2_10",
                "write SMB2_10, or SMB2_02 to let the first SMB2 in",
            ),
            ("NT1" | "LANMAN1" | "LANMAN2" | "COREPLUS" | "CORE", true) => (
                Dialect::SMB_2_0_2,
                "there is no SMB1 in this server; SMB2_02 is used",
                "write SMB2_02",
            ),
            _ => {
                let remedy = "write one of: SMB2_02, SMB2_10, SMB3_00, SMB3_02, SMB3_11";
                self.error(entry, "is not a protocol of this server", remedy);
                return None;
            }
        };
        self.problems.push(entry.problem(Severity::Warning, what, remedy));
        Some(dialect)
    }

    pub(super) fn io_size(&mut self, key: &str, target: &mut u32) {
        let Some(entry) = self.section.get(key) else {
            return;
        };
        let Some(size) = entry.size(self.problems) else {
            return;
        };
        let used = size.clamp(*IO_SIZES.start(), *IO_SIZES.end());
        if used != size {
            let what = format!("{size} bytes cannot be used, {used} are");
            let problem = entry.problem(Severity::Warning, what, "write a size from 64K to 8M");
            self.problems.push(problem);
        }
        *target = u32::try_from(used).unwrap_or(*target);
    }

    pub(super) fn limit(&mut self, key: &str, target: &mut usize) {
        if let Some(entry) = self.section.get(key) {
            *target = limit(entry, self.problems).unwrap_or(*target);
        }
    }
}

/// A limit: 0 and what is above 65536 are 65536, as in ksmbd.
pub(super) fn limit(entry: &Entry, problems: &mut Vec<ConfProblem>) -> Option<usize> {
    let limit = entry.number(0..=u64::MAX, problems)?;
    if limit > NO_LIMIT {
        let what = format!("{limit} is more than can be, {NO_LIMIT} is used");
        problems.push(entry.problem(Severity::Warning, what, "write a number from 1 to 65536"));
    }
    let used = if limit == 0 { NO_LIMIT } else { limit.min(NO_LIMIT) };
    usize::try_from(used).ok()
}
