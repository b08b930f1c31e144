//! The Local Security Authority (MS-LSAD, MS-LSAT): which domain this is, who has which SID.
//!
//! Explorer's security tab asks here for the names behind the SIDs that it shows.

mod translate;

use super::handle::{Handle, Object};
use super::names::{DomainName, Place};
use super::ndr::{Reader, Writer};
use super::pdu::{Fault, Syntax};
use super::status::nt as status;
use super::{Call, Interface};

/// 12345778-1234-abcd-ef00-0123456789ab version 0.0 (MS-LSAT 2.1). On Windows all services of its
/// security authority are behind one pipe with several names.
pub(super) const INTERFACE: Interface = Interface {
    pipes: super::LSASS,
    syntax: Syntax {
        uuid: [
            0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67,
            0x89, 0xab,
        ],
        major: 0,
        minor: 0,
    },
    call,
};

fn call(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.opnum {
        0 => close(call),
        6 => open_policy(call),
        7 | 46 => query_info_policy(call),
        14 => translate::lookup_names(call),
        15 => translate::lookup_sids(call),
        44 => open_policy_2(call),
        45 => get_user_name(call),
        57 => translate::lookup_sids_2(call),
        58 => translate::lookup_names_2(call),
        68 => translate::lookup_names_3(call),
        _ => Err(Fault::OpnumRange),
    }
}

/// LsarClose (Opnum 0), MS-LSAD 3.1.4.9.4.
fn close(call: &mut Call<'_>) -> Result<(), Fault> {
    let handle = Handle::read(&mut call.input)?;
    call.handles.close(handle)?;
    Handle::NONE.write(&mut call.output);
    call.output.u32(status::SUCCESS);
    Ok(())
}

/// LsarOpenPolicy (Opnum 6), MS-LSAD 3.1.4.4.2. Of the server's name, the interface has only the
/// first character.
fn open_policy(call: &mut Call<'_>) -> Result<(), Fault> {
    if call.input.pointer()? {
        call.input.u16()?;
    }
    open(call)
}

/// LsarOpenPolicy2 (Opnum 44), MS-LSAD 3.1.4.4.1.
fn open_policy_2(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    open(call)
}

/// LSAPR_OBJECT_ATTRIBUTES (MS-LSAD 2.2.9) and the wanted access. All is ignored but the root,
/// which has to be missing; and every operation here only reads.
fn open(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.u32()?;
    let root = call.input.pointer()?;
    let opened = if root {
        Err(status::INVALID_PARAMETER)
    } else if call.account.is_none() {
        // As Windows: anonymous users learn no names.
        Err(status::ACCESS_DENIED)
    } else {
        call.handles.open(Object::Policy).ok_or(status::INSUFFICIENT_RESOURCES)
    };
    opened.unwrap_or(Handle::NONE).write(&mut call.output);
    call.output.u32(opened.err().unwrap_or(status::SUCCESS));
    Ok(())
}

/// Reads a handle, which has to be open. The status is for one of something else.
fn policy(call: &mut Call<'_>) -> Result<Result<(), u32>, Fault> {
    let handle = Handle::read(&mut call.input)?;
    Ok(match call.handles.get(handle)? {
        Object::Policy => Ok(()),
        _ => Err(status::INVALID_HANDLE),
    })
}

/// What is known of the policy (MS-LSAD 2.2.4.1, `POLICY_INFORMATION_CLASS`).
enum Policy {
    /// What the machine is a member of: a workgroup, which has no SID.
    PrimaryDomain,
    /// Whose accounts can log on: the machine's own.
    AccountDomain,
    /// Whether it is the primary domain controller of its own domain: always.
    ServerRole,
    /// As the primary domain, with names in the DNS and in the forest, which there are not.
    DnsDomain,
}

impl Policy {
    fn of_class(class: u16) -> Option<Self> {
        match class {
            3 => Some(Self::PrimaryDomain),
            5 | 14 => Some(Self::AccountDomain),
            6 => Some(Self::ServerRole),
            12 | 13 => Some(Self::DnsDomain),
            _ => None,
        }
    }
}

/// LsarQueryInformationPolicy (Opnum 7) and LsarQueryInformationPolicy2 (Opnum 46), MS-LSAD 3.1.4.4.4
/// and 3.1.4.4.3.
fn query_info_policy(call: &mut Call<'_>) -> Result<(), Fault> {
    /// MS-LSAD 2.2.4.9: `PolicyServerRolePrimary`.
    const PRIMARY: u16 = 3;

    let policy = policy(call)?;
    let class = call.input.enumeration()?;
    let found = policy.and_then(|()| Policy::of_class(class).ok_or(status::INVALID_PARAMETER));
    let out = &mut call.output;
    let policy = match found {
        Ok(policy) => policy,
        Err(status) => {
            out.pointer(false);
            out.u32(status);
            return Ok(());
        }
    };
    out.pointer(true);
    out.arm(class);
    match policy {
        Policy::PrimaryDomain => {
            out.text_head(call.directory.workgroup());
            out.pointer(false);
            out.text_body(call.directory.workgroup());
        }
        Policy::AccountDomain => write_domain(out, &Place::Machine.domain(call.directory)),
        Policy::ServerRole => out.u16(PRIMARY),
        Policy::DnsDomain => {
            let names = [call.directory.workgroup(), "", ""];
            names.iter().for_each(|name| out.text_head(name));
            out.bytes(&[0; 16]);
            out.pointer(false);
            names.iter().for_each(|name| out.text_body(name));
        }
    }
    out.u32(status::SUCCESS);
    Ok(())
}

/// LSAPR_POLICY_ACCOUNT_DOM_INFO (MS-LSAD 2.2.4.6).
fn write_domain(out: &mut Writer, domain: &DomainName) {
    out.text_head(&domain.name);
    out.pointer(true);
    out.text_body(&domain.name);
    out.sid(&domain.sid);
}

/// LsarGetUserName (Opnum 45), MS-LSAT 3.1.4.4: who the client is. It needs no policy.
fn get_user_name(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    skip_text_pointer(&mut call.input)?;
    let wants_domain = call.input.pointer()?;
    if wants_domain {
        skip_text_pointer(&mut call.input)?;
    }
    let (user, domain) = match call.account {
        Some(account) => (account, call.directory.server_name()),
        None => ("ANONYMOUS LOGON", "NT AUTHORITY"),
    };
    let out = &mut call.output;
    write_text_pointer(out, user);
    out.pointer(wants_domain);
    if wants_domain {
        write_text_pointer(out, domain);
    }
    out.u32(status::SUCCESS);
    Ok(())
}

/// A parameter that goes both ways, and means nothing this way.
fn skip_text_pointer(input: &mut Reader<'_>) -> Result<(), Fault> {
    if input.pointer()? {
        input.text()?;
    }
    Ok(())
}

fn write_text_pointer(out: &mut Writer, text: &str) {
    out.pointer(true);
    out.text_head(text);
    out.text_body(text);
}
