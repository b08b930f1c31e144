//! Changes that were made outside SMB are told as well (DESIGN 3, `fs_changed`).

use ksmbd_fuzz::prelude::*;

const NAMES: CompletionFilter = CompletionFilter::FILE_NAME.union(CompletionFilter::DIR_NAME);

#[test]
fn a_file_comes_and_goes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let waiting = a.notify(d, NAMES, false).waits();
    w.put_outside("elsewhere", b"");
    a.nothing();
    w.put_outside("d/x", b"");
    let answer = a.answer(waiting.mid).ok();
    assert_eq!(answer.changes(), [(FileAction::ADDED, "x".into())]);
    w.remove_outside("d/x");
    let answer = a.notify(d, NAMES, false).ok();
    assert_eq!(answer.changes(), [(FileAction::REMOVED, "x".into())]);
}

#[test]
fn filters_and_trees_count_as_always() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    a.create("d\\s").directory().ok();
    let root = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    let flat = a.notify(d, NAMES, false).waits();
    let sizes = a.notify(root, CompletionFilter::SIZE, true).waits();
    w.put_outside("d/s/x", b"");
    a.nothing();
    w.tell_outside("d/s/x", FileAction::MODIFIED, CompletionFilter::SIZE);
    let answer = a.answer(sizes.mid).ok();
    assert_eq!(answer.changes(), [(FileAction::MODIFIED, "d\\s\\x".into())]);
    a.cancel(flat);
    a.answer(flat.mid).is(NtStatus::CANCELLED);
}

/// `kernel change notify = no`
#[test]
fn a_share_may_be_told_of_its_own_changes_alone() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.tree_id = a.connect_tree("inside");
    let d = a.create("d").directory().ok();
    let waiting = a.notify(d, NAMES, true).waits();
    w.put_outside("d/x", b"");
    w.lose_outside();
    a.nothing();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
}

#[test]
fn what_is_vetoed_is_not_told() {
    let w = World::new();
    w.daemon(|daemon| {
        let veto = ksmbd_core::veto::Veto::new(["secret*"]);
        let share = Share { veto, ..Share::disk("veto", ksmbd_fuzz::world::ROOT) };
        let share = std::sync::Arc::new(share);
        daemon.share(Rules { share, read_only: false, refused: None });
    });
    let mut a = w.logged_on("alice");
    a.tree_id = a.connect_tree("veto");
    let root = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    let waiting = a.notify(root, NAMES, true).waits();
    w.put_outside("secret.txt", b"");
    a.nothing();
    w.put_outside("open.txt", b"");
    let answer = a.answer(waiting.mid).ok();
    assert_eq!(answer.changes(), [(FileAction::ADDED, "open.txt".into())]);
}

/// What nobody knows the client has to look for.
#[test]
fn lost() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let waiting = a.notify(d, NAMES, false).waits();
    w.lose_outside();
    a.answer(waiting.mid).is(NtStatus::NOTIFY_ENUM_DIR);
    a.notify(d, NAMES, false).waits();
    a.forget();
}
