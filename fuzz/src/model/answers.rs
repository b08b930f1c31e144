//! Is each request answered once, and finally?

use super::{Answered, Checker, Key, Ledger};
use crate::{
    client::Response,
    world::{Asked, World},
};
use ksmbd_core::id::ConnId;
use std::collections::BTreeMap;

/// Requests, and what each was answered with so far.
#[derive(Default)]
pub(super) struct Answers(BTreeMap<Key, State>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Interim,
}

impl Checker for Answers {
    fn asked(&mut self, _: &Ledger, asked: &Asked) {
        self.0.insert((asked.conn, asked.header.message_id), State::Asked);
    }

    fn waits(&mut self, _: &Ledger, asked: &Asked, _: &Response) {
        let state = self.0.insert((asked.conn, asked.header.message_id), State::Interim);
        assert!(state == Some(State::Asked), "a second interim answer: {:?}", asked.header);
    }

    fn answered(&mut self, _: &Ledger, answered: &Answered<'_>) {
        let state = self.0.remove(&answered.key());
        assert!(state.is_some(), "answered before: {:?}", answered.answer.header);
    }

    fn gone(&mut self, _: &Ledger, conn: ConnId, _: u64) {
        self.0.retain(|key, _| key.0 != conn);
    }

    fn end(&mut self, _: &Ledger, _: &World) {
        let left = self.0.keys().next();
        assert!(left.is_none(), "never answered: {left:?}");
    }
}
