//! Where the server's outputs go, while its state is borrowed: nothing is left inside to drain, and
//! messages to one connection are queued in the order in which the state changed.

use crate::{
    id::{ConnId, OpId},
    message::Outbound,
    vfs::{Call, File},
};

/// Who runs a [`Call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// The client's own thread.
    Client(ConnId),
    /// The server's worker: calls that no client waits for.
    Worker,
}

/// Takes what the server puts out. Must not block and must not call back into the server.
pub trait Sink {
    /// Deliver on `to`, in this order. What is sent to a dead connection is discarded.
    fn send(&mut self, to: ConnId, message: Outbound);
    /// Do this once the server is no longer borrowed, then call
    /// [`Server::complete`](crate::server::Server::complete) exactly once, with
    /// [`VfsError::HungUp`](crate::vfs::VfsError::HungUp) where it cannot be done any more. A client's
    /// call that has to be done all the same is then asked of the worker.
    fn call(&mut self, on: Executor, op: OpId, call: Call);
    /// Drop this once the server is no longer borrowed: a close is I/O too.
    fn release(&mut self, file: File);
    /// A refusal, explained in one line. Never holds a secret.
    fn refused(&mut self, refusal: &crate::error::Refusal) {
        let _ = refusal;
    }
}
