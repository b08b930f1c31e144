//! The Server Service (MS-SRVS): what shares there are, and what server this is.

use super::ndr::{Reader, Writer};
use super::pdu::{Fault, Syntax};
use super::status::win32 as status;
use super::{Call, Interface, ShareInfo, machine};

/// 4b324fc8-1670-01d3-1278-5a47bf6ee188 version 3.0 (MS-SRVS 1.9).
pub(super) const INTERFACE: Interface = Interface {
    pipes: &["srvsvc"],
    syntax: Syntax {
        uuid: [
            0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e,
            0xe1, 0x88,
        ],
        major: 3,
        minor: 0,
    },
    call,
};

/// MS-SRVS 2.2.2.4: `STYPE_DISKTREE`, and `STYPE_IPC` with `STYPE_SPECIAL`.
const TYPE_DISK: u32 = 0;
const TYPE_IPC: u32 = 0x8000_0003;
/// The most bytes of shares in one answer, however much the client would take; some two thousand
/// shares. It stays well below what a pipe sends.
const MAX_ENTRIES: usize = 192 * 1024;
/// The size of the longest fixed part, and of an empty path.
const LONG_ENTRY: usize = 56;

fn call(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.opnum {
        15 => share_enum(call),
        16 => share_get_info(call),
        21 => server_get_info(call),
        _ => Err(Fault::OpnumRange),
    }
}

/// The arguments of NetrShareEnum (MS-SRVS 3.1.4.8).
struct ShareEnum {
    level: u32,
    /// The most bytes that the client would like to get.
    preferred: u32,
    /// Where to go on, if the client can.
    resume: Option<u32>,
}

impl ShareEnum {
    fn read(input: &mut Reader<'_>) -> Result<Self, Fault> {
        input.optional_string()?;
        let level = input.u32()?;
        // SHARE_ENUM_UNION (2.2.3.5) has no other arms, and repeats its discriminant.
        if input.u32()? != level || !matches!(level, 0..=2 | 501..=503) {
            return Err(Fault::InvalidTag);
        }
        if input.pointer()? {
            skip_container(input, level)?;
        }
        let preferred = input.u32()?;
        let resume = if input.pointer()? { Some(input.u32()?) } else { None };
        Ok(Self { level, preferred, resume })
    }
}

/// SHARE_INFO_0_CONTAINER and its like (MS-SRVS 2.2.4.32…). The parameter goes both ways, so a
/// client may send entries, which mean nothing.
fn skip_container(input: &mut Reader<'_>, level: u32) -> Result<(), Fault> {
    let entries = input.u32()?;
    if !input.pointer()? {
        return Ok(());
    }
    let size = match level {
        0 => 4,
        1 => 12,
        _ => return Err(Fault::BadStub),
    };
    let count = input.conformance(size)?;
    if u32::try_from(count) != Ok(entries) {
        return Err(Fault::BadStub);
    }
    let mut strings = 0_u64;
    for _ in 0..count {
        strings = strings.saturating_add(input.pointer()?.into());
        if level == 1 {
            input.u32()?;
            strings = strings.saturating_add(input.pointer()?.into());
        }
    }
    for _ in 0..strings {
        input.string()?;
    }
    Ok(())
}

/// NetrShareEnum (Opnum 15), MS-SRVS 3.1.4.8.
fn share_enum(call: &mut Call<'_>) -> Result<(), Fault> {
    let ask = ShareEnum::read(&mut call.input)?;
    let out = &mut call.output;
    out.u32(ask.level);
    out.u32(ask.level);
    let refused = match ask.level {
        503 => Some(status::INVALID_LEVEL),
        level => forbidden(level, call.account),
    };
    if let Some(status) = refused {
        out.pointer(false);
        finish_enum(out, 0, ask.resume, status);
        return Ok(());
    }
    let mut shares = call.directory.shares();
    shares.retain(|share| share.browseable || share.ipc);
    let start = usize::try_from(ask.resume.unwrap_or(0)).unwrap_or(usize::MAX).min(shares.len());
    let waiting = shares.get(start..).unwrap_or_default();
    let fitting = fitting(waiting, ask.level, ask.preferred);

    out.pointer(true);
    out.count(fitting.len());
    out.pointer(!fitting.is_empty());
    if !fitting.is_empty() {
        out.count(fitting.len());
        fitting.iter().for_each(|share| write_fixed(out, share, ask.level));
        fitting.iter().for_each(|share| write_strings(out, share, ask.level));
    }
    // 4.1: the number of entries counts from where this call started.
    let (status, next) = if fitting.len() == waiting.len() {
        (status::SUCCESS, 0)
    } else {
        (status::MORE_DATA, start.saturating_add(fitting.len()))
    };
    let next = u32::try_from(next).unwrap_or(u32::MAX);
    finish_enum(out, waiting.len(), ask.resume.map(|_| next), status);
    Ok(())
}

/// TotalEntries, ResumeHandle and the result.
fn finish_enum(out: &mut Writer, total: usize, resume: Option<u32>, status: u32) {
    out.count(total);
    out.pointer(resume.is_some());
    if let Some(resume) = resume {
        out.u32(resume);
    }
    out.u32(status);
}

