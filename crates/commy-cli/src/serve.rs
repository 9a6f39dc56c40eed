//! `serve` and `dev-cert`: the coordinator as a daemon.
//!
//! Settings come from the file, what the environment says goes before that, and flags before both.

use crate::demo::Result;
use clap::Args;
use commy_server::{Bootstrap, Config, Server, Tls, dev_certificate};
use std::env::consts::EXE_EXTENSION;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long connections have to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that wait for what others have locked, and open files.
const WAITING_THREADS: usize = 32;

/// Prints a line; a server goes on if nobody reads what it says.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

#[derive(Args)]
pub struct Options {
    /// Settings, a TOML file; an unknown key in it is an error.
    #[arg(long, env = "COMMY_CONFIG")]
    config: Option<PathBuf>,
    /// The folder of the catalog and the segments.
    #[arg(long, env = "COMMY_DATA")]
    data: Option<PathBuf>,
    /// Address and port for WebSockets.
    #[arg(long, env = "COMMY_LISTEN")]
    listen: Option<SocketAddr>,
    /// The certificate for wss, a PEM file.
    #[arg(long, env = "COMMY_CERTIFICATE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, a PEM file.
    #[arg(long, env = "COMMY_KEY_FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Serve ws, without encryption, on a loopback address.
    #[arg(long, env = "COMMY_PLAIN")]
    plain: bool,
    /// The Unix socket.
    #[arg(long, env = "COMMY_SOCKET")]
    socket: Option<PathBuf>,
    /// Make a certificate for development if there is none, and a tenant to try things with, and say what to paste into
    /// another terminal.
    #[arg(long)]
    demo: bool,
}

impl Options {
    fn config(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data = data.clone();
        }
        if let Some(listen) = self.listen {
            config.listen = Some(listen);
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            config.tls = Some(Tls { certificate: certificate.clone(), key: key.clone() });
        }
        if let Some(socket) = &self.socket {
            config.socket = Some(socket.clone());
        }
        config.plain |= self.plain;
        if self.demo && config.tls.is_none() && !config.plain {
            let folder = config.data.join("tls");
            let tls = Tls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
            if !tls.certificate.exists() {
                dev_certificate(&folder, &names(&[]))?;
            }
            config.tls = Some(tls);
        }
        Ok(config)
    }
}

fn names(asked: &[String]) -> Vec<String> {
    if asked.is_empty() { ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec() } else { asked.to_vec() }
}

/// Makes a certificate for development.
#[derive(Args)]
pub struct Certificate {
    /// The folder for cert.pem and key.pem.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A name or address that it is for; localhost unless given.
    #[arg(long = "name")]
    names: Vec<String>,
}

/// `dev-cert`.
pub fn certificate(options: &Certificate) -> Result<()> {
    dev_certificate(&options.folder, &names(&options.names))?;
    let folder = options.folder.display();
    say!("{folder}/cert.pem and {folder}/key.pem are made; clients trust it with --authority {folder}/cert.pem");
    Ok(())
}

/// `serve`.
pub fn run(options: &Options) -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(filter()).with_writer(std::io::stderr).init();
    let mut config = options.config()?;
    config.keeper = std::env::current_exe().ok();
    raise_limits();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(WAITING_THREADS).build()?;
    runtime.block_on(serve(config, options.demo))
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_env("COMMY_LOG").unwrap_or_else(|_| "info".into())
}

/// Lets the server have as many connections open as the system allows it at all.
fn raise_limits() {
    #[cfg(unix)]
    // SAFETY: both calls are given a place for limits, which is valid when zeroed.
    unsafe {
        let mut limits: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) == 0 {
            limits.rlim_cur = limits.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits);
        }
    }
}

async fn serve(config: Config, demo: bool) -> Result<()> {
    let authority = config.tls.as_ref().map(|tls| tls.certificate.clone());
    let (socket, data) = (config.socket(), config.data.clone());
    let (server, bootstrap) = Server::start(config).await?;
    let scheme = if authority.is_some() { "wss" } else { "ws" };
    let url = server.address().map(|address| match address.ip().is_loopback() {
        true => format!("{scheme}://localhost:{}", address.port()),
        false => format!("{scheme}://{address}"),
    });
    #[cfg(unix)]
    say!("serving unix://{}", socket.canonicalize().unwrap_or(socket).display());
    #[cfg(not(unix))]
    let _ = socket;
    if let Some(url) = &url {
        say!("serving {url}");
    }
    if let Some(Bootstrap { key, .. }) = &bootstrap {
        say!("the operator's key, which is shown this once: {key}");
        if let (true, Some(url)) = (demo, &url) {
            say_what_to_paste(url, authority.as_deref(), key).await?;
        }
    } else if demo {
        let data = data.display();
        say!(
            "{data} is there from before: its keys are those shown then; for a new demo remove it, or name another --data"
        );
    }
    say!("ready");
    until_told().await?;
    tracing::info!("stopping");
    server.stop(PATIENCE).await;
    Ok(())
}

/// Makes a tenant with a service and an object, and tells how to use it.
async fn say_what_to_paste(url: &str, authority: Option<&Path>, key: &str) -> Result<()> {
    use commy_client::wire::{Call, Mode, ObjectCreate, Tenant};
    let mut options = commy_client::Options::new();
    if let Some(authority) = authority {
        options = options.authority(authority);
    }
    let client = options.connect(url, commy_client::Credentials::Key(key.to_owned())).await?;
    client.call(None, Call::TenantCreate(Tenant { tenant: "demo".into() })).await?;
    let service = client.service("demo", "shop");
    service.create(Mode::Shared, None).await?;
    let create = ObjectCreate {
        object: "stock".into(),
        r#type: "BTreeMap<String, u64>".into(),
        changes: Some(1000),
        ..ObjectCreate::default()
    };
    service.create_object_as(create).await?;
    say!("\nPaste into a second terminal:\n");
    say!("  export COMMY_KEY={key}");
    if let Some(authority) = authority {
        say!("  export COMMY_AUTHORITY={}", authority.canonicalize()?.display());
    }
    let commy = program();
    say!("  {commy} set {url} demo/shop/stock apples 3\n  {commy} get {url} demo/shop/stock apples");
    say!("  {commy} get {url} demo/shop/stock --watch\n");
    Ok(())
}

/// How this program is called in another terminal: by its name if that is found there, else by its path.
fn program() -> String {
    let Some(own) = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok()) else {
        return "commy".into();
    };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&paths).map(|folder| folder.join("commy").with_extension(EXE_EXTENSION));
    if found.find_map(|path| path.canonicalize().ok()).is_some_and(|first| first == own) {
        return "commy".into();
    }
    let shown = own.display().to_string();
    if shown.contains(char::is_whitespace) { format!("\"{shown}\"") } else { shown }
}

/// Waits for whatever says that the server is to stop.
async fn until_told() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
