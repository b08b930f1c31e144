//! The ways into the server, each with what is recorded of it.

use crate::{
    mailbox::{Entry, Mailbox},
    server::{Own, Shared},
};
use ksmbd_core::{
    config::Config,
    crypto::SessionKeys,
    error::Refusal,
    id::{ConnId, OpId, SessionId},
    message::{Outbound, Request},
    server::{Accepted, Unwelcome},
    sink::{Executor, Sink},
    vfs::{Call, Done, File, FsChange, Past, Peer, VfsError},
};
use ksmbd_record::event::put;
use std::sync::Arc;

/// The client's thread that enters, if it is one.
pub(crate) type Me<'a> = Option<(ConnId, &'a mut Own)>;

/// Keeps what is to be sent.
struct Later<'a> {
    told: &'a mut Vec<(ConnId, Outbound)>,
    out: &'a mut dyn Sink,
}

impl Sink for Later<'_> {
    fn send(&mut self, to: ConnId, message: Outbound) {
        self.told.push((to, message));
    }

    fn call(&mut self, on: Executor, op: OpId, call: Call) {
        self.out.call(on, op, call);
    }

    fn release(&mut self, file: File) {
        self.out.release(file);
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.out.refused(refusal);
    }
}

impl Shared {
    /// A frame's requests.
    pub(crate) fn handle(&self, me: Me<'_>, request: Request) {
        let note = self.recorder.note(|| put::handle(request.conn));
        self.enter_as(me, "handle", |server, now, sink| {
            self.recorder.at(note, now);
            server.handle(now, request, sink);
        });
    }

    /// A call has come to an end.
    pub(crate) fn complete(&self, me: Me<'_>, op: OpId, done: Done) {
        let note = self.recorder.note(|| self.without_password(op, &done));
        self.enter_as(me, "complete", |server, now, sink| {
            self.recorder.at(note, now);
            server.complete(now, op, done, sink);
        });
    }

    /// Of an account only what it comes to in this exchange is written down.
    fn without_password(&self, op: OpId, done: &Done) -> Vec<u8> {
        let Done::Account(account) = done else {
            return put::complete(op, done);
        };
        let checked = self.enter("checked", |server, _, _| server.checked(op, account));
        checked.map_or_else(
            || put::complete(op, &Done::Failed(VfsError::HungUp)),
            |account| put::complete(op, &Done::Account(account)),
        )
    }

    /// Something was changed outside SMB.
    pub(crate) fn fs_changed(&self, change: &FsChange) {
        let note = self.recorder.note(|| put::changed(change));
        self.enter("fs_changed", |server, now, sink| {
            self.recorder.at(note, now);
            server.fs_changed(now, change, sink);
        });
    }

    /// Does what is due.
    pub(crate) fn timers(&self) {
        let note = self.recorder.note(put::timeout);
        self.look_in("timers", |server, now, sink| {
            if server.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
                self.recorder.at(note, now);
                server.handle_timeout(now, sink);
            }
        });
    }

    /// Takes over what a server before this one has promised.
    pub(crate) fn restore(&self, past: Past) {
        let note = self.recorder.note(|| put::restore(&past));
        self.enter("restore", |server, now, sink| {
            self.recorder.at(note, now);
            server.restore(now, past, sink);
        });
    }

    /// Closes what waits for clients that will find no server.
    pub(crate) fn close_kept(&self) {
        let note = self.recorder.note(put::close_kept);
        self.look_in("close_kept", |server, now, sink| {
            self.recorder.at(note, now);
            server.close_kept(now, sink);
        });
    }

    /// Goes on with another configuration.
    pub(crate) fn reconfigure(&self, config: Arc<Config>) {
        self.enter("reconfigure", |server, _, _| {
            self.recorder.now(|| put::reconfigure(&config));
            server.reconfigure(config);
        });
    }

    /// Takes a client in, if there is room. From now on what is for it goes into `mailbox`. Only the
    /// forker calls this, and it arms its timer anyway.
    pub(crate) fn accept(&self, peer: Peer, mailbox: Arc<Mailbox>) -> Result<Accepted, Unwelcome> {
        let accepted = self.look_in("accept", |server, now, sink| {
            // Nobody is told of it before it is recorded.
            let mut told = Vec::new();
            let later = &mut Later { told: &mut told, out: sink };
            let accepted = server.accept(now, peer.clone(), later);
            if let Ok(accepted) = &accepted {
                let id = accepted.connection.id();
                self.recorder.at(self.recorder.note(|| put::accept(id, &peer)), now);
            }
            told.into_iter().for_each(|(to, message)| sink.send(to, message));
            accepted
        })?;
        let id = accepted.connection.id();
        self.hold("accept", |locked| locked.clients.insert(id, mailbox));
        Ok(accepted)
    }

    /// What a connection that is no channel of a session signs with.
    pub(crate) fn keys_of(&self, conn: ConnId, session: SessionId) -> Option<Arc<SessionKeys>> {
        self.hold("keys_of", |locked| {
            self.recorder.now(|| put::keys(conn, session));
            locked.server.keys_of(session)
        })
    }

    /// Tells the server that a client is gone, and completes what its thread has not: `unfinished`
    /// calls fail, and so do those that were on their way.
    pub(crate) fn hang_up(&self, id: ConnId, mailbox: &Mailbox, unfinished: Vec<OpId>) {
        self.hold("hang_up", |locked| locked.clients.remove(&id));
        let note = self.recorder.note(|| put::hang_up(id));
        self.enter("hang_up", |server, now, sink| {
            self.recorder.at(note, now);
            server.hang_up(now, id, sink);
        });
        let mut results: Vec<_> =
            unfinished.into_iter().map(|op| (op, Done::Failed(VfsError::HungUp))).collect();
        for entry in mailbox.close() {
            match entry {
                Entry::Call(op, _) => results.push((op, Done::Failed(VfsError::HungUp))),
                Entry::Done(op, done) => results.push((op, done)),
                Entry::Message(_) => {}
            }
        }
        for (op, done) in results {
            self.complete(None, op, done);
        }
    }
}
