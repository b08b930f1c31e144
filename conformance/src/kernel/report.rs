//! What the guest says over its second serial line, a line at a time.

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The guest's clock when it begins.
    Booted(String),
    /// A check begins.
    Begin(String),
    Ok(String),
    /// A check failed, and why.
    Bad(String, String),
    /// Something is to be done that the guest cannot do; it waits for the answer.
    Ask(String),
    /// A long check has come further.
    Step,
    End,
}

impl Report {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), ""));
        let rest = rest.to_owned();
        Some(match word {
            "booted" => Self::Booted(rest),
            "begin" => Self::Begin(rest),
            "ok" => Self::Ok(rest),
            "bad" => {
                let (name, why) = rest.split_once(' ')?;
                Self::Bad(name.to_owned(), why.trim().to_owned())
            }
            "ask" => Self::Ask(rest),
            "step" => Self::Step,
            "end" => Self::End,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        assert_eq!(Report::parse("ok kernel.a.b\r\n"), Some(Report::Ok("kernel.a.b".into())));
        let bad = Report::Bad("kernel.a.b".into(), "ended with 1: no such file".into());
        assert_eq!(Report::parse("bad kernel.a.b ended with 1: no such file \n"), Some(bad));
        assert_eq!(Report::parse("ask restart\n"), Some(Report::Ask("restart".into())));
        assert_eq!(Report::parse("step 100\n"), Some(Report::Step));
        assert_eq!(Report::parse("end\n"), Some(Report::End));
        assert_eq!(Report::parse("[    2.1] a kernel message"), None);
    }
}
