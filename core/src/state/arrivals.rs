//! Who may connect? Connections are counted by address, and those without a valid session are known:
//! where there is no room, the oldest of them gives way.

use super::crowd::Crowds;
use crate::{config::Limits, error::Unwelcome, id::ConnId, time::Instant};
use alloc::collections::BTreeMap;
use core::{net::IpAddr, time::Duration};

/// Connections that have been told to go and are not gone, at most.
const LEAVING: usize = 64;

/// So long a connection without a session is left alone by its own network's others: what an honest
/// client needs to log on.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Those that count, by address.
    of: BTreeMap<IpAddr, usize>,
    counted: usize,
    strangers: Crowds<ConnId>,
}

impl Arrivals {
    /// May one more come? Then it is to be said who has to go for it. `all`: connections that are
    /// there, those that leave included.
    pub(crate) fn admit(
        &self,
        address: IpAddr,
        all: usize,
        now: Instant,
        limits: &Limits,
    ) -> Result<Option<ConnId>, Unwelcome> {
        let leaving = all.saturating_sub(self.counted);
        let yields = if self.of(address) >= limits.connections_per_address {
            let first = self.strangers.yielding_of(address, now, GRACE);
            Some(first.ok_or(Unwelcome::TooManyOfAddress)?)
        } else if self.counted >= limits.connections {
            let first = self.strangers.yielding(address, now, GRACE);
            Some(first.ok_or(Unwelcome::TooMany)?)
        } else {
            None
        };
        if yields.is_some() && leaving >= LEAVING {
            return Err(Unwelcome::TooMany);
        }
        Ok(yields)
    }

    pub(crate) fn came(&mut self, address: IpAddr) {
        *self.of.entry(address.to_canonical()).or_default() += 1;
        self.counted += 1;
    }

    pub(crate) fn left(&mut self, address: IpAddr, conn: ConnId) {
        self.strangers.remove(address, conn);
        let address = address.to_canonical();
        let Some(count) = self.of.get_mut(&address) else {
            return;
        };
        self.counted -= 1;
        *count -= 1;
        if *count == 0 {
            self.of.remove(&address);
        }
    }

    /// It has no valid session (any more).
    pub(crate) fn is_stranger(&mut self, address: IpAddr, conn: ConnId, now: Instant) {
        self.strangers.insert(address, conn, now);
    }

    /// It has a valid session.
    pub(crate) fn is_known(&mut self, address: IpAddr, conn: ConnId) {
        self.strangers.remove(address, conn);
    }

    /// For how long it has been without a session; `None`: it has one.
    pub(crate) fn stranger_since(&self, address: IpAddr, conn: ConnId) -> Option<Instant> {
        self.strangers.since(address, conn)
    }

    /// Who goes first, whoever comes.
    pub(crate) fn oldest_stranger(&self, now: Instant) -> Option<ConnId> {
        self.strangers.yielding(IpAddr::from([0, 0, 0, 0]), now, GRACE)
    }

    pub(crate) fn strangers(&self) -> usize {
        self.strangers.len()
    }

    fn of(&self, address: IpAddr) -> usize {
        self.of.get(&address.to_canonical()).copied().unwrap_or(0)
    }

    /// The most connections that one address has.
    pub(crate) fn most(&self) -> usize {
        self.of.values().copied().max().unwrap_or(0)
    }
}