/// The shares that fit in `preferred` bytes. At least one, however small that is: a client that
/// comes back until it has all must get on.
fn fitting(shares: &[ShareInfo], level: u32, preferred: u32) -> &[ShareInfo] {
    let mut room = usize::try_from(preferred).unwrap_or(usize::MAX).min(MAX_ENTRIES);
    let mut count = 0_usize;
    for share in shares {
        let size = match level {
            0 => string_size(&share.name).saturating_add(4),
            _ => string_size(&share.name)
                .saturating_add(string_size(&share.comment))
                .saturating_add(if level == 1 { 12 } else { LONG_ENTRY }),
        };
        if size > room && count > 0 {
            break;
        }
        room = room.saturating_sub(size);
        count = count.saturating_add(1);
    }
    shares.get(..count).unwrap_or_default()
}

/// How long a string is in NDR: three counts, the text, its terminator, and the gap behind it.
fn string_size(text: &str) -> usize {
    text.encode_utf16().count().saturating_mul(2).saturating_add(16)
}

/// Whether a level is not for everybody. Windows shows paths and limits to administrators alone.
/// Here there are no paths to see, so whoever has logged on may have them.
fn forbidden(level: u32, account: Option<&str>) -> Option<u32> {
    (matches!(level, 2 | 502) && account.is_none()).then_some(status::ACCESS_DENIED)
}

/// The fixed part of SHARE_INFO_0, _1, _2, _501, _502 or _1005 (MS-SRVS 2.2.4.22 to 2.2.4.29).
fn write_fixed(out: &mut Writer, share: &ShareInfo, level: u32) {
    /// As many users as there are.
    const UNLIMITED: u32 = u32::MAX;

    // No DFS root, and clients decide what they cache: no flag of 2.2.4.29 is set.
    if level == 1005 {
        return out.u32(0);
    }
    out.pointer(true);
    if level == 0 {
        return;
    }
    out.u32(if share.ipc { TYPE_IPC } else { TYPE_DISK });
    out.pointer(true);
    if level == 501 {
        out.u32(0);
    }
    if matches!(level, 2 | 502) {
        // Permissions are of share-level security, which nobody has any more.
        out.u32(0);
        out.u32(UNLIMITED);
        out.u32(0);
        out.pointer(true);
        out.pointer(false);
    }
    if level == 502 {
        // No security descriptor: who may use a share, `ksmbd.conf` says.
        out.u32(0);
        out.pointer(false);
    }
}

/// The strings that the fixed part points to.
fn write_strings(out: &mut Writer, share: &ShareInfo, level: u32) {
    if level == 1005 {
        return;
    }
    out.string(&share.name);
    if level != 0 {
        out.string(&share.comment);
    }
    if matches!(level, 2 | 502) {
        // Where a share lies on the server is nobody's business.
        out.string("");
    }
}

/// NetrShareGetInfo (Opnum 16), MS-SRVS 3.1.4.10. A hidden share is shown to whom knows its name.
fn share_get_info(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    let name = call.input.string()?;
    let level = call.input.u32()?;
    let out = &mut call.output;
    out.u32(level);
    let found = match level {
        2 | 502 if call.account.is_none() => Err(status::ACCESS_DENIED),
        0 | 1 | 2 | 501 | 502 | 1005 => {
            call.directory.share(&name).ok_or(status::NET_NAME_NOT_FOUND)
        }
        _ => Err(status::INVALID_LEVEL),
    };
    match found {
        Ok(share) => {
            out.pointer(true);
            write_fixed(out, &share, level);
            write_strings(out, &share, level);
            out.u32(status::SUCCESS);
        }
        Err(status) => {
            // SHARE_INFO (2.2.3.6): a level without an arm has no pointer either.
            if matches!(level, 0..=2 | 501..=503 | 1004..=1006 | 1501) {
                out.pointer(false);
            }
            out.u32(status);
        }
    }
    Ok(())
}

/// NetrServerGetInfo (Opnum 21), MS-SRVS 3.1.4.17. For level 102 Windows wants an administrator; it
/// has no secret here.
fn server_get_info(call: &mut Call<'_>) -> Result<(), Fault> {
    /// 2.2.2.7: workstation, server, Unix, NT workstation, NT server.
    const TYPE: u32 = 0x0000_9803;
    /// 2.2.4.43: no limit of users, never disconnected, visible, announced every 240 seconds with up
    /// to 3 seconds of chance, and no licences counted.
    const DETAILS: [u32; 6] = [u32::MAX, u32::MAX, 0, 240, 3000, 0];

    call.input.optional_string()?;
    let level = call.input.u32()?;
    let directory = call.directory;
    let out = &mut call.output;
    out.u32(level);
    let refused = match level {
        100 | 101 => None,
        102 if call.account.is_none() => Some(status::ACCESS_DENIED),
        102 => None,
        _ => Some(status::INVALID_LEVEL),
    };
    if let Some(status) = refused {
        // SERVER_INFO (2.2.3.7), as above.
        if matches!(level, 102 | 103 | 502 | 503 | 599 | 1005..=1018 | 1107 | 1501..=1556) {
            out.pointer(false);
        }
        out.u32(status);
        return Ok(());
    }
    // SERVER_INFO_100, _101 and _102 (2.2.4.40, .41, .43).
    out.pointer(true);
    out.u32(machine::PLATFORM_NT);
    out.pointer(true);
    if level > 100 {
        out.u32(machine::VERSION.0);
        out.u32(machine::VERSION.1);
        out.u32(TYPE);
        out.pointer(true);
    }
    if level == 102 {
        DETAILS.iter().for_each(|word| out.u32(*word));
        out.pointer(true);
    }
    out.string(directory.server_name());
    if level > 100 {
        out.string(directory.server_comment());
    }
    if level == 102 {
        // Where the users' folders are: nobody's business either.
        out.string("");
    }
    out.u32(status::SUCCESS);
    Ok(())
}
