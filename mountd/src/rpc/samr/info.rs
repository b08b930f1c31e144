//! Facts about an account and about a domain (MS-SAMR 3.1.5.5).

use super::super::handle::Domain;
use super::super::ndr::Writer;
use super::super::pdu::Fault;
use super::super::status::nt as status;
use super::super::{Call, User};
use super::domain::NORMAL_ACCOUNT;
use super::{domain_of, object, user};

/// A time that never comes (MS-SAMR 2.2.2.2).
const NEVER: u64 = 0x7fff_ffff_ffff_ffff;
/// MS-SAMR 2.2.1.8: `USER_ALL_` for each field of level 21 that is filled in. Windows says so of the
/// fields that a reader may see.
const ALL_FIELDS: u32 = 0x00ff_ffff;
/// An hour of the week is a bit, all of which are set: accounts may log on at any time.
const HOURS_A_WEEK: u16 = 168;

/// SamrQueryInformationUser (Opnum 36) and SamrQueryInformationUser2 (Opnum 47), MS-SAMR 3.1.5.5.6
/// and 3.1.5.5.5.
pub(super) fn query_user(call: &mut Call<'_>) -> Result<(), Fault> {
    let user = user::user(call)?;
    let level = call.input.enumeration()?;
    let known = matches!(level, 7 | 8 | 9 | 16 | 21);
    let user = user.and_then(|user| if known { Ok(user) } else { Err(status::INVALID_INFO_CLASS) });
    let out = &mut call.output;
    out.pointer(user.is_ok());
    if let Ok(user) = &user {
        out.arm(level);
        match level {
            7 => write_text(out, &user.name),
            8 => write_text(out, ""),
            9 => out.u32(user.gid),
            16 => out.u32(NORMAL_ACCOUNT),
            _ => write_all(out, user),
        }
    }
    out.u32(user.err().unwrap_or(status::SUCCESS));
    Ok(())
}

fn write_text(out: &mut Writer, text: &str) {
    out.text_head(text);
    out.text_body(text);
}

/// SAMPR_USER_ALL_INFORMATION (MS-SAMR 2.2.6.6). What an account here does not have is empty.
fn write_all(out: &mut Writer, user: &User) {
    // UserName, FullName, HomeDirectory, HomeDirectoryDrive, ScriptPath, ProfilePath, AdminComment,
    // WorkStations, UserComment, Parameters.
    let texts = [user.name.as_str(), "", "", "", "", "", "", "", "", ""];
    // LastLogon, LastLogoff, PasswordLastSet, AccountExpires, PasswordCanChange, PasswordMustChange.
    for time in [0, NEVER, 0, NEVER, 0, NEVER] {
        out.old_large_integer(time);
    }
    texts.iter().for_each(|text| out.text_head(text));
    // LmOwfPassword and NtOwfPassword are never told; each is two lengths and a pointer.
    for _ in 0..2 {
        out.u32(0);
        out.pointer(false);
    }
    // PrivateData and SecurityDescriptor: none.
    out.u32(0);
    out.pointer(false);
    out.u32(0);
    out.pointer(false);
    out.u32(user.rid);
    out.u32(user.gid);
    out.u32(NORMAL_ACCOUNT);
    out.u32(ALL_FIELDS);
    out.align(4);
    out.u16(HOURS_A_WEEK);
    out.pointer(true);
    // BadPasswordCount, LogonCount, CountryCode, CodePage.
    (0..4).for_each(|_| out.u16(0));
    // LmPasswordPresent, NtPasswordPresent, PasswordExpired, PrivateDataSensitive.
    out.bytes(&[0, 1, 0, 0]);
    texts.iter().for_each(|text| out.text_body(text));
    // LogonHours has room for a bit each minute, of which one each hour is there.
    [1260, 0, u32::from(HOURS_A_WEEK / 8)].iter().for_each(|count| out.u32(*count));
    out.bytes(&[0xff; HOURS_A_WEEK as usize / 8]);
}

