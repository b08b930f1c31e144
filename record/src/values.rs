//! The core's values: configuration, names, addresses, times, descriptors.

use crate::codec::{Value, bytes, fields, flags, variants, wrapped};
use ksmbd_core::{
    auth::ServerNames,
    config::{Config, Encryption, Limits, Share, ShareKind},
    id::{ConnId, FileKey, OpId, OpenId, SessionId},
    name::SharePath,
    status::NtStatus,
    stream::StreamName,
    time::{FileTime, Instant, Now},
    veto::Veto,
    vfs::{Cached, FileKind, FsChange, Identity, Lock, Peer, Permitted, Promise, VfsError},
    wire::{
        change_notify::CompletionFilter,
        codec::{Malformed, Parse, Reader, Writer},
        create::{CreateAction, ShareAccess},
        create_context::LeaseState,
        fscc::{
            AccessMask, FileAttributes, ea::FullEaInformation, file::StreamInformation,
            notify::FileAction,
        },
        negotiate::Dialect,
        network_interface::{InterfaceCapability, NetworkInterfaceInfo},
        security::{Acl, SecurityControl, SecurityDescriptor, Sid},
    },
};
use std::net::{IpAddr, SocketAddr};

wrapped! { ConnId OpId OpenId SessionId Instant FileTime NtStatus Dialect FileAction CreateAction }

flags! {
    FileAttributes Permitted CompletionFilter SecurityControl InterfaceCapability AccessMask
    ShareAccess LeaseState
}

fields! {
    Now { mono, wall }
    FileKey { device, inode, stream }
    ServerNames { netbios_computer, netbios_domain, dns_computer, dns_domain }
    Config {
        names, server_guid, min_dialect, max_dialect, require_signing, encryption, multi_channel,
        max_read, max_write, max_trans, allow_anonymous, extra_fs_attributes, smbtorture_hooks,
        limits, leases, durable_handles, persistent_handles,
    }
    Limits {
        connections, connections_per_address, sessions, sessions_per_connection,
        channels_per_session, trees_per_session, opens, locks_per_open, watches,
        watches_per_session, watch_bytes, outside_watches, parked_per_connection, credits,
        free_guesses, guess_delay, guesses, guesses_per_address, unauthenticated_frame, setup_time,
        idle_time, break_time, durable_opens, durable_opens_per_client, durable_time, durable_time_max,
        locks_per_file, locks, parked_bytes,
        persistent_opens, persistent_time,
    }
    Share {
        name, kind, path, comment, create_mask, force_create_mode, directory_mask,
        force_directory_mode, hide_dot_files, store_dos_attributes, acl_xattr, hide_unreadable,
        follow_symlinks, cross_mounts, streams, streams_nul, inherit_owner, veto, encrypt,
        change_notify, kernel_change_notify, oplocks, continuous,
    }
    Identity { name, uid, gid, groups, sid }
    Peer { address, local }
    Promise {
        id, share, root, path, stream, key, owner, identity, client, create, app, timeout, action,
        granted, share_access, delete_on_close, delete_pending, write_through, mode, cached, locks,
        lock_sequences, channel_sequence,
    }
    Cached { state, key, v2 }
    Lock { offset, length, exclusive }
    FullEaInformation { flags, ea_name, ea_value }
    StreamInformation { stream_size, stream_allocation_size, stream_name }
    NetworkInterfaceInfo { if_index, capability, link_speed, address }
    SecurityDescriptor { sbz1, control, owner, group, sacl, dacl }
}

variants! {
    Encryption { 0 Disabled, 1 Auto, 2 Mandatory }
    ShareKind { 0 Disk, 1 Pipe }
    FileKind { 0 File, 1 Directory, 2 Symlink, 3 Special }
    VfsError {
        0 NotFound, 1 PathNotFound, 2 Exists, 3 AccessDenied, 4 ReadOnly, 5 NoSpace, 6 IsDirectory,
        7 NotDirectory, 8 NotEmpty, 9 TooManyFiles, 10 NameTooLong, 11 Busy, 12 CrossDevice,
        13 TooManyLinks, 14 Symlink, 15 InvalidOwner, 16 InvalidGroup, 17 NotSupported, 18 Invalid,
        19 TooLarge, 20 EaTooLarge, 21 Gone, 22 WouldBlock, 23 Unavailable, 24 NoMemory,
        25 TimedOut, 26 Io, 27 HungUp,
    }
}

impl Value for Veto {
    fn put(&self, out: &mut Vec<u8>) {
        self.patterns().to_vec().put(out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let patterns: Vec<String> = Value::get(from)?;
        Ok(Self::new(patterns.iter().map(String::as_str)))
    }
}

impl Value for SharePath {
    fn put(&self, out: &mut Vec<u8>) {
        bytes(self.as_str().as_bytes(), out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let path = String::get(from)?;
        Ok(if path.is_empty() { Self::root() } else { Self::root().join_host(&path) })
    }
}

impl Value for StreamName {
    fn put(&self, out: &mut Vec<u8>) {
        bytes(self.as_str().as_bytes(), out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Self::new(&String::get(from)?).map_err(|_| Malformed("no name of a stream"))
    }
}

macro_rules! as_text {
    ($($kind:ident)*) => {$(
        impl Value for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                self.to_string().put(out);
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                String::get(from)?.parse().map_err(|_| Malformed(concat!("no ", stringify!($kind))))
            }
        }
    )*};
}

as_text! { IpAddr SocketAddr }

/// As on the wire.
impl Value for Sid {
    fn put(&self, out: &mut Vec<u8>) {
        Self::put(self, &mut Writer::new(out));
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Self::parse(from)
    }
}

/// As on the wire, with its length before it. What is too long for the wire was never there.
impl Value for Acl {
    fn put(&self, out: &mut Vec<u8>) {
        let mut wire = Vec::new();
        if Self::put(self, &mut Writer::new(&mut wire)).is_err() {
            wire.clear();
        }
        wire.put(out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Self::parse(&mut Reader::new(&Vec::get(from)?))
    }
}

impl Value for FsChange {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Below { directory, path, action, filter } => {
                out.push(0);
                directory.put(out);
                path.put(out);
                action.put(out);
                filter.put(out);
            }
            Self::Lost => out.push(1),
        }
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            0 => Self::Below {
                directory: Value::get(from)?,
                path: Value::get(from)?,
                action: Value::get(from)?,
                filter: Value::get(from)?,
            },
            1 => Self::Lost,
            _ => return Err(Malformed("no FsChange")),
        })
    }
}
