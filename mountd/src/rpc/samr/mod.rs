//! The Security Account Manager (MS-SAMR): which accounts there are. Nothing can be changed here;
//! that is `ksmbd.adduser`'s business.

mod domain;
mod info;
mod page;
mod security;
mod user;

use ksmbd_core::wire::security::Sid;

use super::handle::{Domain, Handle, Object};
use super::names::{self, Place};
use super::pdu::{Fault, Syntax};
use super::status::nt as status;
use super::{Call, Interface};
use page::Wanted;

/// 12345778-1234-abcd-ef00-0123456789ac version 1.0 (MS-SAMR 1.9).
pub(super) const INTERFACE: Interface = Interface {
    pipes: super::LSASS,
    syntax: Syntax {
        uuid: [
            0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67,
            0x89, 0xac,
        ],
        major: 1,
        minor: 0,
    },
    call,
};

/// The most names or numbers in one call (MS-SAMR 3.1.5.11.2).
const MAX_ENTRIES: usize = 1000;
/// MS-SAMR 2.2.1.7: `SE_GROUP_MANDATORY`, `…_ENABLED_BY_DEFAULT` and `…_ENABLED`.
const GROUP_ATTRIBUTES: u32 = 7;

fn call(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.opnum {
        0 => connect(call),
        1 => close(call),
        3 => security::query(call),
        5 => lookup_domain(call),
        6 => enumerate_domains(call),
        7 => open_domain(call),
        8 | 46 => info::query_domain(call),
        11 => domain::enumerate_groups(call),
        13 => domain::enumerate_users(call),
        15 => domain::enumerate_aliases(call),
        16 => domain::get_alias_membership(call),
        17 => domain::lookup_names(call),
        18 => domain::lookup_ids(call),
        34 => user::open(call),
        36 | 47 => info::query_user(call),
        39 => user::get_groups(call),
        40 | 48 | 51 => user::query_display(call),
        44 => info::get_user_password_rules(call),
        56 => info::get_password_rules(call),
        57 => connect_2(call),
        62 => connect_4(call),
        64 => connect_5(call),
        _ => Err(Fault::OpnumRange),
    }
}

/// The domain on which an operation works.
fn domain_of(object: &Object) -> Result<Domain, u32> {
    match object {
        Object::Domain(domain) => Ok(*domain),
        _ => Err(status::INVALID_HANDLE),
    }
}

/// Reads a handle and says what stands behind it.
fn object(call: &mut Call<'_>) -> Result<Object, Fault> {
    let handle = Handle::read(&mut call.input)?;
    call.handles.get(handle).cloned()
}

impl Domain {
    fn place(self) -> Place {
        match self {
            Self::Machine => Place::Machine,
            Self::Builtin => Place::Builtin,
        }
    }
}

/// Answers with a handle, or with none and the status.
fn opened(call: &mut Call<'_>, object: Result<Object, u32>) {
    let handle =
        object.and_then(|object| call.handles.open(object).ok_or(status::INSUFFICIENT_RESOURCES));
    handle.unwrap_or(Handle::NONE).write(&mut call.output);
    call.output.u32(handle.err().unwrap_or(status::SUCCESS));
}

/// The server for whoever has logged on: as on Windows, accounts are not shown to anybody else.
fn server(call: &Call<'_>) -> Result<Object, u32> {
    if call.account.is_some() { Ok(Object::Server) } else { Err(status::ACCESS_DENIED) }
}

/// SamrConnect (Opnum 0), MS-SAMR 3.1.5.1.4. Of the server's name, the interface has only the first
/// character.
fn connect(call: &mut Call<'_>) -> Result<(), Fault> {
    if call.input.pointer()? {
        call.input.u16()?;
    }
    call.input.u32()?;
    let server = server(call);
    opened(call, server);
    Ok(())
}

