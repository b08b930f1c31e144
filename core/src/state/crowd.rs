//! Who gives way when there is room for one less: of those who are most, whoever came first. What one
//! network takes too much of it takes from itself.

use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use core::{
    cmp::Reverse,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// What one host has of addresses: an IPv6 host has a whole net of these to choose from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Things of one kind by the network that they came from. Their keys are in the order in which they
/// came.
#[derive(Debug)]
pub(crate) struct Crowds<K> {
    of: BTreeMap<IpAddr, BTreeMap<K, Member>>,
    /// How many a network has, and its first.
    sizes: BTreeSet<(usize, Reverse<K>, IpAddr)>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    address: IpAddr,
    since: Instant,
}

impl<K> Default for Crowds<K> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), sizes: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Crowds<K> {
    pub(crate) fn insert(&mut self, address: IpAddr, key: K, since: Instant) {
        self.change(address, |crowd| {
            crowd.insert(key, Member { address, since });
        });
    }

    pub(crate) fn remove(&mut self, address: IpAddr, key: K) {
        self.change(address, |crowd| {
            crowd.remove(&key);
        });
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut BTreeMap<K, Member>)) {
        let net = network(address);
        let crowd = self.of.entry(net).or_default();
        let size = |crowd: &BTreeMap<K, Member>| {
            crowd.first_key_value().map(|(first, _)| (crowd.len(), Reverse(*first), net))
        };
        size(crowd).map(|size| self.sizes.remove(&size));
        change(crowd);
        match size(crowd) {
            Some(size) => _ = self.sizes.insert(size),
            None => _ = self.of.remove(&net),
        }
    }

    /// Since when it is there.
    pub(crate) fn since(&self, address: IpAddr, key: K) -> Option<Instant> {
        self.of.get(&network(address))?.get(&key).map(|member| member.since)
    }

    pub(crate) fn len(&self) -> usize {
        self.of.values().map(BTreeMap::len).sum()
    }

    /// Who gives way to one more from `newcomer`. One network does not push another one's out before
    /// their `grace` is over, unless those are more than its own would be.
    pub(crate) fn yielding(&self, newcomer: IpAddr, now: Instant, grace: Duration) -> Option<K> {
        let (most, Reverse(first), net) = *self.sizes.last()?;
        let own = self.of.get(&network(newcomer)).map_or(0, BTreeMap::len);
        let since = self.since(net, first)?;
        (most > own + 1 || now.since(since) >= grace).then_some(first)
    }

    /// The same where this address is to have no more than it has.
    pub(crate) fn yielding_of(&self, address: IpAddr, now: Instant, grace: Duration) -> Option<K> {
        let crowd = self.of.get(&network(address))?;
        let (first, member) = crowd.iter().find(|(_, member)| member.address == address)?;
        (now.since(member.since) >= grace).then_some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_first_of_the_most_gives_way() {
        let mut crowds = Crowds::default();
        crowds.insert(v4(1), 1, at(0));
        for key in 2..5 {
            crowds.insert(v4(2), key, at(0));
        }
        assert_eq!(crowds.yielding(v4(3), at(0), GRACE), Some(2));
        crowds.remove(v4(2), 2);
        assert_eq!(crowds.yielding(v4(3), at(0), GRACE), Some(3));
        assert_eq!(crowds.len(), 3);
    }

    #[test]
    fn the_few_have_their_grace() {
        let mut crowds = Crowds::default();
        crowds.insert(v4(1), 1, at(0));
        crowds.insert(v4(2), 2, at(1));
        assert_eq!(crowds.yielding(v4(3), at(0), GRACE), None);
        assert_eq!(
            crowds.yielding(v4(3), at(1), GRACE),
            Some(1),
            "the first of those who have one"
        );
        crowds.insert(v4(2), 3, at(1));
        assert_eq!(crowds.yielding(v4(2), at(1), GRACE), None, "its own are too young");
        assert_eq!(crowds.yielding(v4(3), at(1), GRACE), Some(2));
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let mut crowds = Crowds::default();
        let [a, b, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|address| address.parse::<IpAddr>().unwrap());
        crowds.insert(other, 1, at(0));
        crowds.insert(a, 2, at(0));
        crowds.insert(b, 3, at(0));
        assert_eq!(crowds.yielding(v4(1), at(0), GRACE), Some(2));
        assert_eq!(crowds.yielding_of(b, at(1), GRACE), Some(3));
        assert_eq!(crowds.yielding_of(b, at(0), GRACE), None);
        assert_eq!(network("::ffff:10.0.0.7".parse().unwrap()), v4(7));
    }
}
