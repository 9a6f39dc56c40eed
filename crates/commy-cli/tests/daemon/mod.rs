//! `commy serve` as a process of a test's own.

use commy_client::{Client, Credentials, Options};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Long enough for whatever will happen at all.
pub const LONG: Duration = Duration::from_secs(60);

/// A server, killed when it is dropped.
pub struct Daemon {
    pub child: Child,
    pub url: String,
    /// The operator's key, of the first start.
    pub key: Option<String>,
}

impl Daemon {
    /// Starts `commy serve` in a folder, and waits until it serves.
    pub fn start(folder: &Path, arguments: &[&str]) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
        command.args(["serve", "--plain", "--listen", "127.0.0.1:0", "--data", "data"]).args(arguments);
        command.env("COMMY_LOG", "warn").current_dir(folder);
        Daemon::run(command)
    }

    /// Starts it as this says, and waits until it serves.
    pub fn run(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("the server ended").unwrap();
        let _socket = line();
        let url = line().strip_prefix("serving ").unwrap().to_owned();
        // The first start tells a key.
        let told = line();
        let key = told.contains("key").then(|| told.rsplit_once(": ").unwrap().1.to_owned());
        Daemon { child, url, key }
    }

    /// Kills it as a failure would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A client that does not wait for a server to come back.
    pub async fn client(&self, key: &str) -> Client {
        let options = Options::new().patience(Duration::ZERO);
        options.connect(&self.url, Credentials::Key(key.into())).await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
