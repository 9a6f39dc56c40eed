//! A server: what all connections share, how it starts and how it stops.

use crate::catalog::{By, Catalog, Denials};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Patient;
use crate::identity::Tokens;
use crate::listen::{Listener, Threads};
use crate::metrics::Metrics;
use crate::policy::Node;
use crate::services::Services;
use crate::usage::Usages;
use commy_wire::{Failure, PrincipalKind, Subject};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;

/// How often the server looks for what programs have changed in segments that they have mapped, while somebody waits for that.
const LOOK_AROUND: Duration = Duration::from_millis(2);
/// How often connections look at the time.
const SECOND: Duration = Duration::from_secs(1);
/// Looks until those are forgotten who do not wait any more.
const SWEEP: u64 = 250;

/// What all connections share.
pub struct Shared {
    pub config: Config,
    pub catalog: Arc<Catalog>,
    pub services: Services,
    pub tokens: Option<Tokens>,
    pub usages: Usages,
    pub denials: Denials,
    pub metrics: Metrics,
    pub patient: Patient,
    #[cfg(unix)]
    pub handover: crate::handover::Tickets,
    #[cfg(unix)]
    pub processes: crate::rotation::Processes,
    /// Whether it is stopping.
    pub stopping: watch::Sender<bool>,
    /// Told each second, for all connections: clocks of their own would be looked at with each frame.
    pub seconds: watch::Sender<()>,
    /// Held by every connection; when all have let go, they have ended.
    pub busy: watch::Sender<()>,
}

/// A server that runs.
pub struct Server {
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    threads: Arc<Threads>,
    writer: tokio::task::JoinHandle<()>,
    /// Keeps a second server from the same folder.
    _lock: File,
}

/// Waits until the server is to stop.
pub async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// What the first start of a server tells: its operator's key, this once.
#[derive(Debug)]
pub struct Bootstrap {
    /// The key.
    pub key: String,
    /// Its principal.
    pub principal: u64,
}

fn said(failure: Failure) -> String {
    failure.message
}

impl Server {
    /// Starts a server. If its catalog has no principals yet, it makes one that may do everything and gives its key.
    ///
    /// # Errors
    /// What is wrong with the configuration; what cannot be opened: then nothing is served.
    pub async fn start(config: Config) -> Result<(Server, Option<Bootstrap>), String> {
        Server::start_with(config, Clock::default()).await
    }

    /// The same with another clock than the system's.
    ///
    /// # Errors
    /// As [`start`](Server::start).
    pub async fn start_with(mut config: Config, clock: Clock) -> Result<(Server, Option<Bootstrap>), String> {
        config.check()?;
        let listener = Listener::new(&config).await?;
        make_folder(&config.data).map_err(|error| format!("{}: {error}", config.data.display()))?;
        // Clients elsewhere are told of paths.
        let whole = |path: PathBuf| std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()));
        config.data = whole(config.data)?;
        config.socket = config.socket.map(whole).transpose()?;
        let lock = lock(&config)?;
        let catalog = Arc::new(Catalog::open(&config.data.join("catalog.db"), clock).await?);
        let bootstrap = bootstrap(&catalog).await.map_err(said)?;
        let services = Services::new(&config, &catalog.policy());
        let services = services.map_err(|error| format!("the segments of the services: {error}"))?;
        let tokens = config.jwt.as_ref().map(Tokens::new).transpose()?;
        let (denials, writer) = Denials::to(catalog.clone());
        let shared = Arc::new(Shared {
            catalog,
            services,
            tokens,
            usages: Usages::default(),
            denials,
            metrics: Metrics::new(),
            patient: Patient::new(),
            #[cfg(unix)]
            handover: crate::handover::Tickets::default(),
            #[cfg(unix)]
            processes: crate::rotation::Processes::default(),
            stopping: watch::Sender::new(false),
            seconds: watch::Sender::new(()),
            busy: watch::Sender::new(()),
            config,
        });
        let address = listener.address();
        let (mut tasks, threads) = listener.serve(&shared)?;
        let looking = shared.clone();
        tasks.push(tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOOK_AROUND);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for look in 1.. {
                looking.metrics.looks.fetch_add(1, Relaxed);
                if !looking.services.look_around(look % SWEEP == 0) {
                    // Nobody waits for anything: there is nothing to be looked for until somebody does.
                    looking.services.awaited.notified().await;
                }
                tick.tick().await;
            }
        }));
        let ticking = shared.clone();
        tasks.push(tokio::spawn(async move {
            let mut tick = tokio::time::interval(SECOND);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tick.tick().await;
                ticking.seconds.send_replace(());
            }
        }));
        #[cfg(unix)]
        tasks.push(tokio::spawn(crate::rotation::serve(shared.clone())));
        let saving = shared.clone();
        tasks.push(tokio::spawn(async move {
            let period = Duration::from_secs(saving.config.checkpoint);
            let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let shared = saving.clone();
                let _ = tokio::task::spawn_blocking(move || shared.services.checkpoint()).await;
            }
        }));
        Ok((Server { shared, address, tasks, threads, writer, _lock: lock }, bootstrap))
    }

    /// The address that it listens at, with the port that it got if none was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many connections it has.
    pub fn connections(&self) -> u64 {
        self.shared.metrics.connections.load(Relaxed)
    }

    /// Stops: takes no more connections, ends those there are with 1001, and puts everything on the disk. Waits for
    /// connections for so long.
    pub async fn stop(self, patience: Duration) {
        let Server { shared, tasks, threads, writer, .. } = self;
        shared.stopping.send_replace(true);
        tasks.iter().for_each(|task| task.abort());
        let _ = tokio::time::timeout(patience, shared.busy.closed()).await;
        drop(threads);
        let at_end = shared.clone();
        let _ = tokio::task::spawn_blocking(move || at_end.services.close()).await;
        let catalog = shared.catalog.clone();
        drop(shared);
        // Who denied something has let go of the queue; what is in it is written.
        let _ = tokio::time::timeout(patience, writer).await;
        catalog.close().await;
    }
}

