//! Lists that come in parts (MS-SAMR 3.1.5.2).

use super::super::ndr::Writer;
use super::super::status::nt as status;

/// The most bytes of one part, however much the client would take. It stays below what a pipe sends.
const MAX_PAGE: usize = 64 * 1024;

/// A number and a name: SAMPR_RID_ENUMERATION (MS-SAMR 2.2.7.8).
pub(super) type Entry = (u32, String);

/// Where a list goes on, and how much of it the client would like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// How many entries of the list the client has.
    pub(super) start: u32,
    /// In bytes.
    pub(super) preferred: u32,
}

/// Writes EnumerationContext, Buffer, CountReturned and the result. `all` are the list's names;
/// `entry` makes an entry of one and is asked for no more than what is sent.
pub(super) fn write(
    out: &mut Writer,
    wanted: Wanted,
    all: &[String],
    entry: impl Fn(&str) -> Option<Entry>,
) {
    let start = usize::try_from(wanted.start).unwrap_or(usize::MAX).min(all.len());
    let mut room = usize::try_from(wanted.preferred).unwrap_or(usize::MAX).min(MAX_PAGE);
    let mut entries = Vec::new();
    let mut next = start;
    for name in all.get(start..).unwrap_or_default() {
        // In place 12 bytes, and three counts before the text.
        let size = name.encode_utf16().count().saturating_mul(2).saturating_add(24);
        // At least one: a client that comes back until it has all must get on.
        if size > room && !entries.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        next = next.saturating_add(1);
        entries.extend(entry(name));
    }
    let more = next < all.len();
    out.count(next);
    out.pointer(true);
    out.count(entries.len());
    out.pointer(!entries.is_empty());
    if !entries.is_empty() {
        out.count(entries.len());
        for (number, name) in &entries {
            out.u32(*number);
            out.text_head(name);
        }
        entries.iter().for_each(|(_, name)| out.text_body(name));
    }
    out.count(entries.len());
    out.u32(if more { status::MORE_ENTRIES } else { status::SUCCESS });
}

/// As [`write`] for a call that is refused.
pub(super) fn refuse(out: &mut Writer, status: u32) {
    out.u32(0);
    out.pointer(false);
    out.u32(0);
    out.u32(status);
}
