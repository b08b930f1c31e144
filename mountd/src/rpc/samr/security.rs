//! Who may do what to an object of this interface (MS-SAMR 3.1.5.12).

use ksmbd_core::wire::fscc::AccessMask;
use ksmbd_core::wire::query_info::SecurityInformation;
use ksmbd_core::wire::security::{Ace, Acl, SecurityControl, SecurityDescriptor, Sid};

use super::super::Call;
use super::super::handle::Object;
use super::super::pdu::Fault;
use super::super::status::nt as status;
use super::object;

/// SamrQuerySecurityObject (Opnum 3), MS-SAMR 3.1.5.12.2.
pub(super) fn query(call: &mut Call<'_>) -> Result<(), Fault> {
    let object = object(call)?;
    let parts = SecurityInformation::from_bits_retain(call.input.u32()?);
    let out = &mut call.output;
    let mut bytes = Vec::new();
    let known = object != Object::Policy && descriptor(&object, parts).encode(&mut bytes).is_ok();
    out.pointer(known);
    if known {
        // SAMPR_SR_SECURITY_DESCRIPTOR (2.2.7.3).
        out.count(bytes.len());
        out.pointer(true);
        out.count(bytes.len());
        out.bytes(&bytes);
    }
    out.u32(if known { status::SUCCESS } else { status::INVALID_HANDLE });
    Ok(())
}

/// What this interface does: it is the administrators', and whoever may ask may read.
fn descriptor(object: &Object, parts: SecurityInformation) -> SecurityDescriptor {
    // MS-SAMR 2.2.1.3 to 2.2.1.6: `SAM_SERVER_READ`, `DOMAIN_READ` with `DOMAIN_EXECUTE`, and
    // `USER_READ` with `USER_EXECUTE`.
    let read = match object {
        Object::User(_) => 0x0002_035b,
        Object::Domain(_) => 0x0002_0385,
        Object::Server | Object::Policy => 0x0002_0031,
    };
    let wants = |part| parts.contains(part);
    let administrators = Sid::BUILTIN_ADMINISTRATORS;
    let dacl = Acl {
        acl_revision: 2,
        aces: vec![Ace::allow(Sid::EVERYONE, AccessMask::from_bits_retain(read))],
    };
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE,
        owner: wants(SecurityInformation::OWNER).then_some(administrators),
        group: wants(SecurityInformation::GROUP).then_some(administrators),
        dacl: wants(SecurityInformation::DACL).then_some(dacl),
        ..SecurityDescriptor::default()
    }
}
