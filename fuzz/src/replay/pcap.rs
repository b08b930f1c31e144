//! A replay as a capture: what was said, without encryption, in TCP segments that never were, to
//! port 445 so that Wireshark knows what it is. The format is libpcap's of old, with raw IP packets.

use super::Watch;
use ksmbd_core::{id::ConnId, time::Now, vfs::Peer};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
};

/// LINKTYPE_RAW: packets begin with IPv4's or IPv6's header.
const LINK_RAW: u32 = 101;

/// Bytes of a segment.
const SEGMENT: usize = 32 << 10;

/// Bytes of a packet, and more than any has.
const SNAP: u32 = 64 << 10;

/// Where SMB is.
const PORT: u16 = 445;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// One end of a connection: its address, and the number of its next byte.
#[derive(Clone, Copy, Debug)]
struct End {
    address: SocketAddr,
    next: u32,
}

/// Writes a capture.
pub struct Pcap<W> {
    output: W,
    ends: BTreeMap<ConnId, [End; 2]>,
    failed: Option<io::Error>,
}

impl<W: Write> Pcap<W> {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        output.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        output.write_all(&SNAP.to_le_bytes())?;
        output.write_all(&LINK_RAW.to_le_bytes())?;
        Ok(Self { output, ends: BTreeMap::new(), failed: None })
    }

    /// All of it is written.
    ///
    /// # Errors
    ///
    /// It could not be.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.output.flush(),
        }
    }

    /// One segment; `from` is 0 for the client's and 1 for the server's.
    fn segment(&mut self, conn: ConnId, from: usize, flags: u8, data: &[u8], now: Now) {
        let Some(ends) = self.ends.get_mut(&conn) else { return };
        let to = 1 - from;
        let packet = packet(&ends[from], &ends[to], flags, data);
        let counts = u32::from(flags & (SYN | FIN) != 0);
        ends[from].next = ends[from].next.wrapping_add(data.len() as u32).wrapping_add(counts);
        if self.failed.is_none() {
            self.failed = self.write(&packet, now).err();
        }
    }

    fn write(&mut self, packet: &[u8], now: Now) -> io::Result<()> {
        let (seconds, nanoseconds) = now.wall.to_unix();
        let length = packet.len() as u32;
        for field in [seconds as u32, nanoseconds / 1000, length, length] {
            self.output.write_all(&field.to_le_bytes())?;
        }
        self.output.write_all(packet)
    }

    fn message(&mut self, conn: ConnId, from: usize, message: &[u8], now: Now) {
        let mut stream = (message.len() as u32).to_be_bytes().to_vec();
        stream.extend_from_slice(message);
        for segment in stream.chunks(SEGMENT) {
            self.segment(conn, from, ACK | PUSH, segment, now);
        }
    }
}

impl<W: Write> Watch for Pcap<W> {
    fn accepted(&mut self, conn: ConnId, peer: &Peer, now: Now) {
        let local = SocketAddr::new(peer.local.ip(), PORT);
        let end = |address| End { address, next: 1 };
        self.ends.insert(conn, [end(peer.address), end(local)]);
        self.segment(conn, 0, SYN, &[], now);
        self.segment(conn, 1, SYN | ACK, &[], now);
        self.segment(conn, 0, ACK, &[], now);
    }

    fn request(&mut self, conn: ConnId, message: &[u8], now: Now) {
        self.message(conn, 0, message, now);
    }

    fn reply(&mut self, conn: ConnId, message: &[u8], now: Now) {
        self.message(conn, 1, message, now);
    }

    fn hung_up(&mut self, conn: ConnId, now: Now) {
        self.segment(conn, 1, FIN | ACK, &[], now);
        self.segment(conn, 0, FIN | ACK, &[], now);
        self.ends.remove(&conn);
    }
}

/// The parts of the checksum over `bytes` (RFC 1071).
fn sum(bytes: &[u8]) -> u32 {
    let word =
        |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default());
    bytes.chunks(2).map(word).fold(0, u32::wrapping_add)
}

fn checksum(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// IPv4 (RFC 791) or IPv6 (RFC 8200), and TCP (RFC 9293).
fn packet(from: &End, to: &End, flags: u8, data: &[u8]) -> Vec<u8> {
    const TCP: u8 = 6;
    let acknowledged = if flags & ACK == 0 { 0 } else { to.next };
    let mut tcp = Vec::with_capacity(20 + data.len());
    tcp.extend_from_slice(&from.address.port().to_be_bytes());
    tcp.extend_from_slice(&to.address.port().to_be_bytes());
    tcp.extend_from_slice(&from.next.to_be_bytes());
    tcp.extend_from_slice(&acknowledged.to_be_bytes());
    tcp.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(data);
    let length = tcp.len();
    let (mut packet, addresses) = match (from.address.ip(), to.address.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let mut ip = vec![0x45, 0];
            ip.extend_from_slice(&((20 + length) as u16).to_be_bytes());
            ip.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
            ip.extend_from_slice(&addresses);
            let check = checksum(sum(&ip));
            ip[10..12].copy_from_slice(&check);
            (ip, addresses)
        }
        (from, to) => {
            let wide = |ip| match ip {
                IpAddr::V4(ip) => std::net::Ipv4Addr::to_ipv6_mapped(&ip).octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let addresses = [wide(from), wide(to)].concat();
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend_from_slice(&(length as u16).to_be_bytes());
            ip.extend_from_slice(&[TCP, 64]);
            ip.extend_from_slice(&addresses);
            (ip, addresses)
        }
    };
    let check = checksum(
        sum(&addresses)
            .wrapping_add(u32::from(TCP))
            .wrapping_add(length as u32)
            .wrapping_add(sum(&tcp)),
    );
    tcp[16..18].copy_from_slice(&check);
    packet.append(&mut tcp);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with its checksum in it sums up to nothing (RFC 1071).
    #[test]
    fn checksums_are_right() {
        for (from, to) in [("10.0.0.1:4000", "10.0.0.2:445"), ("[fe80::1]:4000", "[::1]:445")] {
            let end = |text: &str| End { address: text.parse().unwrap(), next: 7 };
            let packet = packet(&end(from), &end(to), ACK | PUSH, b"odd");
            let (header, addresses) = match packet[0] >> 4 {
                4 => (20, 12..20),
                _ => (40, 8..40),
            };
            if header == 20 {
                assert_eq!(checksum(sum(&packet[..20])), [0, 0]);
            }
            let tcp = &packet[header..];
            assert_eq!(tcp.len(), 23);
            let all = sum(&packet[addresses]) + 6 + 23 + sum(tcp);
            assert_eq!(checksum(all), [0, 0]);
        }
    }
}
