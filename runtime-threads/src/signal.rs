//! Signals, as values on a channel. The handlers do nothing but write to a pipe.

use crossbeam_channel::{Receiver, unbounded};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1},
    iterator::Signals,
};
use std::{io, thread};

/// What the process was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// TERM, INT or QUIT: drain and end.
    Stop,
    /// HUP: read the configuration again.
    Reload,
    /// USR1: for the daemon to give a meaning to.
    User,
}

/// From now on these signals come on a channel, and do nothing else.
pub fn listen() -> io::Result<Receiver<Signal>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1])?;
    let (sender, receiver) = unbounded();
    thread::Builder::new().name("ksmbd/s".into()).stack_size(crate::STACK).spawn(move || {
        for signal in signals.forever() {
            let told = match signal {
                SIGHUP => Signal::Reload,
                SIGUSR1 => Signal::User,
                _ => Signal::Stop,
            };
            if sender.send(told).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
