//! Letting somebody change a section in an editor.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::termios::isatty;

/// What a new share begins with.
const TEMPLATE: &str = concat!(
    "    path =\n",
    "#   comment =\n",
    "#   read only = no\n",
    "#   guest ok = no\n",
    "#   valid users =\n",
);

/// A section as it is edited, in a file of its own; the file goes when this is dropped.
pub(crate) struct Draft {
    path: PathBuf,
    share: String,
}

impl Draft {
    /// Writes the section's lines into a file; for a new share, what it may begin with.
    pub(crate) fn new(share: &str, body: Option<&[u8]>) -> Result<Self, String> {
        let mut text = format!("[{share}]\n").into_bytes();
        text.extend(body.unwrap_or(TEMPLATE.as_bytes()));
        for number in 0..100 {
            let name = format!("ksmbd.addshare-{}-{number}.conf", std::process::id());
            let path = env::temp_dir().join(name);
            let mut file =
                match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    Err(error) => {
                        return Err(format!("{}: cannot make it: {error}", path.display()));
                    }
                };
            let draft = Self { path, share: share.to_owned() };
            return match file.write_all(&text) {
                Ok(()) => Ok(draft),
                Err(error) => Err(format!("{}: cannot write it: {error}", draft.path.display())),
            };
        }
        Err(format!("{}: no name is free there", env::temp_dir().display()))
    }

    /// Opens the editor, and returns the section's lines as they are then.
    pub(crate) fn edit(&self) -> Result<Vec<u8>, String> {
        run_editor(&self.path)?;
        let text = fs::read(&self.path)
            .map_err(|error| format!("{}: cannot read it: {error}", self.path.display()))?;
        body(&text, &self.share)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What is below the header. Another section cannot be made on the way.
fn body(text: &[u8], share: &str) -> Result<Vec<u8>, String> {
    let mut headers = 0;
    let mut body = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let is_header = line.trim_ascii_start().starts_with(b"[");
        headers += usize::from(is_header);
        if is_header && headers > 1 {
            return Err(format!("there is a second section below [{share}]; nothing was changed"));
        }
        if is_header {
            let name = String::from_utf8_lossy(line);
            let name = name.split(['#', ';']).next().unwrap_or_default().trim();
            if name.to_lowercase() != format!("[{}]", share.to_lowercase()) {
                return Err(format!("[{share}] has become {name}; add another share instead"));
            }
        } else if headers == 1 {
            body.extend(line);
        } else if !line.trim_ascii().is_empty() {
            return Err(format!("there is a line above [{share}]; write it below"));
        }
    }
    match headers {
        0 => Err(format!("[{share}] is gone; nothing was changed")),
        _ => Ok(body),
    }
}

/// The editor may have arguments of its own: the shell takes it apart.
fn run_editor(path: &Path) -> Result<(), String> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut script = OsString::from("exec ");
    script.push(&editor);
    script.push(" \"$1\"");
    let status = Command::new("sh").arg("-c").arg(script).arg("sh").arg(path).status();
    let editor = editor.to_string_lossy();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the editor `{editor}` failed ({status}); nothing was changed")),
        Err(error) => Err(format!("cannot run the editor `{editor}`: {error}")),
    }
}

/// Asks whether to edit once more. Without a terminal there is nobody to ask.
pub(crate) fn once_more() -> bool {
    let stdin = io::stdin();
    if !isatty(&stdin) {
        return false;
    }
    let _ = io::stderr().write_all(b"Edit it again? [Y/n] ");
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line).unwrap_or_default();
    read > 0 && !line.trim_start().to_ascii_lowercase().starts_with('n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_back() {
        let right = |text: &str| body(text.as_bytes(), "My Share").expect("right");
        assert_eq!(right("[My Share]\n  path = /x\n# c\n"), b"  path = /x\n# c\n");
        assert_eq!(right("\n [my share] # c\npath = /x"), b"path = /x");
        assert_eq!(right("[My Share]\n"), b"");
        for (text, expected) in [
            ("", "[My Share] is gone"),
            ("path = /x\n[My Share]\n", "there is a line above [My Share]"),
            ("[Other]\npath = /x\n", "[My Share] has become [Other]; add another share"),
            ("[My Share]\n[b]\n", "there is a second section below [My Share]"),
        ] {
            let error = body(text.as_bytes(), "My Share").expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_draft_is_private_and_goes() {
        use std::os::unix::fs::MetadataExt;
        let draft = Draft::new("a", Some(b"path = /x\n")).expect("made");
        let other = Draft::new("a", None).expect("made");
        assert_eq!(fs::read(&draft.path).expect("file"), b"[a]\npath = /x\n");
        assert!(fs::read_to_string(&other.path).expect("file").starts_with("[a]\n    path =\n"));
        assert_eq!(fs::metadata(&draft.path).expect("file").mode() & 0o777, 0o600);
        let path = draft.path.clone();
        drop(draft);
        assert!(!path.exists() && other.path.exists());
    }
}
