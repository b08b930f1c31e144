//! Persistent handles: whether there can be any, and what the server before this one has left.

use ksmbd_core::vfs::Past;
use ksmbd_runtime_threads::journal::Journal;

use crate::admit::heir;
use crate::state::State;

/// Some share wants them.
pub fn are_wanted(state: &State) -> bool {
    state.settings.shares.iter().any(|settings| settings.share.continuous)
}

/// Opens the journal, where some share wants it. Without one the server serves all the same, and
/// promises nothing.
pub fn begin(state: &State) -> Option<(Journal, Past)> {
    if !are_wanted(state) {
        return None;
    }
    let directory = &state.settings.global.state_directory;
    let journal = match Journal::open(directory) {
        Ok(journal) => journal,
        Err(error) => {
            log::error!(
                "`continuous availability` cannot be had, handles are not persistent: {error}; \
                 name a directory on a disk that is kept with `state directory`"
            );
            return None;
        }
    };
    let past = journal.past(&|promise| heir(state, promise));
    if !past.opens.is_empty() {
        log::info!("{} persistent opens of the last run wait for their clients", past.opens.len());
    }
    Some((journal, past))
}
