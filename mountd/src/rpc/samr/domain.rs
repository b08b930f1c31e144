//! What is in a domain (MS-SAMR 3.1.5.2, 3.1.5.11).

use super::super::Call;
use super::super::handle::Domain;
use super::super::names::{BUILTINS, Use};
use super::super::pdu::Fault;
use super::super::status::nt as status;
use super::page::{self, Wanted};
use super::{MAX_ENTRIES, domain_of, object};

/// MS-SAMR 2.2.1.12: `USER_NORMAL_ACCOUNT`, the only kind that there is.
pub(super) const NORMAL_ACCOUNT: u32 = 0x10;

/// SamrEnumerateUsersInDomain (Opnum 13), MS-SAMR 3.1.5.2.5.
pub(super) fn enumerate_users(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let start = call.input.u32()?;
    let kinds = call.input.u32()?;
    let wanted = Wanted { start, preferred: call.input.u32()? };
    let people = call.directory.people();
    let all = match domain {
        Ok(Domain::Machine) if kinds == 0 || kinds & NORMAL_ACCOUNT != 0 => people.accounts(),
        Ok(_) => Vec::new(),
        Err(status) => {
            page::refuse(&mut call.output, status);
            return Ok(());
        }
    };
    let entry = |name: &str| people.account(name).map(|user| (user.rid, user.name));
    page::write(&mut call.output, wanted, &all, entry);
    Ok(())
}

/// SamrEnumerateGroupsInDomain (Opnum 11), MS-SAMR 3.1.5.2.3. Unix groups are not groups of the
/// server's domain; what they are called is known, but not listed.
pub(super) fn enumerate_groups(call: &mut Call<'_>) -> Result<(), Fault> {
    enumerate_fixed(call, |_| &[])
}

/// SamrEnumerateAliasesInDomain (Opnum 15), MS-SAMR 3.1.5.2.4.
pub(super) fn enumerate_aliases(call: &mut Call<'_>) -> Result<(), Fault> {
    enumerate_fixed(call, |domain| match domain {
        Domain::Machine => &[],
        Domain::Builtin => BUILTINS,
    })
}

fn enumerate_fixed(
    call: &mut Call<'_>,
    list: impl Fn(Domain) -> &'static [(u32, &'static str)],
) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let wanted = Wanted { start: call.input.u32()?, preferred: call.input.u32()? };
    match domain.map(list) {
        Ok(list) => {
            let all: Vec<String> = list.iter().map(|(_, name)| (*name).to_owned()).collect();
            let entry = |name: &str| {
                let found = list.iter().find(|(_, known)| *known == name);
                found.map(|(number, name)| (*number, (*name).to_owned()))
            };
            page::write(&mut call.output, wanted, &all, entry);
        }
        Err(status) => page::refuse(&mut call.output, status),
    }
    Ok(())
}

/// SamrGetAliasMembership (Opnum 16), MS-SAMR 3.1.5.9.2. The groups of every Windows have no members
/// here: who may do what, `ksmbd.conf` says.
pub(super) fn get_alias_membership(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let input = &mut call.input;
    let entries = input.u32()?;
    if input.pointer()? {
        let count = input.conformance(4)?;
        if u32::try_from(count) != Ok(entries) {
            return Err(Fault::BadStub);
        }
        let pointers = (0..count).map(|_| input.pointer()).collect::<Result<Vec<_>, _>>()?;
        for _ in pointers.into_iter().filter(|present| *present) {
            input.sid()?;
        }
    } else if entries != 0 {
        return Err(Fault::BadStub);
    }
    call.output.words(&[]);
    call.output.u32(domain.err().unwrap_or(status::SUCCESS));
    Ok(())
}

/// The result for `mapped` of `count` names or numbers.
fn mapping(mapped: usize, count: usize) -> u32 {
    if mapped == count {
        status::SUCCESS
    } else if mapped == 0 {
        status::NONE_MAPPED
    } else {
        status::SOME_NOT_MAPPED
    }
}

/// SamrLookupNamesInDomain (Opnum 17), MS-SAMR 3.1.5.11.2.
pub(super) fn lookup_names(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let entries = call.input.u32()?;
    let count = call.input.varying(8)?;
    if u32::try_from(count) != Ok(entries) {
        return Err(Fault::BadStub);
    }
    let names = call.input.texts(count)?;
    let limited = if count <= MAX_ENTRIES { Ok(()) } else { Err(status::INVALID_PARAMETER) };
    let out = &mut call.output;
    let domain = match domain.and_then(|domain| limited.map(|()| domain)) {
        Ok(domain) => domain,
        Err(status) => {
            out.words(&[]);
            out.words(&[]);
            out.u32(status);
            return Ok(());
        }
    };
    let found: Vec<Option<(u32, Use)>> =
        names.iter().map(|name| domain.place().of_name(call.directory, name)).collect();
    let mapped = found.iter().flatten().count();
    let (numbers, kinds): (Vec<u32>, Vec<u32>) = found
        .into_iter()
        .map(|found| found.unwrap_or((0, Use::Unknown)))
        .map(|(number, kind)| (number, u32::from(kind as u16)))
        .unzip();
    out.words(&numbers);
    out.words(&kinds);
    out.u32(mapping(mapped, count));
    Ok(())
}

/// SamrLookupIdsInDomain (Opnum 18), MS-SAMR 3.1.5.11.3.
pub(super) fn lookup_ids(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let entries = call.input.u32()?;
    let count = call.input.varying(4)?;
    if u32::try_from(count) != Ok(entries) {
        return Err(Fault::BadStub);
    }
    let numbers = (0..count).map(|_| call.input.u32()).collect::<Result<Vec<_>, _>>()?;
    let limited = if count <= MAX_ENTRIES { Ok(()) } else { Err(status::INVALID_PARAMETER) };
    let out = &mut call.output;
    let domain = match domain.and_then(|domain| limited.map(|()| domain)) {
        Ok(domain) => domain,
        Err(status) => {
            out.u32(0);
            out.pointer(false);
            out.words(&[]);
            out.u32(status);
            return Ok(());
        }
    };
    let found: Vec<Option<(String, Use)>> =
        numbers.iter().map(|number| domain.place().of_number(call.directory, *number)).collect();
    // SAMPR_RETURNED_USTRING_ARRAY (2.2.7.5).
    out.count(count);
    out.pointer(count != 0);
    if count != 0 {
        out.texts(found.iter().map(|found| found.as_ref().map_or("", |(name, _)| name.as_str())));
    }
    let kind = |found: &Option<(String, Use)>| found.as_ref().map_or(Use::Unknown, |found| found.1);
    let kinds: Vec<u32> = found.iter().map(|found| u32::from(kind(found) as u16)).collect();
    out.words(&kinds);
    out.u32(mapping(found.iter().flatten().count(), count));
    Ok(())
}
