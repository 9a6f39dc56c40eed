//! How a server is set up.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// All settings; those that are not given have defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder with the catalog and the segments.
    pub data: PathBuf,
    /// Where it listens for WebSockets; none: on the Unix socket only.
    pub listen: Option<SocketAddr>,
    /// The certificate and key for `wss`.
    pub tls: Option<Tls>,
    /// Serve `ws`, without encryption. Only on a loopback address.
    pub plain: bool,
    /// The Unix socket; in the data folder unless given.
    pub socket: Option<PathBuf>,
    /// Tokens that tell who somebody is.
    pub jwt: Option<Jwt>,
    /// Threads that serve connections; half as many as there are processors unless given.
    pub threads: Option<NonZeroUsize>,
    /// Seconds between two checkpoints of a service that is in memory.
    pub checkpoint: u64,
    /// The program that is run as `program keeper` to hold memory over the server's death; `commy` gives itself. None: after
    /// the server's death such services have what the last checkpoint has.
    #[serde(skip)]
    pub keeper: Option<PathBuf>,
    /// What clients may use up.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("commy-data"),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 7440))),
            tls: None,
            plain: false,
            socket: None,
            jwt: None,
            threads: None,
            checkpoint: 10,
            keeper: None,
            limits: Limits::default(),
        }
    }
}

/// Files in PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that it was signed by.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Which tokens are believed. They tell who somebody is, never what is granted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The one algorithm: RS256, ES256 or EdDSA.
    pub algorithm: String,
    /// The public key of who signs them, a PEM file.
    pub key: PathBuf,
    /// Who must have issued them.
    pub issuer: String,
    /// For whom they must be.
    pub audience: String,
}

/// What clients may use up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a frame, from clients and to them.
    pub frame: usize,
    /// Operations of a batch.
    pub batch: usize,
    /// Requests in flight, of a principal.
    pub in_flight: usize,
    /// Connections, of a principal.
    pub connections: usize,
    /// Connections, of all.
    pub all_connections: usize,
    /// Watches, of a connection.
    pub watches: usize,
    /// Seconds until a client must have shown who it is.
    pub authenticate: u64,
    /// Seconds of silence after which the server sends a ping; after three times that it closes.
    pub idle: u64,
    /// Seconds that a request waits for an object which somebody has locked.
    pub lock: u64,
    /// Bytes of a service, unless asked for.
    pub quota: u64,
    /// Bytes of a service that can be asked for.
    pub largest_quota: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame: 1 << 20,
            batch: 1000,
            in_flight: 1024,
            connections: 4096,
            all_connections: 10_000,
            watches: 1024,
            authenticate: 10,
            idle: 30,
            lock: 2,
            quota: 64 << 20,
            largest_quota: 1 << 40,
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, and where; a key that there is not is wrong.
    pub fn read(path: &Path) -> Result<Config, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What contradicts itself, or is not safe.
    ///
    /// # Errors
    /// The text says what to do about it.
    pub fn check(&self) -> Result<(), String> {
        if let Some(address) = self.listen {
            match (&self.tls, self.plain) {
                (Some(_), true) => return Err("tls and plain exclude each other".into()),
                (None, false) => {
                    return Err("no tls: give a certificate (commy dev-cert makes one), or plain for loopback".into());
                }
                (None, true) if !address.ip().is_loopback() => {
                    return Err(format!(
                        "{address} is no loopback address: plain is for those only, give a certificate"
                    ));
                }
                _ => {}
            }
        }
        if self.checkpoint == 0 {
            return Err("checkpoint is 0, it must be 1 second at least".into());
        }
        let limits = &self.limits;
        for (name, value, least) in [
            ("frame", limits.frame, 1024),
            ("batch", limits.batch, 1),
            ("in_flight", limits.in_flight, 1),
            ("connections", limits.connections, 1),
            ("all_connections", limits.all_connections, 1),
            ("idle", limits.idle as usize, 1),
            ("authenticate", limits.authenticate as usize, 1),
        ] {
            if value < least {
                return Err(format!("limits.{name} is {value}, it must be {least} at least"));
            }
        }
        Ok(())
    }

    /// How many threads serve connections. Half the processors are left to who is served, and to the mapped processes: more
    /// threads would take turns with them, and be put to sleep and woken with every frame instead of finding the next.
    pub fn threads(&self) -> usize {
        let half = || std::thread::available_parallelism().map_or(1, |all| (all.get() / 2).max(1));
        self.threads.map_or_else(half, NonZeroUsize::get)
    }

    /// The Unix socket for WebSockets.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data.join("commy.sock"))
    }

    /// The Unix socket at which segments are handed over.
    pub fn handover(&self) -> PathBuf {
        let mut path = self.socket().into_os_string();
        path.push(".map");
        path.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = toml::from_str::<Config>("plane = true").unwrap_err().to_string();
        assert!(error.contains("plane"), "{error}");
        let error = toml::from_str::<Config>("[limits]\nfram = 1").unwrap_err().to_string();
        assert!(error.contains("fram"), "{error}");
        assert_eq!(toml::from_str::<Config>("[limits]\nframe = 5000").unwrap().limits.frame, 5000);
    }

    #[test]
    fn without_encryption_it_listens_on_loopback_only_and_only_when_asked() {
        assert!(Config::default().check().is_err());
        let plain = Config { plain: true, ..Config::default() };
        plain.check().unwrap();
        let abroad = Config { listen: Some("0.0.0.0:7440".parse().unwrap()), ..plain };
        assert!(abroad.check().unwrap_err().contains("loopback"));
        Config { listen: None, plain: false, ..abroad }.check().unwrap();
    }
}
