//! The create contexts that are understood (MS-SMB2 3.3.5.9.1 and following). Unknown ones are
//! ignored; those that ask for what is not here are ignored or refused as the specification has it.

use super::durable;
use crate::{
    command::{access, ea},
    flow::{Refused, refuse},
    state::session::Tree,
    status::NtStatus,
    vfs::FileInfo,
    wire::{
        create::RawContext,
        create_context::{Lease, RequestContext, ResponseContext},
        fscc::{FileAttributes, ea::FullEaInformation},
        security::SecurityDescriptor,
    },
};
use alloc::{boxed::Box, vec::Vec};

#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// SMB2_CREATE_ALLOCATION_SIZE, in bytes.
    pub(super) allocation: u64,
    /// The client asks what it could have had.
    pub(super) maximal_access: bool,
    /// SMB2_CREATE_SD_BUFFER.
    pub(super) security: Option<Box<SecurityDescriptor>>,
    /// SMB2_CREATE_EA_BUFFER.
    pub(super) eas: Vec<FullEaInformation>,
    /// SMB2_CREATE_REQUEST_LEASE, of either version.
    pub(super) lease: Option<Lease>,
    /// What is said about lost connections.
    pub(super) durable: durable::Raw,
    disk_id: bool,
}

impl Contexts {
    pub(super) fn read(raw: &[RawContext]) -> Result<Self, Refused> {
        let mut found = Self::default();
        for context in raw {
            let parsed = RequestContext::parse(&context.name, &context.data);
            let Ok(context) = parsed else {
                return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.9: a malformed create context");
            };
            match context {
                RequestContext::AlSi(size) => found.allocation = size,
                RequestContext::SecD(descriptor) => found.security = Some(Box::new(descriptor)),
                RequestContext::MxAc(_) => found.maximal_access = true,
                RequestContext::QFid => found.disk_id = true,
                RequestContext::ExtA(list) => {
                    ea::check(&list)?;
                    found.eas = list;
                }
                RequestContext::TWrp(_) => {
                    return refuse(NtStatus::OBJECT_NAME_NOT_FOUND, "3.3.5.9.4: no snapshots");
                }
                RequestContext::RqLs(lease) => found.lease = Some(lease),
                context => found.durable.take(&context),
            }
        }
        Ok(found)
    }

    pub(super) fn answer(
        &self,
        info: &FileInfo,
        tree: &Tree,
        lease: Option<Lease>,
        durable: Option<ResponseContext>,
    ) -> Vec<RawContext> {
        let mut answers = Vec::new();
        if self.maximal_access {
            let directory = info.attributes.contains(FileAttributes::DIRECTORY);
            let lost = access::without_writing(info.attributes, directory);
            let maximal_access =
                access::effective(info, tree.token.as_deref(), tree.read_only).difference(lost);
            answers.push(ResponseContext::MxAc { query_status: 0, maximal_access });
        }
        answers.extend(lease.map(ResponseContext::RqLs));
        answers.extend(durable);
        if self.disk_id {
            let (disk_file_id, volume_id) = (info.key.inode, info.key.device);
            answers.push(ResponseContext::QFid { disk_file_id, volume_id });
        }
        answers.iter().map(raw).collect()
    }
}

fn raw(context: &ResponseContext) -> RawContext {
    let mut data = Vec::new();
    context.encode(&mut data);
    RawContext { name: context.name().to_vec(), data }
}
