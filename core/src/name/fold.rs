//! When two names are the same to a client.

/// Folds a character as the file system of Windows does for comparing: simple upper case. What
/// UTF-16 has in two units stays, and no other letter becomes one of ASCII (`ı`, `ſ`).
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) if !single.is_ascii() && u32::from(c) <= 0xffff => single,
        _ => c,
    }
}

/// The same for a unit of UTF-16.
pub(super) fn fold_unit(unit: u16) -> u16 {
    let folded = char::from_u32(unit.into()).map(fold);
    folded.and_then(|c| u16::try_from(u32::from(c)).ok()).unwrap_or(unit)
}

/// Two names are the same to a client.
pub fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(fold).eq(b.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_clients_compare_them() {
        assert!(same_name("README.txt", "readme.TXT") && same_name("Äpfel", "äPFEL"));
        assert!(same_name("\u{ff41}", "\u{ff21}") && !same_name("a", "\u{ff41}"));
        assert!(!same_name("a", "b") && !same_name("a", "ab"));
        assert!(!same_name("ı", "I") && !same_name("ſ", "s") && !same_name("ß", "SS"));
        assert!(!same_name("\u{10428}", "\u{10400}"), "beyond what Windows folds");
    }
}