/// SamrQueryInformationDomain (Opnum 8) and SamrQueryInformationDomain2 (Opnum 46), MS-SAMR
/// 3.1.5.5.2 and 3.1.5.5.1.
pub(super) fn query_domain(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let class = call.input.enumeration()?;
    let known = matches!(class, 1 | 2 | 3 | 5 | 7 | 8 | 12);
    let domain =
        domain.and_then(|domain| if known { Ok(domain) } else { Err(status::INVALID_INFO_CLASS) });
    call.output.pointer(domain.is_ok());
    if let Ok(domain) = domain {
        call.output.arm(class);
        write_domain(call, domain, class);
    }
    call.output.u32(domain.err().unwrap_or(status::SUCCESS));
    Ok(())
}

/// One arm of SAMPR_DOMAIN_INFO_BUFFER (MS-SAMR 2.2.4.14). There are no rules for passwords.
fn write_domain(call: &mut Call<'_>, domain: Domain, class: u16) {
    let name = domain.place().domain(call.directory).name;
    let out = &mut call.output;
    match class {
        // DOMAIN_PASSWORD_INFORMATION (2.2.4.5): length, history, properties, oldest and youngest
        // age, as negative differences of time.
        1 => {
            [0, 0].iter().for_each(|word| out.u16(*word));
            out.u32(0);
            out.old_large_integer(1 << 63);
            out.old_large_integer(0);
        }
        2 => write_general(call, domain, &name),
        // DOMAIN_LOGOFF_INFORMATION (2.2.4.6): nobody is ever logged off.
        3 => out.old_large_integer(1 << 63),
        5 => write_text(out, &name),
        // DOMAIN_SERVER_ROLE_INFORMATION (2.2.4.7).
        7 => out.u32(PRIMARY),
        // DOMAIN_MODIFIED_INFORMATION (2.2.4.8).
        8 => {
            out.old_large_integer(0);
            out.old_large_integer(0);
        }
        // SAMPR_DOMAIN_LOCKOUT_INFORMATION (2.2.4.15): how long, in which time, after how many.
        _ => {
            out.old_large_integer(0);
            out.old_large_integer(0);
            out.u16(0);
        }
    }
}

/// SamrGetUserDomainPasswordInformation (Opnum 44), MS-SAMR 3.1.5.13.4.
pub(super) fn get_user_password_rules(call: &mut Call<'_>) -> Result<(), Fault> {
    let user = user::user(call)?;
    write_rules(&mut call.output, user.err());
    Ok(())
}

/// SamrGetDomainPasswordInformation (Opnum 56), MS-SAMR 3.1.5.13.3: asked before one has any handle.
pub(super) fn get_password_rules(call: &mut Call<'_>) -> Result<(), Fault> {
    if call.input.pointer()? {
        call.input.text()?;
    }
    let refused = call.account.is_none().then_some(status::ACCESS_DENIED);
    write_rules(&mut call.output, refused);
    Ok(())
}

/// USER_DOMAIN_PASSWORD_INFORMATION (MS-SAMR 2.2.4.2): no shortest length, nothing else.
fn write_rules(out: &mut Writer, refused: Option<u32>) {
    out.u16(0);
    out.u32(0);
    out.u32(refused.unwrap_or(status::SUCCESS));
}

/// MS-SAMR 2.2.4.1, DOMAIN_SERVER_ROLE: `DomainServerRolePrimary`.
const PRIMARY: u32 = 3;

/// SAMPR_DOMAIN_GENERAL_INFORMATION (MS-SAMR 2.2.4.10).
fn write_general(call: &mut Call<'_>, domain: Domain, name: &str) {
    /// 2.2.4.1, DOMAIN_SERVER_ENABLE_STATE: `DomainServerEnabled`.
    const ENABLED: u32 = 1;

    let users = match domain {
        Domain::Machine => call.directory.people().accounts().len(),
        Domain::Builtin => 0,
    };
    let aliases = match domain {
        Domain::Machine => 0,
        Domain::Builtin => super::super::names::BUILTINS.len(),
    };
    let out = &mut call.output;
    let texts = [call.directory.server_comment(), name, ""];
    out.old_large_integer(1 << 63);
    texts.iter().for_each(|text| out.text_head(text));
    out.old_large_integer(0);
    out.u32(ENABLED);
    out.u32(PRIMARY);
    out.u8(0);
    out.count(users);
    out.u32(0);
    out.count(aliases);
    texts.iter().for_each(|text| out.text_body(text));
}
