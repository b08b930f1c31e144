//! The guest: an initial RAM disk of Debian's busybox, tcc and kernel modules, booted by QEMU under
//! software emulation. It reaches the host's loopback as 10.0.2.2.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::clients::{Checked, Problem, wrong};
use crate::config::USERS;
use crate::process::{Process, lines, run};
use crate::server::{Env, Server};

const QEMU: &str = "qemu-system-x86_64";
const BUSYBOX: &str = "/bin/busybox";

/// The modules that the guest loads; what they depend on is loaded before them.
const MODULES: [&str; 13] = [
    "virtio_pci",
    "virtio_net",
    "sha256-ssse3",
    "sha512-ssse3",
    "cmac",
    "gcm",
    "ccm",
    "ctr",
    "ghash-generic",
    "seqiv",
    "aesni-intel",
    "nls_utf8",
    "cifs",
];

/// Programs, and directories that a C compiler wants: at the same place in the guest.
const FILES: [&str; 6] = [
    "/usr/bin/tcc",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/x86_64-linux-gnu/libm.so.6",
    "/lib/x86_64-linux-gnu/libdl.so.2",
    "/lib/x86_64-linux-gnu/libpthread.so.0",
];
const DIRECTORIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/tcc",
    "/usr/lib/x86_64-linux-musl",
    "/usr/include/x86_64-linux-musl",
];

/// The source tree that the guest unpacks: this project's own.
const SOURCES: [&str; 3] = ["core/src", "conformance/src", "conformance/suites"];

/// Where `conformance/run` has unpacked the kernel's package.
fn kernel(env: &Env) -> Checked<(PathBuf, PathBuf)> {
    let none = || Problem::CannotRun("there is no kernel package for the guest".into());
    let tree = env.out.join("kernel");
    let first = |directory: &str| -> Option<PathBuf> {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(tree.join(directory)).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
        entries.sort();
        entries.pop()
    };
    let images = fs::read_dir(tree.join("boot")).map_err(|_| none())?;
    let image = images.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
    });
    let modules = first("lib/modules").filter(|path| path.join("modules.dep").exists());
    image.zip(modules).ok_or_else(none)
}

/// Whether this machine has what the guest needs.
pub(super) fn possible(env: &Env) -> Checked {
    if Command::new(QEMU).arg("--version").output().is_err() {
        return Err(Problem::CannotRun(format!("{QEMU} is not installed")));
    }
    for needed in [BUSYBOX].iter().chain(&FILES).chain(&DIRECTORIES) {
        if !Path::new(needed).exists() {
            return Err(Problem::CannotRun(format!("there is no {needed} for the guest")));
        }
    }
    kernel(env).map(drop)
}

/// `modules.dep` as a map from a module's name to its file and the files it depends on.
fn dependencies(text: &str) -> BTreeMap<&str, (&str, Vec<&str>)> {
    text.lines()
        .filter_map(|line| {
            let (file, needs) = line.split_once(':')?;
            Some((module(file), (file, needs.split_whitespace().collect())))
        })
        .collect()
}

fn module(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".ko").unwrap_or(name)
}

/// The files to load for `names`, each behind what it needs.
fn load_order<'a>(text: &'a str, names: &[&'a str]) -> Vec<&'a str> {
    fn visit<'a>(
        name: &str,
        known: &BTreeMap<&'a str, (&'a str, Vec<&'a str>)>,
        order: &mut Vec<&'a str>,
    ) {
        let Some((file, needs)) = known.get(name) else {
            return;
        };
        if order.contains(file) {
            return;
        }
        for need in needs.iter().rev() {
            visit(module(need), known, order);
        }
        order.push(file);
    }
    let known = dependencies(text);
    let mut order = Vec::new();
    for name in names {
        visit(name, &known, &mut order);
    }
    order
}

