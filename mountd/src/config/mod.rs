//! From the lines of `ksmbd.conf` to settings with types.
//!
//! The lines are [`ConfFile`]'s; what they mean is here. How bad a problem is:
//!
//! * An unknown key, a key that is not supported yet, or a harmless odd value is a *warning*: what
//!   is used instead is said, and the file loads.
//! * An *error* in a share keeps that share from being served; the others are.
//! * A line that says nothing, an error in `[global]`, or one in `ipc$` keeps the file from being
//!   used at all. Where a value guards something (protocols, signing, encryption, lists of users
//!   and hosts), a value that is not understood is an error: a guess could let somebody in.

mod global;
pub mod hosts;
pub mod interfaces;
mod keys;
mod lists;
mod share;
mod show;
mod values;
pub mod variables;

use std::path::Path;

use ksmbd_adduser::{ConfFile, ConfProblem, Severity};

pub use global::GlobalSettings;
pub use lists::UserList;
pub use share::ShareSettings;

use crate::account::Accounts;

/// Everything that a configuration file says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[global]`
    pub global: GlobalSettings,
    /// The shares in the order of the file; `ipc$` is always one of them.
    pub shares: Vec<ShareSettings>,
}

/// Settings, and what is to be said about them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Warnings, and errors of shares that are not among the settings.
    pub problems: Vec<ConfProblem>,
}

impl Settings {
    /// Reads a file. `accounts` tells which names of users and groups there are.
    ///
    /// # Errors
    ///
    /// All that is wrong with a file that cannot be used; at least one problem is an error.
    pub fn load(path: &Path, accounts: &Accounts) -> Result<Loaded, Vec<ConfProblem>> {
        Self::read(&ConfFile::load(path)?, accounts)
    }

    /// Makes settings of a file that was read.
    ///
    /// # Errors
    ///
    /// See [`load`](Self::load).
    pub fn read(file: &ConfFile, accounts: &Accounts) -> Result<Loaded, Vec<ConfProblem>> {
        let mut problems = file.warnings().to_vec();
        keys::check(file, &mut problems);
        let before = problems.len();
        let global = GlobalSettings::read(file.global(), &mut problems);
        let mut usable = !problems.iter().skip(before).any(ConfProblem::is_error);
        let mut shares = Vec::new();
        let context = share::Context { file, global: &global, accounts };
        if file.section(share::IPC).is_none() {
            shares.push(share::implied_ipc(&context, &mut problems));
        }
        for section in file.shares() {
            let share = share::read(&context, section, &mut problems);
            usable &= share.is_some() || section.folded_name() != share::IPC;
            shares.push(share);
        }
        // With an error in [global] that shares inherit, IPC$ has it too.
        usable &= shares.iter().flatten().any(ShareSettings::is_ipc);
        let mut problems = without_repetition(problems);
        problems.extend(strange_guest(file, &global, shares.iter().flatten(), accounts));
        match usable {
            true => {
                let shares = shares.into_iter().flatten().collect();
                Ok(Loaded { settings: Self { global, shares }, problems })
            }
            false => Err(problems),
        }
    }

    /// The share of a name; case does not count.
    pub fn share(&self, name: &str) -> Option<&ShareSettings> {
        let folded = name.to_lowercase();
        self.shares.iter().find(|share| share.share.name.to_lowercase() == folded)
    }
}

/// There may be guests, and nobody knows as whom they would use files.
fn strange_guest<'a>(
    file: &ConfFile,
    global: &GlobalSettings,
    mut shares: impl Iterator<Item = &'a ShareSettings>,
    accounts: &Accounts,
) -> Option<ConfProblem> {
    let entry = file.global()?.get("guest account")?;
    let may_be =
        |share: &ShareSettings| share.guest_ok && share.guest_account.is_none() && !share.is_ipc();
    // Where nobody can say, it is asked again when somebody comes.
    if accounts.of_guest(&global.guest_account) != Ok(None)
        || !(global.map_to_guest || shares.any(may_be))
    {
        return None;
    }
    let what = format!("there is no Unix user `{}`: guests are refused", global.guest_account);
    Some(entry.problem(Severity::Warning, what, "useradd it"))
}

/// What shares inherit from `[global]` is read once a share, and said once.
fn without_repetition(problems: Vec<ConfProblem>) -> Vec<ConfProblem> {
    let mut said: Vec<ConfProblem> = Vec::with_capacity(problems.len());
    for problem in problems {
        if !said.contains(&problem) {
            said.push(problem);
        }
    }
    said
}

#[cfg(test)]
mod tests;
