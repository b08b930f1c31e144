//! `ksmbdpwd.db`: what could be read is written to what reads as the same accounts.

use ksmbd_adduser::{Database, names};
use std::path::Path;

/// The bytes are the file.
pub(super) fn run(data: &[u8]) {
    let path = Path::new("ksmbdpwd.db");
    let database = match Database::parse(data, path) {
        Ok(database) => database,
        // It goes to a terminal.
        Err(why) => return assert!(!why.to_string().contains(char::is_control), "{why:?}"),
    };
    for (name, _) in database.iter() {
        assert!(names::check_user_name(name).is_ok(), "{name:?}");
    }
    let text = database.serialise();
    let again = Database::parse(&text, path).unwrap_or_else(|why| panic!("{why}"));
    assert!(
        again
            .iter()
            .map(|(n, h)| (n, h.as_bytes()))
            .eq(database.iter().map(|(n, h)| (n, h.as_bytes())))
    );
    assert_eq!(again.serialise(), text);
    assert!(again.warnings().is_empty(), "{:?}", again.warnings());
}