/// A running guest.
pub(super) struct Guest {
    // Ended when it is dropped.
    _process: Process,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Guest {
    /// Builds the RAM disk with `plan` in it, and boots.
    pub(super) fn prepare(env: &Env, server: &Server, plan: &str) -> Checked<Self> {
        let (image, modules) = kernel(env)?;
        let work = env.work("kernel")?;
        let root = work.join("root");
        for directory in ["bin", "dev", "proc", "sys", "tmp", "mnt", "modules"] {
            fs::create_dir_all(root.join(directory))?;
        }
        install_modules(&modules, &root)?;
        install_programs(&root, &work)?;
        pack_sources(&root, &work.join("source"))?;
        let settings = format!(
            "PORT={}\nNAME={}\nPASSWORD={}\nSEED=20240607\n",
            server.port, USERS[0].0, USERS[0].1
        );
        fs::write(root.join("settings"), settings)?;
        fs::write(root.join("plan"), plan)?;
        let disk = work.join("disk");
        let pack = format!("find . | {BUSYBOX} cpio -o -H newc >{} 2>/dev/null", disk.display());
        shell(&root, &pack)?;
        Self::boot(env, &image, &disk)
    }

    fn boot(env: &Env, image: &Path, disk: &Path) -> Checked<Self> {
        let mut command = Command::new(QEMU);
        command
            .args(["-nodefaults", "-no-reboot", "-display", "none", "-m", "384"])
            // `-cpu max` gave spurious traps under emulation.
            .args(["-accel", "tcg", "-cpu", "Westmere"])
            .arg("-kernel")
            .arg(image)
            .arg("-initrd")
            .arg(disk)
            .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"])
            .arg("-serial")
            .arg(format!("file:{}", env.out.join("kernel.console").display()))
            .args(["-serial", "stdio", "-netdev", "user,id=net"])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let child = process.child();
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return wrong("no serial line");
        };
        let lines = lines(output);
        Ok(Self { _process: process, input, lines })
    }

    /// What it says next.
    pub(super) fn line(&self, limit: Duration) -> Option<String> {
        self.lines.recv_timeout(limit).ok()
    }

    pub(super) fn answer(&mut self, word: &str) -> Checked {
        writeln!(self.input, "{word}")?;
        Ok(self.input.flush()?)
    }

    /// The last lines of the guest's console.
    pub(super) fn console_tail(&self, env: &Env) -> String {
        let text = fs::read(env.out.join("kernel.console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

fn install_modules(modules: &Path, root: &Path) -> Checked {
    let text = fs::read_to_string(modules.join("modules.dep"))?;
    let mut order = String::new();
    for file in load_order(&text, &MODULES) {
        fs::copy(modules.join(file), root.join("modules").join(format!("{}.ko", module(file))))?;
        order += &format!("{}\n", module(file));
    }
    Ok(fs::write(root.join("modules/order"), order)?)
}

/// busybox, a C compiler, and the helper, which that compiler builds here first.
fn install_programs(root: &Path, work: &Path) -> Checked {
    let own = Path::new("conformance/kernel");
    fs::copy(BUSYBOX, root.join("bin/busybox"))?;
    for name in ["init", "checks.sh"] {
        fs::copy(own.join(name), root.join(name))?;
    }
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    for file in FILES {
        let to = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        fs::copy(file, to)?;
    }
    let (root, work, own) = (root.display(), work.display(), own.display());
    for directory in DIRECTORIES {
        shell(
            Path::new("."),
            &format!("mkdir -p {root}{directory} && cp -r {directory}/. {root}{directory}"),
        )?;
    }
    shell(
        Path::new("."),
        &format!(
            "cp -r {own}/helper {work}/helper && cp -r {own}/helper {root}/helper-source && \
             cd {work}/helper && sh ./build.sh && mv helper {root}/bin/"
        ),
    )
}

/// Copies the source tree, and packs it for the guest with its checksums.
fn pack_sources(root: &Path, source: &Path) -> Checked {
    fs::create_dir_all(source)?;
    let (to, root) = (source.display(), root.display());
    shell(
        Path::new("."),
        &format!(
            "cp -r --parents {} {to} && cd {to} && tar -cf {root}/source.tar . && \
             find . -type f -exec md5sum {{}} + >{root}/source.md5",
            SOURCES.join(" ")
        ),
    )
}

fn shell(directory: &Path, script: &str) -> Checked {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(directory);
    let output = run(&mut command, b"", Duration::from_secs(60))?;
    if output.success() {
        return Ok(());
    }
    wrong(format!("building the guest: {}: {}", output.ending(), output.tail()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_loaded_behind_what_they_need() {
        let text =
            "a/virtio.ko:\na/ring.ko: a/virtio.ko\nb/net.ko: a/ring.ko a/virtio.ko\nc/x.ko:\n";
        assert_eq!(
            load_order(text, &["net", "x", "ring"]),
            ["a/virtio.ko", "a/ring.ko", "b/net.ko", "c/x.ko"]
        );
        assert!(load_order(text, &["missing"]).is_empty());
    }
}
