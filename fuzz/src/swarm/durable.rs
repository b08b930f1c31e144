//! What random clients say about lost connections.

use super::Choices;
use ksmbd_core::wire::{
    create::{CreateRequest, RawContext},
    create_context::{DurableFlags, RequestContext},
    header::FileId,
    ioctl::{FsctlCode, IoctlFlags, IoctlRequest},
    message::RequestBody,
};
use std::collections::BTreeMap;

/// The CreateGuids of opens, by the persistent halves of their ids.
pub(super) type Made = BTreeMap<u64, [u8; 16]>;

/// What an open shall outlive, or which one is wanted back of those that others have left behind.
/// Of those that the server has promised to keep most remember how they were made.
pub(super) fn ask_to_last(
    request: &mut CreateRequest,
    (lost, made): (&[FileId], &Made),
    choices: &mut dyn Choices,
) {
    if !made.is_empty() && choices.chance(2) {
        return claim(request, made, choices);
    }
    let create_guid = [choices.below(6) as u8; 16];
    let mut flags = DurableFlags::empty();
    flags.set(DurableFlags::PERSISTENT, !choices.chance(3));
    if choices.chance(2) {
        let timeout = [0, 1_000, 20_000, u32::MAX][choices.below(4)];
        add(
            request,
            &match choices.below(3) {
                0 => RequestContext::DHnQ,
                _ => RequestContext::DH2Q { timeout, flags, create_guid },
            },
        );
    }
    if let Some(&FileId { persistent, volatile }) = lost.get(choices.below(lost.len() * 3)) {
        let file_id = (persistent, volatile);
        add(
            request,
            &match choices.below(2) {
                0 => RequestContext::DHnC { file_id },
                _ => RequestContext::DH2C { file_id, create_guid, flags },
            },
        );
    }
    if choices.chance(8) {
        add(request, &RequestContext::AppInstanceId([choices.below(2) as u8; 16]));
        let (high, low) = (0, choices.below(3) as u64);
        add(request, &RequestContext::AppInstanceVersion { high, low });
    }
}

/// One of those that the server has promised to keep is wanted back, as it was made.
fn claim(request: &mut CreateRequest, made: &Made, choices: &mut dyn Choices) {
    if let Some((id, guid)) = made.iter().nth(choices.below(made.len())) {
        let (file_id, flags) = ((*id, 0), DurableFlags::PERSISTENT);
        add(request, &RequestContext::DH2C { file_id, create_guid: *guid, flags });
    }
}

/// An open is asked for that outlives the server, and nothing else.
pub(super) fn ask_for_ever(request: &mut CreateRequest, choices: &mut dyn Choices) {
    let create_guid = [choices.below(100) as u8; 16];
    let (timeout, flags) = ([0, 20_000][choices.below(2)], DurableFlags::PERSISTENT);
    add(request, &RequestContext::DH2Q { timeout, flags, create_guid });
}

fn add(request: &mut CreateRequest, context: &RequestContext) {
    let mut data = Vec::new();
    if context.encode(&mut data).is_ok() {
        request.contexts.push(RawContext { name: context.name().to_vec(), data });
    }
}

/// FSCTL_LMR_REQUEST_RESILIENCY.
pub(super) fn resiliency(file_id: FileId, choices: &mut dyn Choices) -> RequestBody {
    let milliseconds: u32 = [0, 5_000, 400_000][choices.below(3)];
    RequestBody::Ioctl(IoctlRequest {
        ctl_code: FsctlCode::LMR_REQUEST_RESILIENCY,
        file_id,
        max_input_response: 0,
        max_output_response: 0,
        flags: IoctlFlags::IS_FSCTL,
        input: [milliseconds.to_le_bytes(), [0; 4]].concat(),
    })
}
