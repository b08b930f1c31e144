//! DCE/RPC over named pipes: what a client finds behind `IPC$`.
//!
//! Bytes in, bytes out, no I/O. [`Pipe`] is one open pipe: it takes what a client writes and queues
//! what the client will read. Below it `pdu` knows the connection-oriented protocol (C706 chapter
//! 12, MS-RPCE), `ndr` the marshalling (C706 chapter 14), and each service is one file and one line
//! of `INTERFACES`.
//!
//! Nothing that arrives here can panic, allocate more than a constant beyond its own length, run a
//! program or open a file: a service sees the daemon only through [`Directory`].
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod association;
mod ndr;
mod output;
mod pdu;
mod pipe;
mod srvsvc;

use ndr::{Reader, Writer};
pub use output::ReadResult;
use pdu::{Fault, Syntax};
pub use pipe::{Pipe, PipeError};

/// One share, as far as the services show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareInfo {
    /// The name that clients connect to.
    pub name: String,
    /// The remark beside the name; may be empty.
    pub comment: String,
    /// Whether lists of shares contain it. Asked for by name, it is shown in any case.
    pub browseable: bool,
    /// Whether it is `IPC$`, which holds pipes and no files. It is always listed.
    pub ipc: bool,
}

/// What the services may ask of the daemon.
pub trait Directory {
    /// All shares, hidden ones too, in an order that stays the same from call to call: an
    /// enumeration that comes in several parts resumes by position.
    fn shares(&self) -> Vec<ShareInfo>;

    /// The server's NetBIOS name, without backslashes.
    fn server_name(&self) -> &str;

    /// The server's description; may be empty.
    fn server_comment(&self) -> &str;

    /// The share of this name; share names do not tell upper from lower case.
    fn share(&self, name: &str) -> Option<ShareInfo> {
        let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let wanted = folded(name);
        self.shares().into_iter().find(|share| folded(&share.name) == wanted)
    }
}

/// One service: where it may be bound, and its operations.
struct Interface {
    /// The pipes on which it may be bound. The name of a pipe decides nothing else.
    pipes: &'static [&'static str],
    /// Identifier and version of the interface.
    syntax: Syntax,
    /// Runs one operation. What it has written when it fails is thrown away.
    call: fn(&mut Call<'_>) -> Result<(), Fault>,
}

/// One call of an operation. Context handles (samr, lsarpc) will be a further field.
struct Call<'a> {
    opnum: u16,
    input: Reader<'a>,
    output: Writer,
    directory: &'a dyn Directory,
}

/// Every service there is.
static INTERFACES: &[Interface] = &[srvsvc::INTERFACE];

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
