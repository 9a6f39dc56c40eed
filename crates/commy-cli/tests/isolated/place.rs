//! A server with a service that programs map, and programs that do.

use crate::daemon::{Daemon, LONG};
use commy_client::wire::{At, Call, Code, Grant, KeyCreate, Mode, Permission, PrincipalCreate, PrincipalKind};
use commy_client::wire::{Reply, Subject, Tenant};
use commy_client::{Client, Service};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The other user: nobody, on most systems.
pub const OTHER: u32 = 65534;
pub const QUOTA: u64 = 2 << 20;

pub fn is_root() -> bool {
    // SAFETY: it takes nothing and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a hostile program of another user can be started. Where it cannot, that is said.
pub fn another_user_can_be_had(test: &str) -> bool {
    if !is_root() {
        // Not captured, so that it is seen.
        let _ = writeln!(std::io::stderr(), "{test}: NOT TESTED, it needs root to start a program as another user");
    }
    is_root()
}

pub const READ: &[Permission] = &[Permission::ServiceRead];
pub const WRITE: &[Permission] = &[Permission::ServiceRead, Permission::ServiceWrite];

/// A server with an isolated service `acme/near`, at a socket that all users can reach.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub daemon: Daemon,
    pub operator: String,
}

impl Place {
    /// One that is isolated.
    pub async fn new() -> Place {
        Place::with(Mode::Isolated).await
    }

    /// One of that mode.
    pub async fn with(mode: Mode) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let daemon = Place::start(&dir);
        Place::of(dir, daemon, mode).await
    }

    /// That of a server that was started in a folder.
    pub async fn of(dir: tempfile::TempDir, daemon: Daemon, mode: Mode) -> Place {
        let operator = daemon.key.clone().unwrap();
        let place = Place { dir, daemon, operator };
        let client = place.client().await;
        client.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
        let near = client.service("acme", "near");
        near.create(mode, Some(QUOTA)).await.unwrap();
        near.create_object_with("list", "Vec<u64>", &[1u64, 2, 3]).await.unwrap();
        place
    }

    /// Starts the server.
    pub fn start(dir: &tempfile::TempDir) -> Daemon {
        std::fs::write(dir.path().join("commy.toml"), "checkpoint = 1\n[limits]\nlock = 1\n").unwrap();
        Daemon::start(dir.path(), &["--config", "commy.toml", "--socket", "commy.sock"])
    }

    /// Kills the server and starts it again.
    pub fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = Place::start(&self.dir);
    }

    /// A client that may do everything.
    pub async fn client(&self) -> Client {
        self.daemon.client(&self.operator).await
    }

    /// The service, for that one.
    pub async fn near(&self) -> Service {
        self.client().await.service("acme", "near")
    }

    /// A new principal with these permissions at the service, and its key.
    pub async fn principal(&self, permissions: &[Permission]) -> (u64, String) {
        let client = self.client().await;
        let create = PrincipalCreate { name: "other".into(), tenant: None, kind: PrincipalKind::Key };
        let Reply::Principal(made) = client.call(None, Call::PrincipalCreate(create)).await.unwrap() else { panic!() };
        let grant = Grant {
            to: Subject::Principal(made.id),
            at: At { tenant: Some("acme".into()), service: Some("near".into()), object: None },
            permissions: permissions.iter().copied().collect(),
        };
        client.call(None, Call::GrantAdd(grant)).await.unwrap();
        let create = KeyCreate { principal: made.id, expires_in: None };
        let Reply::Key(key) = client.call(None, Call::KeyCreate(create)).await.unwrap() else { panic!() };
        (made.id, key.secret)
    }

    /// Starts a part of the hostile side as another user, or as this one, and waits until it says that it is ready.
    pub async fn hostile(&self, part: &str, permissions: &[Permission], user: Option<u32>) -> Hostile {
        let (principal, key) = self.principal(permissions).await;
        // By this name it is found whatever folders are in between.
        let mut command = Command::new("/proc/self/exe");
        command.args(["--exact", "hostile", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("COMMY_TEST_PART", part).env("COMMY_TEST_KEY", key).current_dir("/");
        command.env("COMMY_TEST_SERVER", self.daemon.child.id().to_string());
        command.env("COMMY_TEST_FOLDER", self.dir.path());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut hostile = Hostile { principal, child, stdin, lines: stdout.lines() };
        hostile.until("ready");
        hostile
    }

    /// That the server goes on, and the other service of its, too.
    pub async fn is_well(&self) {
        let client = self.client().await;
        let other = client.service("acme", "other");
        let _ = other.create(Mode::Served, None).await;
        let count = other.create_object("count", "u64").await;
        count.map(drop).or_else(|error| if error.code() == Some(Code::Exists) { Ok(()) } else { Err(error) }).unwrap();
        other.object("count").set("", &1u64).await.unwrap();
    }

    /// The process that keeps the memory.
    pub fn keeper(&self) -> i32 {
        keeper_of(self.daemon.child.id()).expect("a keeper")
    }

    /// Waits until there is a checkpoint that was written after now.
    pub fn checkpoint(&self) {
        let folder = self.dir.path().join("data/services");
        let written = || {
            let mut files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap());
            let file = files.find(|file| file.path().extension().is_some_and(|ending| ending == "checkpoint"));
            file.map(|file| (file.metadata().unwrap().modified().unwrap(), file.path()))
        };
        let (before, begin) = (written(), Instant::now());
        while written() == before {
            assert!(begin.elapsed() < LONG);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.daemon.kill();
        for pid in keepers(self) {
            // SAFETY: it kills the keeper of this test's own server.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

/// The keeper that a server has started.
pub fn keeper_of(server: u32) -> Option<i32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    processes.filter_map(|name| name.parse().ok()).find(|pid: &i32| {
        let read = |what| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let parent = read("stat").rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(server) && is_keeper(*pid)
    })
}

/// Whether a process is a keeper.
pub fn is_keeper(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.ends_with("\0keeper\0"))
}

/// The hostile side, or an honest one of another user.
pub struct Hostile {
    /// Who it is.
    pub principal: u64,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Hostile {
    /// Waits until it says that.
    pub fn until(&mut self, what: &str) {
        loop {
            let line = self.lines.next().expect("it has ended").unwrap();
            assert!(!line.contains("WRONG"), "{line}");
            if line.contains(what) {
                return;
            }
        }
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"on\n").unwrap();
    }

    /// Waits until it has ended, well.
    pub fn end(mut self) {
        drop(self.stdin.take());
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            assert!(!line.contains("WRONG"), "{line}");
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that hold the listening socket of the place's keeper.
pub fn keepers(place: &Place) -> Vec<i32> {
    let socket = place.dir.path().join("data/keeper.sock");
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let lines = table.lines().filter(|line| line.ends_with(socket.to_str().unwrap()));
    let names: Vec<String> =
        lines.filter_map(|line| Some(format!("socket:[{}]", line.split_whitespace().nth(6)?))).collect();
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let holds = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/fd/0"))
            .is_ok_and(|link| names.iter().any(|name| link.to_str() == Some(name)))
    };
    processes.filter_map(|name| name.parse().ok()).filter(holds).collect()
}
