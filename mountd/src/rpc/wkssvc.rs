//! The Workstation Service (MS-WKST): which workgroup the machine is in.

use super::pdu::{Fault, Syntax};
use super::status::win32 as status;
use super::{Call, Interface, machine};

/// 6bffd098-a112-3610-9833-46c3f87e345a version 1.0 (MS-WKST 1.9).
pub(super) const INTERFACE: Interface = Interface {
    pipes: &["wkssvc"],
    syntax: Syntax {
        uuid: [
            0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46, 0xc3, 0xf8, 0x7e,
            0x34, 0x5a,
        ],
        major: 1,
        minor: 0,
    },
    call,
};

fn call(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.opnum {
        0 => wksta_get_info(call),
        20 => get_join_information(call),
        _ => Err(Fault::OpnumRange),
    }
}

/// NetrWkstaGetInfo (Opnum 0), MS-WKST 3.2.4.1. Anybody may see level 100, and what is more whoever
/// has logged on: for level 102 Windows wants an administrator, but here it has no secret.
fn wksta_get_info(call: &mut Call<'_>) -> Result<(), Fault> {
    call.input.optional_string()?;
    let level = call.input.u32()?;
    let out = &mut call.output;
    out.u32(level);
    let refused = match level {
        100 => None,
        101 | 102 if call.account.is_none() => Some(status::ACCESS_DENIED),
        101 | 102 => None,
        _ => Some(status::INVALID_LEVEL),
    };
    if let Some(status) = refused {
        // WKSTA_INFO (2.2.4.1): a level without an arm has no pointer either.
        if matches!(level, 100..=102 | 502 | 1013 | 1018 | 1046) {
            out.pointer(false);
        }
        out.u32(status);
        return Ok(());
    }
    // WKSTA_INFO_100, _101 and _102 (2.2.5.1 to 2.2.5.3).
    out.pointer(true);
    out.u32(machine::PLATFORM_NT);
    out.pointer(true);
    out.pointer(true);
    out.u32(machine::VERSION.0);
    out.u32(machine::VERSION.1);
    if level >= 101 {
        out.pointer(true);
    }
    if level == 102 {
        // Nobody sits at the machine.
        out.u32(0);
    }
    out.string(call.directory.server_name());
    out.string(call.directory.workgroup());
    if level >= 101 {
        // The root of LAN Manager's folders, which there is not.
        out.string("");
    }
    out.u32(status::SUCCESS);
    Ok(())
}

/// NetrGetJoinInformation (Opnum 20), MS-WKST 3.2.4.13.
fn get_join_information(call: &mut Call<'_>) -> Result<(), Fault> {
    /// 2.2.3.1: `NetSetupWorkgroupName`.
    const WORKGROUP: u16 = 2;

    call.input.optional_string()?;
    call.input.optional_string()?;
    let out = &mut call.output;
    out.pointer(true);
    out.string(call.directory.workgroup());
    out.u16(WORKGROUP);
    out.u32(status::SUCCESS);
    Ok(())
}
