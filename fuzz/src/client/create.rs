//! CREATE, said step by step.

use super::{Client, Message, Response, Sent, body};
use ksmbd_core::{
    status::NtStatus,
    wire::{
        create::{
            CreateDisposition, CreateOptions, CreateRequest, CreateResponse, RawContext,
            ShareAccess,
        },
        fscc::{AccessMask, FileAttributes},
        header::FileId,
        message::RequestBody,
    },
};

/// A CREATE that is being put together; see [`body::create`] for where it begins.
#[must_use = "nothing is sent yet"]
pub struct Create<'a> {
    pub(super) client: &'a mut Client,
    /// As it will be sent.
    pub request: CreateRequest,
}

impl Client {
    /// CREATE of a name.
    pub fn create(&mut self, name: &str) -> Create<'_> {
        Create { client: self, request: body::create(name) }
    }
}

impl Create<'_> {
    /// DesiredAccess.
    pub fn access(mut self, access: AccessMask) -> Self {
        self.request.desired_access = access.bits();
        self
    }

    /// ShareAccess.
    pub fn sharing(mut self, sharing: ShareAccess) -> Self {
        self.request.share_access = sharing;
        self
    }

    /// Shared with nobody.
    pub fn exclusive(self) -> Self {
        self.sharing(ShareAccess::empty())
    }

    /// CreateDisposition.
    pub fn disposition(mut self, disposition: CreateDisposition) -> Self {
        self.request.create_disposition = disposition;
        self
    }

    /// It must be there.
    pub fn existing(self) -> Self {
        self.disposition(CreateDisposition::OPEN)
    }

    /// It must not be there.
    pub fn fresh(self) -> Self {
        self.disposition(CreateDisposition::CREATE)
    }

    /// More CreateOptions.
    pub fn options(mut self, options: CreateOptions) -> Self {
        self.request.create_options |= options;
        self
    }

    /// A directory, with the access that fits one.
    pub fn directory(self) -> Self {
        self.options(CreateOptions::DIRECTORY_FILE)
            .access(AccessMask::GENERIC_READ | AccessMask::DELETE)
    }

    /// It goes with its handle.
    pub fn delete_on_close(self) -> Self {
        self.options(CreateOptions::DELETE_ON_CLOSE)
    }

    /// FileAttributes.
    pub fn attributes(mut self, attributes: FileAttributes) -> Self {
        self.request.file_attributes = attributes.bits();
        self
    }

    /// Another context.
    pub fn context(mut self, name: &[u8], data: &[u8]) -> Self {
        self.request.contexts.push(RawContext { name: name.to_vec(), data: data.to_vec() });
        self
    }

    /// To be sent in a chain.
    pub fn message(self) -> Message {
        self.client.message(&RequestBody::Create(self.request))
    }
}

impl<'a> Create<'a> {
    /// Sends it.
    pub fn send(self) -> Sent<'a> {
        self.client.request(&RequestBody::Create(self.request))
    }

    /// Sends it; it succeeds.
    #[track_caller]
    pub fn ok(self) -> FileId {
        self.opened().file_id
    }

    /// Sends it; it succeeds with this.
    #[track_caller]
    pub fn opened(self) -> CreateResponse {
        self.send().ok().created().clone()
    }

    /// Sends it; it is answered with this status.
    #[track_caller]
    pub fn is(self, status: NtStatus) -> Response {
        self.send().is(status)
    }
}
