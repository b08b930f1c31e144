//! What role the machine has in which domain (MS-DSSP): the first question of some domain tools,
//! on the pipe of lsarpc. ksmbd has it there too.

use super::pdu::{Fault, Syntax};
use super::status::win32 as status;
use super::{Call, Interface};

/// 3919286a-b10c-11d0-9ba8-00c04fd92ef5 version 0.0 (MS-DSSP 2.1).
pub(super) const INTERFACE: Interface = Interface {
    pipes: super::LSASS,
    syntax: Syntax {
        uuid: [
            0x6a, 0x28, 0x19, 0x39, 0x0c, 0xb1, 0xd0, 0x11, 0x9b, 0xa8, 0x00, 0xc0, 0x4f, 0xd9,
            0x2e, 0xf5,
        ],
        major: 0,
        minor: 0,
    },
    call,
};

/// MS-DSSP 2.2.2: `DsRole_RoleStandaloneServer`.
const STANDALONE_SERVER: u16 = 2;

fn call(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.opnum {
        0 => get_primary_domain_information(call),
        _ => Err(Fault::OpnumRange),
    }
}

/// DsRolerGetPrimaryDomainInformation (Opnum 0), MS-DSSP 3.2.5.1.
fn get_primary_domain_information(call: &mut Call<'_>) -> Result<(), Fault> {
    let level = call.input.enumeration()?;
    let known = matches!(level, 1..=3);
    let out = &mut call.output;
    out.pointer(known);
    match level {
        // DSROLER_PRIMARY_DOMAIN_INFO_BASIC (2.2.3).
        1 => {
            out.arm(level);
            out.u16(STANDALONE_SERVER);
            out.u32(0);
            out.pointer(true);
            out.pointer(false);
            out.pointer(false);
            out.bytes(&[0; 16]);
            out.string(call.directory.workgroup());
        }
        // DSROLE_UPGRADE_STATUS_INFO (2.2.7): none is under way, and there was no role before.
        2 => {
            out.arm(level);
            out.u32(0);
            out.u16(0);
        }
        // DSROLE_OPERATION_STATE_INFO (2.2.6): idle.
        3 => {
            out.arm(level);
            out.u16(0);
        }
        _ => {}
    }
    out.u32(if known { status::SUCCESS } else { status::INVALID_PARAMETER });
    Ok(())
}
