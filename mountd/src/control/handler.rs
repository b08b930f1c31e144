//! What the server does for `ksmbd.control`.

use std::sync::Arc;

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::raise;

use super::socket::Handler;
use super::{Answer, Command, report, text};
use crate::logger;
use crate::serve::reload;
use crate::server::Server;
use crate::state::Source;

/// A running server, and the files that it is made of.
pub struct ServerHandler {
    /// The server.
    pub server: Arc<Server>,
    /// For reloads.
    pub source: Source,
}

impl Handler for ServerHandler {
    fn handle(&self, command: &Command) -> Answer {
        match command {
            // The main thread waits for signals, and for nothing else.
            Command::Shutdown => {
                raise(SIGTERM).map_err(|error| error.to_string()).map(|()| "stopping".to_owned())
            }
            Command::Reload => reload(&self.server, &self.source),
            Command::List => Ok(self.list()),
            Command::Debug(component) => logger::toggle(component),
            Command::Version => Ok(env!("CARGO_PKG_VERSION").to_owned()),
            Command::Status => {
                Ok(text::status(&self.server.status(), &self.server.current().get().settings))
            }
            Command::StatusJson => {
                let settings = &self.server.current().get().settings;
                Ok(report::status(&self.server.status(), settings).to_string())
            }
        }
    }
}

impl ServerHandler {
    /// A share a line: its name, and where it is.
    fn list(&self) -> String {
        let state = self.server.current().get();
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
}
