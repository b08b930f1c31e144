//! Accounts (MS-SAMR 3.1.5.1.9, 3.1.5.3, 3.1.5.9).

use super::super::handle::{Domain, Object};
use super::super::ndr::Writer;
use super::super::pdu::Fault;
use super::super::status::nt as status;
use super::super::{Call, User};
use super::domain::NORMAL_ACCOUNT;
use super::{GROUP_ATTRIBUTES, domain_of, object, opened};

/// The most accounts in one answer.
const MAX_DISPLAYED: usize = 500;

/// SamrOpenUser (Opnum 34), MS-SAMR 3.1.5.1.9. Unix users without an account are no users here.
pub(super) fn open(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    call.input.u32()?;
    let number = call.input.u32()?;
    let user = domain.and_then(|domain| match domain {
        Domain::Machine => {
            let user = call.directory.people().account_of(number).ok_or(status::NO_SUCH_USER)?;
            Ok(Object::User(user.name))
        }
        Domain::Builtin => Err(status::NO_SUCH_USER),
    });
    opened(call, user);
    Ok(())
}

/// Reads a handle and says whose it is. An account may be gone since it was opened.
pub(super) fn user(call: &mut Call<'_>) -> Result<Result<User, u32>, Fault> {
    Ok(match object(call)? {
        Object::User(name) => call.directory.people().account(&name).ok_or(status::NO_SUCH_USER),
        _ => Err(status::INVALID_HANDLE),
    })
}

/// SamrGetGroupsForUser (Opnum 39), MS-SAMR 3.1.5.9.1: the numbers of the Unix groups.
pub(super) fn get_groups(call: &mut Call<'_>) -> Result<(), Fault> {
    let user = user(call)?;
    let groups = user.map(|user| call.directory.people().groups_of(&user));
    let out = &mut call.output;
    out.pointer(groups.is_ok());
    if let Ok(groups) = &groups {
        out.count(groups.len());
        out.pointer(!groups.is_empty());
        if !groups.is_empty() {
            out.count(groups.len());
        }
        for group in groups {
            out.u32(*group);
            out.u32(GROUP_ATTRIBUTES);
        }
    }
    out.u32(groups.err().unwrap_or(status::SUCCESS));
    Ok(())
}

/// SamrQueryDisplayInformation (Opnum 40) and its successors (Opnums 48 and 51), MS-SAMR 3.1.5.3.1
/// to 3.1.5.3.3.
pub(super) fn query_display(call: &mut Call<'_>) -> Result<(), Fault> {
    let domain = domain_of(&object(call)?);
    let class = call.input.enumeration()?;
    let start = usize::try_from(call.input.u32()?).unwrap_or(usize::MAX);
    let most = usize::try_from(call.input.u32()?).unwrap_or(usize::MAX).min(MAX_DISPLAYED);
    call.input.u32()?;
    // 2.2.8.12, DOMAIN_DISPLAY_INFORMATION: users, machines, groups, and the first and the third for
    // old clients.
    if !matches!(class, 1..=5) {
        return Err(Fault::InvalidTag);
    }
    let people = call.directory.people();
    let all = match domain {
        Ok(Domain::Machine) if class == 1 => people.accounts(),
        _ => Vec::new(),
    };
    let waiting = all.get(start..).unwrap_or_default();
    let (now, later) = waiting.split_at_checked(most).unwrap_or((waiting, &[]));
    let users: Vec<User> = now.iter().filter_map(|name| people.account(name)).collect();
    let status = match domain {
        Err(status) => status,
        Ok(_) if class != 1 && class != 2 && class != 3 => status::INVALID_INFO_CLASS,
        Ok(_) if later.is_empty() => status::SUCCESS,
        Ok(_) => status::MORE_ENTRIES,
    };
    let out = &mut call.output;
    // In bytes, which nobody counts: clients go by the entries and the result.
    out.count(all.len());
    out.count(users.len());
    out.arm(class);
    write_display(out, &users, start);
    out.u32(status);
    Ok(())
}

/// SAMPR_DOMAIN_DISPLAY_USER_BUFFER (MS-SAMR 2.2.8.7).
fn write_display(out: &mut Writer, users: &[User], start: usize) {
    out.count(users.len());
    out.pointer(!users.is_empty());
    if users.is_empty() {
        return;
    }
    out.count(users.len());
    for (index, user) in (1_usize..).zip(users) {
        out.count(start.saturating_add(index));
        out.u32(user.rid);
        out.u32(NORMAL_ACCOUNT);
        out.text_head(&user.name);
        out.text_head("");
        out.text_head("");
    }
    for user in users {
        out.text_body(&user.name);
        out.text_body("");
        out.text_body("");
    }
}
