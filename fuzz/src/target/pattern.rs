//! Wildcards, beside the plainest matcher that the specification can be written as.

use super::{split, units};
use ksmbd_core::{
    name::{Pattern, fold, mapping},
    veto::Veto,
};

/// The plain matcher takes exponential time.
const LONGEST: usize = 14;

/// A pattern and a name, as units with a 0 byte pair between them; the bytes as text are patterns of
/// `veto files`, too.
pub(super) fn run(data: &[u8]) {
    let both = units(data);
    let at = both.iter().position(|&unit| unit == 0).unwrap_or(both.len());
    let (expression, name) = (&both[..at], both.get(at + 1..).unwrap_or_default());
    if let (Ok(pattern), Ok(shown)) = (Pattern::parse(expression), mapping::parse(name)) {
        let matches = pattern.matches(&shown);
        let folded = |units: &[u16]| -> Vec<char> {
            char::decode_utf16(units.iter().copied())
                .map(|c| fold(c.unwrap_or('\u{fffd}')))
                .collect()
        };
        let plain = |units: &[u16]| units.iter().all(|unit| (0x20..0x7f).contains(unit));
        let short = expression.len() <= LONGEST && name.len() <= LONGEST;
        if pattern.is_wild() && !expression.is_empty() && short && plain(expression) && plain(name)
        {
            // A dot at the end is not one: clients are told another character there.
            let told = folded(&mapping::units(&shown).collect::<Vec<u16>>());
            // `*.*` matches names without a dot, too.
            let expected = pattern.is_everything() || plainly(&folded(expression), &told, &told);
            assert_eq!(matches, expected, "{pattern:?} and {shown:?}");
        }
    }
    let (patterns, name) = split(data);
    if let (Ok(patterns), Ok(name)) = (str::from_utf8(patterns), str::from_utf8(name)) {
        let veto = Veto::new(patterns.split('/'));
        assert!(!veto.matches(name) || !veto.is_empty());
    }
}

/// MS-FSA 2.1.4.4, one rule a line. `whole` is the name from its beginning.
fn plainly(expression: &[char], name: &[char], whole: &[char]) -> bool {
    let Some((&first, rest)) = expression.split_first() else {
        return name.is_empty();
    };
    let next = name.first().copied();
    let here = |rest: &[char]| plainly(rest, name, whole);
    let behind = |expression: &[char]| next.is_some() && plainly(expression, &name[1..], whole);
    match first {
        '*' => here(rest) || behind(expression),
        '?' => behind(rest),
        // DOS_STAR: up to and with the last dot, or to the end of a name that has none.
        '<' => {
            let before_last_dot = name.contains(&'.') || !whole.contains(&'.');
            here(rest) || before_last_dot && behind(expression)
        }
        // DOS_QM: one character that is no dot, or nothing before a dot and at the end.
        '>' => next != Some('.') && behind(rest) || matches!(next, None | Some('.')) && here(rest),
        // DOS_DOT: a dot, or nothing at the end.
        '"' => next == Some('.') && behind(rest) || next.is_none() && here(rest),
        literal => next == Some(literal) && behind(rest),
    }
}
