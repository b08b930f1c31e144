//! Names to SIDs and back (MS-LSAT 3.1.4).
//!
//! The operations of several generations differ in how much they return of each entry.

use ksmbd_core::wire::security::Sid;

use super::super::Call;
use super::super::names::{self, DomainName, Named, Use};
use super::super::ndr::{Reader, Writer};
use super::super::pdu::Fault;
use super::super::status::nt as status;

/// The most names in one call (MS-LSAT 3.1.4.5, `Count`). For SIDs the interface has 20480; each
/// may be a question to a name service while others wait for their logon, so here it is the same.
const MAX_ENTRIES: usize = 1000;
/// LSAP_LOOKUP_LEVEL (MS-LSAT 2.2.16). They differ in which domains are asked, and there is one.
const LEVELS: std::ops::RangeInclusive<u16> = 1..=7;

/// What is returned for one name or SID.
struct Entry {
    kind: Use,
    /// None for a name that nobody has.
    sid: Option<Sid>,
    name: String,
    relative: u32,
    /// The place of its domain in the list, -1 if it has none.
    domain: i32,
}

/// What a call has found: an entry for each that was asked for, and the domains that they are in.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    domains: Vec<DomainName>,
}

impl Found {
    fn known(&mut self, named: Named) {
        let domain = self.domain(&named.domain);
        let relative = named.relative();
        let Named { sid, name, kind, .. } = named;
        self.entries.push(Entry { kind, sid: Some(sid), name, relative, domain });
    }

    fn unknown(&mut self, name: String) {
        let kind = Use::Unknown;
        self.entries.push(Entry { kind, sid: None, name, relative: 0, domain: -1 });
    }

    /// Where a domain stands in the list. There are some ten at most.
    fn domain(&mut self, domain: &DomainName) -> i32 {
        let index = self.domains.iter().position(|known| known == domain).unwrap_or_else(|| {
            self.domains.push(domain.clone());
            self.domains.len().saturating_sub(1)
        });
        i32::try_from(index).unwrap_or(-1)
    }

    /// LSAPR_REFERENCED_DOMAIN_LIST (MS-LSAT 2.2.12), behind a pointer.
    fn write_domains(&self, out: &mut Writer) {
        out.pointer(true);
        out.count(self.domains.len());
        out.pointer(!self.domains.is_empty());
        // How many there might have been: no client looks at it.
        out.count(self.domains.len());
        if self.domains.is_empty() {
            return;
        }
        out.count(self.domains.len());
        for domain in &self.domains {
            out.text_head(&domain.name);
            out.pointer(true);
        }
        for domain in &self.domains {
            out.text_body(&domain.name);
            out.sid(&domain.sid);
        }
    }

    /// An array of entries behind its counts: what each has in place by `head`, and what that
    /// points to by `body` (LSAPR_TRANSLATED_SIDS, MS-LSAT 2.2.15, and its like). Then MappedCount
    /// and the result.
    fn write(
        &self,
        out: &mut Writer,
        head: impl Fn(&mut Writer, &Entry),
        body: impl Fn(&mut Writer, &Entry),
    ) -> Result<(), Fault> {
        self.write_domains(out);
        out.count(self.entries.len());
        out.pointer(!self.entries.is_empty());
        if !self.entries.is_empty() {
            out.count(self.entries.len());
            self.entries.iter().for_each(|entry| head(out, entry));
            self.entries.iter().for_each(|entry| body(out, entry));
        }
        let mapped = self.entries.iter().filter(|entry| entry.kind != Use::Unknown).count();
        out.count(mapped);
        out.u32(if mapped == self.entries.len() {
            status::SUCCESS
        } else if mapped == 0 {
            status::NONE_MAPPED
        } else {
            status::SOME_NOT_MAPPED
        });
        Ok(())
    }
}

/// Answers a call that is refused: no domains, no entries, none mapped.
fn refuse(out: &mut Writer, status: u32) -> Result<(), Fault> {
    out.pointer(false);
    out.u32(0);
    out.pointer(false);
    out.u32(0);
    out.u32(status);
    Ok(())
}

/// The entries that the client sends where the answer's will stand: there are none.
fn skip_entries(input: &mut Reader<'_>) -> Result<(), Fault> {
    input.u32()?;
    if input.pointer()? && input.u32()? != 0 { Err(Fault::BadStub) } else { Ok(()) }
}

/// What is left of the arguments of every lookup, and whether it may be answered.
fn check(
    input: &mut Reader<'_>,
    policy: Result<(), u32>,
    count: usize,
    options: bool,
) -> Result<Result<(), u32>, Fault> {
    skip_entries(input)?;
    let level = input.enumeration()?;
    input.u32()?;
    if options {
        // LookupOptions, ClientRevision (MS-LSAT 3.1.4.5): about names of forests.
        input.u32()?;
        input.u32()?;
    }
    let valid = LEVELS.contains(&level) && count <= MAX_ENTRIES;
    Ok(policy.and(if valid { Ok(()) } else { Err(status::INVALID_PARAMETER) }))
}

