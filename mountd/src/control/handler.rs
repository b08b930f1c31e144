//! What the server does for `ksmbd.control`.

use std::sync::Arc;

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::raise;

use super::socket::Handler;
use super::{Answer, Command, report, text};
use crate::logger;
use crate::reload::Reloader;
use crate::server::Server;

/// Answers for a running server.
pub struct ServerHandler(pub Arc<Reloader>);

impl Handler for ServerHandler {
    fn handle(&self, command: &Command) -> Answer {
        let server = || self.0.server().ok_or_else(|| "the server is stopping".to_owned());
        match command {
            // The main thread waits for signals, and for nothing else.
            Command::Shutdown => {
                raise(SIGTERM).map_err(|error| error.to_string()).map(|()| "stopping".to_owned())
            }
            Command::Reload => self.0.reload(),
            Command::List => Ok(list(&*server()?)),
            Command::Debug(component) => logger::toggle(component),
            Command::Version => Ok(env!("CARGO_PKG_VERSION").to_owned()),
            Command::Status => {
                let server = server()?;
                Ok(text::status(&server.status(), &server.current().get().settings))
            }
            Command::StatusJson => {
                let server = server()?;
                let settings = &server.current().get().settings;
                Ok(report::status(&server.status(), settings).to_string())
            }
        }
    }
}

/// A share a line: its name, and where it is.
fn list(server: &Server) -> String {
    let state = server.current().get();
    let lines = state.settings.shares.iter().map(|settings| {
        let share = &settings.share;
        if settings.is_ipc() {
            share.name.clone()
        } else {
            format!("{}\t{}", share.name, share.path)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
