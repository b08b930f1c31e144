//! DCE/RPC over named pipes: what a client finds behind `IPC$`.
//!
//! Bytes in, bytes out, no I/O. [`Pipe`] is one open pipe: it takes what a client writes and queues
//! what the client will read. Below it `pdu` knows the connection-oriented protocol (C706 chapter
//! 12, MS-RPCE), `ndr` and `dtyp` the marshalling (C706 chapter 14, MS-DTYP), `handle` what clients
//! have opened, `names` who has which SID; each service is one file or folder, and one line of
//! `INTERFACES`.
//!
//! Nothing that arrives here can panic, allocate more than a constant beyond its own length, run a
//! program or open a file: a service sees the daemon only through [`Directory`].
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)
)]

mod association;
mod directory;
mod dssetup;
mod dtyp;
mod handle;
mod lsarpc;
mod names;
mod ndr;
mod output;
mod pdu;
mod pipe;
mod samr;
mod srvsvc;
mod status;
mod wkssvc;

pub use directory::{Directory, People, ShareInfo, User};
use handle::Handles;
use ndr::{Reader, Writer};
pub use output::ReadResult;
use pdu::{Fault, Syntax};
pub use pipe::{Pipe, PipeError};

/// One service: where it may be bound, and its operations.
struct Interface {
    /// The pipes on which it may be bound. The name of a pipe decides nothing else.
    pipes: &'static [&'static str],
    /// Identifier and version of the interface.
    syntax: Syntax,
    /// Runs one operation. What it has written when it fails is thrown away.
    call: fn(&mut Call<'_>) -> Result<(), Fault>,
}

/// One call of an operation.
struct Call<'a> {
    opnum: u16,
    input: Reader<'a>,
    output: Writer,
    directory: &'a dyn Directory,
    /// Who has opened the pipe; none is anonymous.
    account: Option<&'a str>,
    /// What the client has opened on this association.
    handles: &'a mut Handles,
}

/// What every service says about the machine.
mod machine {
    /// MS-SRVS 2.2.2.6, MS-WKST 2.2.5.1: `PLATFORM_ID` of the NT family.
    pub(super) const PLATFORM_NT: u32 = 500;
    /// Windows 7's: old enough for every client, new enough that none falls back to LAN Manager.
    pub(super) const VERSION: (u32, u32) = (6, 1);
}

/// The names of the pipe of the security authority: Windows has all its services behind one.
const LSASS: &[&str] = &["lsarpc", "samr", "lsass"];

/// Every service there is.
static INTERFACES: &[Interface] =
    &[srvsvc::INTERFACE, wkssvc::INTERFACE, lsarpc::INTERFACE, dssetup::INTERFACE, samr::INTERFACE];

/// The pipe called `name` as the table spells it. Names do not tell upper from lower case.
fn pipe_name(name: &str) -> Option<&'static str> {
    let mut names = INTERFACES.iter().flat_map(|interface| interface.pipes);
    names.find(|known| known.eq_ignore_ascii_case(name)).copied()
}

/// The interface that `wanted` asks for, if `pipe` offers it. The client may know an older minor
/// version than ours, not a newer one (C706 12.6.4.3, `p_syntax_id_t`).
fn interface(pipe: &str, wanted: &Syntax) -> Option<&'static Interface> {
    INTERFACES.iter().find(|interface| {
        interface.pipes.contains(&pipe)
            && interface.syntax.uuid == wanted.uuid
            && interface.syntax.major == wanted.major
            && interface.syntax.minor >= wanted.minor
    })
}