/// Reads the arguments of a lookup of SIDs and looks them up.
fn sids(call: &mut Call<'_>, options: bool) -> Result<Result<Found, u32>, Fault> {
    let policy = super::policy(call)?;
    let sids = read_sids(&mut call.input)?;
    let checked = check(&mut call.input, policy, sids.len(), options)?;
    // LSAPR_SID_ENUM_BUFFER (MS-LSAT 2.2.18): no SID is missing.
    let present: Option<Vec<Sid>> = sids.into_iter().collect();
    let sids = checked.and_then(|()| present.ok_or(status::INVALID_PARAMETER));
    Ok(sids.map(|sids| {
        let mut found = Found::default();
        for sid in sids {
            match names::of_sid(call.directory, &sid) {
                Some(named) => found.known(named),
                // 2.2.19: the name of an unknown SID is its text.
                None => found.unknown(sid.to_string()),
            }
        }
        found
    }))
}

/// LSAPR_SID_ENUM_BUFFER (MS-LSAT 2.2.18).
fn read_sids(input: &mut Reader<'_>) -> Result<Vec<Option<Sid>>, Fault> {
    let entries = input.u32()?;
    if !input.pointer()? {
        return if entries == 0 { Ok(Vec::new()) } else { Err(Fault::BadStub) };
    }
    let count = input.conformance(4)?;
    if u32::try_from(count) != Ok(entries) {
        return Err(Fault::BadStub);
    }
    let pointers = (0..count).map(|_| input.pointer()).collect::<Result<Vec<_>, _>>()?;
    let sid = |present| if present { input.sid().map(Some) } else { Ok(None) };
    Ok(pointers.into_iter().map(sid).collect::<Result<_, _>>()?)
}

/// Reads the arguments of a lookup of names and looks them up.
fn names(call: &mut Call<'_>, options: bool) -> Result<Result<Found, u32>, Fault> {
    let policy = super::policy(call)?;
    let entries = call.input.u32()?;
    let count = call.input.conformance(8)?;
    if u32::try_from(count) != Ok(entries) {
        return Err(Fault::BadStub);
    }
    let names = call.input.texts(count)?;
    let checked = check(&mut call.input, policy, count, options)?;
    Ok(checked.map(|()| {
        let mut found = Found::default();
        for name in names {
            match names::of_name(call.directory, &name) {
                Some(named) => found.known(named),
                None => found.unknown(name),
            }
        }
        found
    }))
}

/// LsarLookupSids (Opnum 15), MS-LSAT 3.1.4.11.
pub(super) fn lookup_sids(call: &mut Call<'_>) -> Result<(), Fault> {
    match sids(call, false)? {
        Ok(found) => found.write(&mut call.output, write_name, |out, entry| {
            out.text_body(&entry.name);
        }),
        Err(status) => refuse(&mut call.output, status),
    }
}

/// LsarLookupSids2 (Opnum 57), MS-LSAT 3.1.4.10.
pub(super) fn lookup_sids_2(call: &mut Call<'_>) -> Result<(), Fault> {
    let head = |out: &mut Writer, entry: &Entry| {
        write_name(out, entry);
        out.u32(0);
    };
    match sids(call, true)? {
        Ok(found) => found.write(&mut call.output, head, |out, entry| {
            out.text_body(&entry.name);
        }),
        Err(status) => refuse(&mut call.output, status),
    }
}

/// LSAPR_TRANSLATED_NAME (MS-LSAT 2.2.17).
fn write_name(out: &mut Writer, entry: &Entry) {
    out.align(4);
    out.u16(entry.kind as u16);
    out.text_head(&entry.name);
    out.bytes(&entry.domain.to_le_bytes());
}

/// LsarLookupNames (Opnum 14), MS-LSAT 3.1.4.8.
pub(super) fn lookup_names(call: &mut Call<'_>) -> Result<(), Fault> {
    match names(call, false)? {
        Ok(found) => found.write(&mut call.output, write_relative, |_, _| {}),
        Err(status) => refuse(&mut call.output, status),
    }
}

/// LsarLookupNames2 (Opnum 58), MS-LSAT 3.1.4.7.
pub(super) fn lookup_names_2(call: &mut Call<'_>) -> Result<(), Fault> {
    let head = |out: &mut Writer, entry: &Entry| {
        write_relative(out, entry);
        out.u32(0);
    };
    match names(call, true)? {
        Ok(found) => found.write(&mut call.output, head, |_, _| {}),
        Err(status) => refuse(&mut call.output, status),
    }
}

/// LSA_TRANSLATED_SID (MS-LSAT 2.2.14).
fn write_relative(out: &mut Writer, entry: &Entry) {
    out.align(4);
    out.u16(entry.kind as u16);
    out.u32(entry.relative);
    out.bytes(&entry.domain.to_le_bytes());
}

/// LsarLookupNames3 (Opnum 68), MS-LSAT 3.1.4.6. Entries are LSAPR_TRANSLATED_SID_EX2 (2.2.25).
pub(super) fn lookup_names_3(call: &mut Call<'_>) -> Result<(), Fault> {
    let head = |out: &mut Writer, entry: &Entry| {
        out.align(4);
        out.u16(entry.kind as u16);
        out.pointer(entry.sid.is_some());
        out.bytes(&entry.domain.to_le_bytes());
        out.u32(0);
    };
    let body = |out: &mut Writer, entry: &Entry| {
        if let Some(sid) = &entry.sid {
            out.sid(sid);
        }
    };
    match names(call, true)? {
        Ok(found) => found.write(&mut call.output, head, body),
        Err(status) => refuse(&mut call.output, status),
    }
}
