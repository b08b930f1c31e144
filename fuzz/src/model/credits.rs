//! Are credits conserved? What was granted less what was spent is what a client has; never more than
//! the limit, and never nothing once all is answered (MS-SMB2 3.3.1.2).

use super::{Answered, Checker, Ledger};
use crate::{
    client::Response,
    world::{Asked, World},
};
use ksmbd_core::{id::ConnId, wire::message::ResponseBody, wire::negotiate::Dialect};
use std::collections::BTreeMap;

/// What each client has.
pub(super) struct Credits {
    limit: i64,
    clients: BTreeMap<ConnId, Purse>,
}

/// One client's.
struct Purse {
    has: i64,
    /// Charges count since a dialect was settled that has them.
    multi: bool,
    unanswered: usize,
}

impl Credits {
    pub(super) fn new(world: &World) -> Self {
        Self { limit: i64::from(world.config().limits.credits), clients: BTreeMap::new() }
    }

    fn purse(&mut self, conn: ConnId) -> &mut Purse {
        let first = Purse { has: 1, multi: false, unanswered: 0 };
        self.clients.entry(conn).or_insert(first)
    }

    fn granted(&mut self, conn: ConnId, answer: &Response) {
        let limit = self.limit.max(1);
        let purse = self.purse(conn);
        purse.has += i64::from(answer.header.credits);
        // In a chain whatever comes behind was not spent yet when this was granted.
        assert!(purse.has <= limit, "{conn:?} has {} credits of {limit}", purse.has);
    }
}

impl Checker for Credits {
    fn asked(&mut self, _: &Ledger, asked: &Asked) {
        let purse = self.purse(asked.conn);
        let charge = if purse.multi { asked.header.credit_charge.max(1) } else { 1 };
        purse.has -= i64::from(charge);
        purse.unanswered += 1;
    }

    fn waits(&mut self, _: &Ledger, asked: &Asked, answer: &Response) {
        self.granted(asked.conn, answer);
    }

    fn answered(&mut self, _: &Ledger, answered: &Answered<'_>) {
        let Answered { asked, answer, .. } = answered;
        let interim = answer.header.async_id.is_some();
        assert!(!interim || answer.header.credits == 0, "granted twice: {:?}", answer.header);
        self.granted(asked.conn, answer);
        let purse = self.purse(asked.conn);
        purse.unanswered -= 1;
        if let ResponseBody::Negotiate(negotiate) = &answer.body {
            purse.multi = negotiate.dialect_revision != Dialect::SMB_2_0_2;
        }
    }

    fn gone(&mut self, _: &Ledger, conn: ConnId, _: u64) {
        self.clients.remove(&conn);
    }

    fn quiet(&mut self, _: &Ledger, _: &World) {
        for (conn, purse) in &self.clients {
            let starves = purse.unanswered == 0 && purse.has < 1;
            assert!(!starves, "{conn:?} is left with {} credits", purse.has);
        }
    }
}
