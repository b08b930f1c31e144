//! The answer to FSCTL_QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 2.2.32.5).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{long, size};
use super::codec::{Malformed, Parse, Reader, Writer};
use alloc::vec::Vec;
use bitflags::bitflags;
use core::net::{IpAddr, Ipv6Addr};

/// InterNetwork (MS-SMB2 2.2.32.5.1).
const FAMILY_V4: u16 = 0x0002;
/// InterNetworkV6 (MS-SMB2 2.2.32.5.1).
const FAMILY_V6: u16 = 0x0017;

bitflags! {
    /// Capability (MS-SMB2 2.2.32.5).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct InterfaceCapability: u32 {
        const RSS_CAPABLE = 0x0000_0001;
        const RDMA_CAPABLE = 0x0000_0002;
        const _ = !0;
    }
}

/// NETWORK_INTERFACE_INFO (MS-SMB2 2.2.32.5): one address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInterfaceInfo {
    pub if_index: u32,
    pub capability: InterfaceCapability,
    /// Bits a second.
    pub link_speed: u64,
    pub address: IpAddr,
}

impl NetworkInterfaceInfo {
    /// Bytes of one.
    pub const LEN: usize = 152;
    const SOCKADDR_LEN: usize = 128;

    /// The list in `output`.
    pub fn parse_list(output: &[u8]) -> Parse<Vec<Self>> {
        let mut interfaces = Vec::new();
        let mut rest = output;
        while !rest.is_empty() {
            let mut reader = Reader::new(rest);
            let next = size(reader.u32()?);
            interfaces.push(Self::parse(&mut reader)?);
            if next == 0 {
                break;
            }
            if next < Self::LEN {
                return Err(Malformed("Next of a network interface"));
            }
            rest = rest.get(next..).ok_or(Malformed("Next of a network interface"))?;
        }
        Ok(interfaces)
    }

    /// Writes the list. The writer's length is a multiple of 8.
    pub fn encode_list(interfaces: &[Self], writer: &mut Writer<'_>) {
        let mut previous = None;
        for interface in interfaces {
            if let Some(previous) = previous.replace(writer.len()) {
                writer.patch_u32(previous, long(Self::LEN));
            }
            interface.encode(writer);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        let if_index = reader.u32()?;
        let capability = InterfaceCapability::from_bits_retain(reader.u32()?);
        reader.skip(4)?;
        let link_speed = reader.u64()?;
        let mut sockaddr = Reader::new(reader.bytes(Self::SOCKADDR_LEN)?);
        let family = sockaddr.u16()?;
        sockaddr.skip(2)?;
        let address = match family {
            FAMILY_V4 => IpAddr::from(sockaddr.array::<4>()?),
            FAMILY_V6 => {
                sockaddr.skip(4)?;
                IpAddr::V6(Ipv6Addr::from(sockaddr.array::<16>()?))
            }
            _ => return Err(Malformed("family of a network interface")),
        };
        Ok(Self { if_index, capability, link_speed, address })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(0);
        writer.u32(self.if_index);
        writer.u32(self.capability.bits());
        writer.u32(0);
        writer.u64(self.link_speed);
        // Port and flow information are zero; the address is in network order.
        match self.address {
            IpAddr::V4(address) => {
                writer.u16(FAMILY_V4);
                writer.u16(0);
                writer.bytes(&address.octets());
                writer.zeros(120);
            }
            IpAddr::V6(address) => {
                writer.u16(FAMILY_V6);
                writer.zeros(6);
                writer.bytes(&address.octets());
                writer.zeros(104);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::damage;
    use core::net::Ipv4Addr;

    #[test]
    fn both_families() {
        let v4 = NetworkInterfaceInfo {
            if_index: 2,
            capability: InterfaceCapability::RSS_CAPABLE,
            link_speed: 10_000_000_000,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        };
        let v6 = NetworkInterfaceInfo { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..v4 };
        let mut bytes = Vec::new();
        NetworkInterfaceInfo::encode_list(&[v4, v6, v4], &mut Writer::new(&mut bytes));
        assert_eq!(bytes.len(), 3 * NetworkInterfaceInfo::LEN);
        let parsed = NetworkInterfaceInfo::parse_list(&bytes).unwrap();
        assert_eq!(parsed, [v4, v6, v4]);
        damage(&bytes, NetworkInterfaceInfo::parse_list);
    }
}