/// SamrConnect2 (Opnum 57), MS-SAMR 3.1.5.1.3.
fn connect_2(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    call.input.u32()?;
    let server = server(call);
    opened(call, server);
    Ok(())
}

/// SamrConnect4 (Opnum 62), MS-SAMR 3.1.5.1.2: with the client's revision.
fn connect_4(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    call.input.u32()?;
    call.input.u32()?;
    let server = server(call);
    opened(call, server);
    Ok(())
}

/// SamrConnect5 (Opnum 64), MS-SAMR 3.1.5.1.1: both sides tell their revision.
fn connect_5(call: &mut Call<'_>) -> Result<(), Fault> {
    /// 2.2.7.15: the revision of clients since Windows XP, and of ours.
    const REVISION: u32 = 3;

    call.input.optional_string()?;
    call.input.u32()?;
    // SAMPR_REVISION_INFO (2.2.7.16) has one arm.
    if call.input.u32()? != 1 || call.input.u32()? != 1 {
        return Err(Fault::InvalidTag);
    }
    call.input.u32()?;
    call.input.u32()?;
    [1, 1, REVISION, 0].into_iter().for_each(|word| call.output.u32(word));
    let server = server(call);
    opened(call, server);
    Ok(())
}

/// SamrCloseHandle (Opnum 1), MS-SAMR 3.1.5.13.1.
fn close(call: &mut Call<'_>) -> Result<(), Fault> {
    let handle = Handle::read(&mut call.input)?;
    call.handles.close(handle)?;
    Handle::NONE.write(&mut call.output);
    call.output.u32(status::SUCCESS);
    Ok(())
}

/// The domains, in the order in which they are listed.
const DOMAINS: [Domain; 2] = [Domain::Machine, Domain::Builtin];

/// SamrLookupDomainInSamServer (Opnum 5), MS-SAMR 3.1.5.11.1.
fn lookup_domain(call: &mut Call<'_>) -> Result<(), Fault> {
    let object = object(call)?;
    let name = call.input.text()?;
    let found = if object == Object::Server {
        let domains = DOMAINS.map(|domain| domain.place().domain(call.directory));
        let found = domains.into_iter().find(|domain| names::same(&domain.name, &name));
        found.ok_or(status::NO_SUCH_DOMAIN)
    } else {
        Err(status::INVALID_HANDLE)
    };
    let out = &mut call.output;
    out.pointer(found.is_ok());
    if let Ok(domain) = &found {
        out.sid(&domain.sid);
    }
    out.u32(found.err().unwrap_or(status::SUCCESS));
    Ok(())
}

/// SamrEnumerateDomainsInSamServer (Opnum 6), MS-SAMR 3.1.5.2.1.
fn enumerate_domains(call: &mut Call<'_>) -> Result<(), Fault> {
    let object = object(call)?;
    let wanted = Wanted { start: call.input.u32()?, preferred: call.input.u32()? };
    if object == Object::Server {
        let names = DOMAINS.map(|domain| domain.place().domain(call.directory).name);
        let entry = |name: &str| Some((0, name.to_owned()));
        page::write(&mut call.output, wanted, &names, entry);
    } else {
        page::refuse(&mut call.output, status::INVALID_HANDLE);
    }
    Ok(())
}

/// SamrOpenDomain (Opnum 7), MS-SAMR 3.1.5.1.5.
fn open_domain(call: &mut Call<'_>) -> Result<(), Fault> {
    let object = object(call)?;
    call.input.u32()?;
    let sid: Sid = call.input.sid()?;
    let mut domains = DOMAINS.into_iter();
    let found = domains.find(|domain| domain.place().domain(call.directory).sid == sid);
    let domain = match (object, found) {
        (Object::Server, Some(domain)) => Ok(Object::Domain(domain)),
        (Object::Server, None) => Err(status::NO_SUCH_DOMAIN),
        _ => Err(status::INVALID_HANDLE),
    };
    opened(call, domain);
    Ok(())
}
