//! A server: what all connections share, how it starts and how it stops.

use crate::catalog::{By, Catalog, Denials};
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

/// How often the server looks for what programs have changed in segments that they have mapped.
const LOOK_AROUND: Duration = Duration::from_millis(2);

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
    /// Whether it is stopping.
    pub stopping: watch::Sender<bool>,
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
    pub async fn start(mut config: Config) -> Result<(Server, Option<Bootstrap>), String> {
        config.check()?;
        let listener = Listener::new(&config).await?;
        make_folder(&config.data).map_err(|error| format!("{}: {error}", config.data.display()))?;
        // Clients elsewhere are told of paths.
        let whole = |path: PathBuf| std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()));
        config.data = whole(config.data)?;
        config.socket = config.socket.map(whole).transpose()?;
        let lock = lock(&config)?;
        let catalog = Arc::new(Catalog::open(&config.data.join("catalog.db")).await?);
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
            stopping: watch::Sender::new(false),
            busy: watch::Sender::new(()),
            config,
        });
        let address = listener.address();
        let (mut tasks, threads) = listener.serve(&shared)?;
        let looking = shared.clone();
        tasks.push(tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOOK_AROUND);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                looking.services.look_around();
            }
        }));
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
