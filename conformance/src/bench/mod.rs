//! Speed, CPU time and memory beside Debian's smbd and, as a limit, plain copies over loopback:
//! all three in one run, turn by turn. The load comes from `ksmbd-load` (`conformance/load`).

mod idle;
mod measure;
mod table;

use std::fs;

use crate::clients::Checked;
use crate::config::{Kind, Setup};
use crate::server::{Env, Server, empty};

use measure::{Figures, Sample, measure};

/// One measurement.
#[derive(Clone, Debug)]
struct Row {
    /// What `ksmbd-load` calls it.
    load: &'static str,
    /// A request's size, where there is one.
    size: Option<usize>,
    protection: &'static str,
    clients: usize,
}

impl Row {
    fn new(load: &'static str, clients: usize) -> Self {
        Self { load, size: None, protection: "off", clients }
    }

    fn name(&self) -> String {
        let size = match self.size {
            None => String::new(),
            Some(size) if size >= 1 << 20 => format!(".{}M", size >> 20),
            Some(size) => format!(".{}K", size >> 10),
        };
        let protection = if self.protection == "off" { "plain" } else { self.protection };
        format!("{}{size}.{protection}.{}", self.load, self.clients)
    }

    /// Rates are in bytes, not in operations.
    fn in_bytes(&self) -> bool {
        self.size.is_some()
    }

    /// There is something to compare with that has no protocol.
    fn has_limit(&self) -> bool {
        self.protection == "off" && (self.in_bytes() || self.load.starts_with("random"))
    }
}

/// Loads that count operations.
const SMALL: [&str; 13] = [
    "random-read",
    "random-write",
    "create",
    "stat",
    "delete",
    "list",
    "open",
    "lock",
    "contend",
    "break-lease",
    "break-oplock",
    "notify",
    "connect",
];

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for clients in [1, 8] {
        for protection in ["off", "sign", "encrypt"] {
            for load in ["read", "write"] {
                for size in [64 << 10, 1 << 20, 8 << 20] {
                    rows.push(Row { load, size: Some(size), protection, clients });
                }
            }
        }
        rows.extend(SMALL.map(|load| Row::new(load, clients)));
    }
    rows
}

/// What the command line says.
pub(crate) struct Options {
    rounds: usize,
    seconds: f64,
    filters: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { rounds: 3, seconds: 1.0, filters: Vec::new() };
        for argument in arguments {
            let wrong = || format!("{argument}: usage: bench [--rounds=N] [--seconds=S] [ROW...]");
            match argument.split_once('=') {
                Some(("--rounds", value)) => options.rounds = value.parse().map_err(|_| wrong())?,
                Some(("--seconds", value)) => {
                    options.seconds = value.parse().map_err(|_| wrong())?;
                }
                None if !argument.starts_with('-') => options.filters.push(argument),
                _ => return Err(wrong()),
            }
        }
        Ok(options)
    }
}

/// The servers that are compared.
struct Servers {
    ours: Server,
    samba: Server,
}

/// Measures everything that was chosen; prints a table, and writes `bench.json`.
pub(crate) fn run(env: &Env, options: &Options) -> Result<(), String> {
    let chosen = |row: &Row| {
        let name = row.name();
        options.filters.is_empty()
            || options.filters.iter().any(|filter| crate::expect::matches(filter, &name))
    };
    let rows: Vec<Row> = rows().into_iter().filter(chosen).collect();
    let servers = Servers { ours: start(env, Kind::Ksmbd)?, samba: start(env, Kind::Samba)? };
    let memory = options.filters.is_empty().then(|| idle::measure(&servers)).transpose();
    let memory = memory.map_err(|e| e.to_string())?;
    println!("{}", table::HEAD);
    let mut results = Vec::new();
    for row in rows {
        let figures = one(env, options, &row, &servers).map_err(|e| format!("{}: {e}", row.name()));
        match figures {
            Ok(figures) => {
                println!("{}", table::line(&row, &figures));
                results.push((row, figures));
            }
            Err(e) => println!("{e}"),
        }
    }
    print!("{}", table::summary(&results));
    let sizes = table::sizes(&env.bin);
    if let Some(memory) = &memory {
        print!("{}", idle::lines(memory));
    }
    print!("{sizes}");
    let json = table::json(&results, memory.as_deref().unwrap_or_default());
    let path = env.out.join("bench.json");
    fs::write(&path, json).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut troubles = servers.ours.stop();
    troubles.extend(servers.samba.stop());
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
}

fn start(env: &Env, kind: Kind) -> Result<Server, String> {
    let env = Env { kind, ..env.clone() };
    let large = [
        "smb2 max read = 8388608",
        "smb2 max write = 8388608",
        "smb2 max trans = 8388608",
        "smb2 leases = yes",
    ];
    Server::start(&env, Setup::clients(&format!("bench-{kind:?}").to_lowercase(), &large))
}

/// Several rounds of one row, each server in turn, and each second time the other one first: what one
/// leaves to the disk is not always the same one's burden.
fn one(env: &Env, options: &Options, row: &Row, servers: &Servers) -> Checked<Figures> {
    let mut figures = Figures::default();
    for round in 0..options.rounds {
        let mut turns = [(&servers.ours, &mut figures.ours), (&servers.samba, &mut figures.samba)];
        turns.rotate_left(round % 2);
        for (server, best) in turns {
            let share = server.share_dir("files");
            empty(&share)?;
            match measure(env, row, options.seconds, Some(server), &share) {
                Ok(sample) => best.take(sample),
                Err(e) => println!("{}: {}: {e}", row.name(), server.setup_name()),
            }
            empty(&share)?;
        }
        if row.has_limit() {
            let work = env.work("bench")?;
            let limit = figures.limit.get_or_insert_with(Sample::default);
            limit.take(measure(env, row, options.seconds, None, &work)?);
            empty(&work)?;
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_have_names_of_their_own() {
        let names: BTreeSet<String> = rows().iter().map(Row::name).collect();
        assert_eq!((names.len(), rows().len()), (62, 62));
        assert!(names.contains("read.64K.plain.1") && names.contains("list.plain.8"));
    }
}