/// Makes a folder, and those above it, for the server's user alone.
pub fn make_folder(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn lock(config: &Config) -> Result<File, String> {
    let path = config.data.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    file.try_lock().map_err(|_| format!("another server has the folder {}", config.data.display()))?;
    Ok(file)
}

/// Makes the first operator, if there is no principal.
async fn bootstrap(catalog: &Catalog) -> Result<Option<Bootstrap>, Failure> {
    let policy = catalog.policy();
    let by = By { principal: None, action: "bootstrap" };
    let principal = match policy.principals.values().next() {
        None => catalog.create_principal(&by, None, "operator", &PrincipalKind::Key).await?,
        // It was killed before the key was made.
        Some(one) if policy.principals.len() == 1 && policy.keys.is_empty() && policy.grants.is_empty() => one.id,
        Some(_) => return Ok(None),
    };
    let key = catalog.create_key(&by, None, principal, None).await?;
    let all = |_| commy_wire::Permissions::ALL;
    catalog.change_grant(&by, Subject::Principal(principal), Node::Server, all).await?;
    Ok(Some(Bootstrap { key: key.secret, principal }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use commy_client::{Client, Credentials};
    use commy_wire::{Call, Mode, Tenant};
    use std::time::Instant;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn segments_are_looked_at_only_while_somebody_waits_for_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let config = Config { data: dir.path().join("data"), listen, plain: true, ..Config::default() };
        let (server, bootstrap) = Server::start(config).await.unwrap();
        let url = format!("ws://{}", server.address().unwrap());
        let client = Client::connect(&url, Credentials::Key(bootstrap.unwrap().key)).await.unwrap();
        client.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
        let service = client.service("acme", "orders");
        service.create(Mode::Served, None).await.unwrap();
        let stock = service.create_object("stock", "u64").await.unwrap();
        let looks = || server.shared().metrics.looks.load(Relaxed);
        // Long enough for hundreds, if it looked.
        let quiet = async || {
            let before = looks();
            tokio::time::sleep(Duration::from_millis(500)).await;
            looks() - before
        };
        assert!(quiet().await <= 1, "it looks at segments that nobody waits for");
        let mut watch = stock.watch("").await.unwrap();
        watch.next().await.unwrap();
        assert!(quiet().await > 10, "it does not look for changes that somebody waits for");
        drop(watch);
        let begin = Instant::now();
        while quiet().await > 0 {
            assert!(begin.elapsed() < Duration::from_secs(60), "it goes on looking");
        }
    }
}
