//! Services that are in memory, and hostile programs of another user that have them mapped.
//!
//! What docs/SECURITY.md says of the mode `isolated`, tried: the tests run the server as root, and start themselves again as
//! another user for the hostile side. Without root that cannot be, and those tests say so.
#![cfg(target_os = "linux")]

mod daemon;

use commy_client::wire::{At, Grant, KeyCreate, descriptor};
use commy_client::wire::{Call, Code, Map, Mode, Permission, PrincipalCreate, PrincipalKind, Reply, Subject, Tenant};
use commy_client::{Client, Credentials, Options, Service};
use daemon::{Daemon, LONG};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The other user: nobody, on most systems.
const OTHER: u32 = 65534;
const QUOTA: u64 = 2 << 20;

fn is_root() -> bool {
    // SAFETY: it takes nothing and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a hostile program of another user can be started. Where it cannot, that is said.
fn another_user_can_be_had(test: &str) -> bool {
    if !is_root() {
        // Not captured, so that it is seen.
        let _ = writeln!(std::io::stderr(), "{test}: NOT TESTED, it needs root to start a program as another user");
    }
    is_root()
}

/// A server with an isolated service `acme/near`, at a socket that all users can reach.
struct Place {
    dir: tempfile::TempDir,
    daemon: Daemon,
    operator: String,
}

impl Place {
    async fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let daemon = Place::start(&dir);
        let operator = daemon.key.clone().unwrap();
        let place = Place { dir, daemon, operator };
        let client = place.client().await;
        client.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
        let near = client.service("acme", "near");
        near.create(Mode::Isolated, Some(QUOTA)).await.unwrap();
        near.create_object_with("list", "Vec<u64>", &[1u64, 2, 3]).await.unwrap();
        place
    }

    fn start(dir: &tempfile::TempDir) -> Daemon {
        std::fs::write(dir.path().join("commy.toml"), "checkpoint = 1\n[limits]\nlock = 1\n").unwrap();
        Daemon::start(dir.path(), &["--config", "commy.toml", "--socket", "commy.sock"])
    }

    /// Kills the server and starts it again.
    fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = Place::start(&self.dir);
    }

    async fn client(&self) -> Client {
        self.daemon.client(&self.operator).await
    }

    async fn near(&self) -> Service {
        self.client().await.service("acme", "near")
    }

    /// The key of a new principal with these permissions at the service.
    async fn key(&self, permissions: &[Permission]) -> String {
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
        key.secret
    }

    /// Starts a part of the hostile side as another user, or as this one, and waits until it says that it is ready.
    async fn hostile(&self, part: &str, permissions: &[Permission], user: Option<u32>) -> Hostile {
        let key = self.key(permissions).await;
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
        let mut hostile = Hostile { child, stdin, lines: stdout.lines() };
        hostile.until("ready");
        hostile
    }

    /// That the server goes on, and the other service of its, too.
    async fn is_well(&self) {
        let client = self.client().await;
        let other = client.service("acme", "other");
        let _ = other.create(Mode::Served, None).await;
        let count = other.create_object("count", "u64").await;
        count.map(drop).or_else(|error| if error.code() == Some(Code::Exists) { Ok(()) } else { Err(error) }).unwrap();
        other.object("count").set("", &1u64).await.unwrap();
    }

    /// The process that keeps the memory.
    fn keeper(&self) -> i32 {
        keeper_of(self.daemon.child.id()).expect("a keeper")
    }

    /// Waits until there is a checkpoint that was written after now.
    fn checkpoint(&self) {
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

fn keeper_of(server: u32) -> Option<i32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    processes.filter_map(|name| name.parse().ok()).find(|pid: &i32| {
        let read = |what| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let parent = read("stat").rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(server) && is_keeper(*pid)
    })
}

fn is_keeper(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.ends_with("\0keeper\0"))
}

/// The hostile side, or an honest one of another user.
struct Hostile {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Hostile {
    fn until(&mut self, what: &str) {
        loop {
            let line = self.lines.next().expect("it has ended").unwrap();
            assert!(!line.contains("WRONG"), "{line}");
            if line.contains(what) {
                return;
            }
        }
    }

    /// Lets it go on.
    fn go_on(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"on\n").unwrap();
    }

    /// Waits until it has ended, well.
    fn end(mut self) {
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

const READ: &[Permission] = &[Permission::ServiceRead];
const WRITE: &[Permission] = &[Permission::ServiceRead, Permission::ServiceWrite];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_cannot_write_by_any_way_that_its_descriptor_leads() {
    if !another_user_can_be_had("who_may_only_read_cannot_write_by_any_way_that_its_descriptor_leads") {
        return;
    }
    let place = Place::new().await;
    place.hostile("reader", READ, Some(OTHER)).await.end();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3]));
    place.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_write_changes_neither_the_length_nor_the_permissions_nor_the_seals() {
    if !another_user_can_be_had("who_may_write_changes_neither_the_length_nor_the_permissions_nor_the_seals") {
        return;
    }
    let place = Place::new().await;
    place.hostile("writer", WRITE, Some(OTHER)).await.end();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    place.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_scribbles_over_a_segment_ends_neither_the_server_nor_keeps_it_waiting() {
    if !another_user_can_be_had("who_scribbles_over_a_segment_ends_neither_the_server_nor_keeps_it_waiting") {
        return;
    }
    for part in ["scribble", "punch"] {
        let mut place = Place::new().await;
        place.checkpoint();
        let mut hostile = place.hostile(part, WRITE, Some(OTHER)).await;
        let near = place.near().await;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            // What the answer is does not matter, as long as there is one: a connection that is lost has none.
            let answers = [
                near.object("list").get::<Vec<u64>>("").await.map(drop),
                near.object("list").push("", &9u64).await.map(drop),
                near.objects().await.map(drop),
                near.describe().await.map(drop),
            ];
            let lost = answers.into_iter().filter_map(Result::err).find(|error| error.code().is_none());
            assert!(lost.is_none(), "{part}: {lost:?}, {:?}", place.daemon.child.try_wait());
            assert!(asked.elapsed() < LONG);
        }
        place.is_well().await;
        hostile.go_on();
        hostile.end();
        // It does not come back from that by itself; the next start has the last checkpoint that was whole.
        drop(near);
        place.restart();
        let near = place.near().await;
        let list = near.object("list").get::<Vec<u64>>("").await.unwrap().unwrap();
        assert_eq!(list[..3], [1, 2, 3], "{part}");
        near.object("list").push("", &4u64).await.unwrap();
        place.is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_locks_keeps_nobody_else_waiting_for_ever_and_leaves_nothing_behind_when_it_is_killed() {
    let test = "who_keeps_locks_keeps_nobody_else_waiting_for_ever_and_leaves_nothing_behind_when_it_is_killed";
    if !another_user_can_be_had(test) {
        return;
    }
    let mut place = Place::new().await;
    let near = place.near().await;
    near.create_object("free", "u64").await.unwrap();
    let hostile = place.hostile("holder", WRITE, Some(OTHER)).await;
    let held = near.object("list");
    let begin = Instant::now();
    assert_eq!(held.push("", &9u64).await.unwrap_err().code(), Some(Code::Busy));
    near.object("free").set("", &1u64).await.unwrap();
    assert!(begin.elapsed() < LONG);
    drop(hostile);
    // What it did under the lock is undone.
    held.push("", &4u64).await.unwrap();
    assert_eq!(held.get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    // One that keeps all bytes locked by which others are known to be alive, as even a reader can: the server starts again,
    // with all that was acknowledged.
    let _hostile = place.hostile("bytes", READ, Some(OTHER)).await;
    place.restart();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    near.object("list").push("", &5u64).await.unwrap();
    near.map(true).await.unwrap().open::<Vec<u64>>("list").unwrap().push(6).unwrap();
    assert_eq!(near.object("list").len("").await.unwrap(), Some(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_another_user_share_objects_with_remote_ones() {
    if !another_user_can_be_had("programs_of_another_user_share_objects_with_remote_ones") {
        return;
    }
    let place = Place::new().await;
    let near = place.near().await;
    let mut honest = place.hostile("honest", WRITE, Some(OTHER)).await;
    // It has pushed one, waits for one of ours, and pushes another.
    near.object("list").push("", &5u64).await.unwrap();
    honest.until("seen");
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4, 5, 6]));
    honest.go_on();
    honest.end();
    // Of a shared service it gets nothing.
    place.client().await.service("acme", "shared").create(Mode::Shared, None).await.unwrap();
    place.hostile("stranger", WRITE, Some(OTHER)).await.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_outlives_the_server_while_programs_have_it_mapped_and_a_keeper_that_is_killed() {
    let mut place = Place::new().await;
    let near = place.near().await;
    let segment = near.map(true).await.unwrap();
    let list = segment.open::<Vec<u64>>("list").unwrap();
    drop(near);
    place.daemon.kill();
    // Nobody serves, and it goes on.
    list.push(4).unwrap();
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    near.object("list").push("", &5u64).await.unwrap();
    assert_eq!(list.load().unwrap(), [1, 2, 3, 4, 5]);
    // The keeper that this server has is not its child: another one is, once that is gone.
    let mut killed = Vec::new();
    for round in 6..8u64 {
        let begin = Instant::now();
        let keeper = loop {
            let of_its_own = keeper_of(place.daemon.child.id());
            match of_its_own.or_else(|| keepers(&place).into_iter().find(|pid| !killed.contains(pid))) {
                Some(pid) if !killed.contains(&pid) => break pid,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(begin.elapsed() < LONG);
        };
        // SAFETY: it kills the keeper of this test's own server.
        assert_eq!(unsafe { libc::kill(keeper, libc::SIGKILL) }, 0);
        killed.push(keeper);
        list.push(round).unwrap();
    }
    while keeper_of(place.daemon.child.id()).is_none_or(|pid| killed.contains(&pid)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.restart();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some((1..8).collect()));
}

/// The processes that hold the listening socket of the place's keeper.
fn keepers(place: &Place) -> Vec<i32> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_no_server_can_find_any_more_ends() {
    let mut place = Place::new().await;
    let keeper = place.keeper();
    place.daemon.kill();
    std::fs::remove_dir_all(place.dir.path().join("data")).unwrap();
    let begin = Instant::now();
    while is_keeper(keeper) {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_of_power_there_is_what_the_last_checkpoint_has() {
    let mut place = Place::new().await;
    place.checkpoint();
    place.near().await.object("list").push("", &4u64).await.unwrap();
    place.checkpoint();
    let keeper = place.keeper();
    // As nothing in memory outlives that.
    place.daemon.kill();
    // SAFETY: it kills the keeper of this test's own server.
    assert_eq!(unsafe { libc::kill(keeper, libc::SIGKILL) }, 0);
    while !keepers(&place).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_in_order_leaves_no_keeper_and_loses_nothing() {
    let mut place = Place::new().await;
    place.near().await.object("list").push("", &4u64).await.unwrap();
    let keeper = place.keeper();
    // SAFETY: it ends the server of this test.
    assert_eq!(unsafe { libc::kill(place.daemon.child.id() as i32, libc::SIGTERM) }, 0);
    assert!(place.daemon.child.wait().unwrap().success());
    let begin = Instant::now();
    while is_keeper(keeper) {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    // What is deleted is gone.
    near.delete().await.unwrap();
    assert_eq!(std::fs::read_dir(place.dir.path().join("data/services")).unwrap().count(), 0);
}

/// What must not succeed, and of what the system says which error it is.
fn refused(what: &str, done: libc::c_int, errors: &[i32]) {
    let error = std::io::Error::last_os_error();
    let known = error.raw_os_error().is_some_and(|number| errors.contains(&number));
    println!("{} {what}: {done}, {error}", if done == -1 && known { "refused" } else { "WRONG" });
}

fn cannot_be_opened(path: &str, write: bool) {
    match File::options().read(true).write(write).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => println!("refused {path}"),
        other => println!("WRONG {path}: {other:?}"),
    }
}

/// The descriptor, without the library.
async fn handed_over(service: &Service, write: bool) -> std::io::Result<File> {
    let Reply::Mapping(mapping) = service.call(Call::Map(Map { write })).await.unwrap() else { panic!("no ticket") };
    let mut stream = UnixStream::connect(&mapping.socket)?;
    stream.write_all(mapping.ticket.as_bytes())?;
    let refused = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    Ok(descriptor::receive(&stream, &mut [0])?.flatten().ok_or_else(refused)?.into())
}

/// What nobody can do with the descriptor.
fn refused_to_all(file: &File, server: &str, folder: &str) {
    let fd = file.as_raw_fd();
    cannot_be_opened(&format!("/proc/self/fd/{fd}"), true);
    cannot_be_opened(&format!("/proc/self/fd/{fd}"), false);
    cannot_be_opened(&format!("{folder}/data/keeper.sock"), true);
    cannot_be_opened(&format!("{folder}/data/services"), false);
    match std::fs::read_dir(format!("/proc/{server}/fd")) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => println!("refused the server's descriptors"),
        _ => println!("WRONG the server's descriptors can be looked at"),
    }
    // SAFETY: an open descriptor, and no memory, in all of these.
    unsafe {
        refused("fchmod", libc::fchmod(fd, 0o666), &[libc::EPERM]);
        refused("fchown", libc::fchown(fd, OTHER, OTHER), &[libc::EPERM]);
        for seal in [libc::F_SEAL_WRITE, libc::F_SEAL_FUTURE_WRITE, libc::F_SEAL_SEAL] {
            refused("a seal", libc::fcntl(fd, libc::F_ADD_SEALS, seal), &[libc::EPERM]);
        }
        for length in [0, 4096, QUOTA as i64 * 2] {
            refused("ftruncate", libc::ftruncate(fd, length), &[libc::EPERM, libc::EINVAL, libc::EBADF]);
        }
        refused("fallocate", libc::fallocate(fd, 0, 0, QUOTA as i64 * 2), &[libc::EPERM, libc::EBADF]);
    }
}

fn map(file: &File, access: libc::c_int) -> *mut libc::c_void {
    // SAFETY: a new mapping at an address of the system's choice.
    unsafe { libc::mmap(std::ptr::null_mut(), QUOTA as usize, access, libc::MAP_SHARED, file.as_raw_fd(), 0) }
}

/// What who may only read cannot do.
fn refused_to_readers(file: &File) {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    refused("a writable mapping", if map(file, both) == libc::MAP_FAILED { -1 } else { 0 }, &[libc::EACCES]);
    let readable = map(file, libc::PROT_READ);
    assert_ne!(readable, libc::MAP_FAILED);
    // SAFETY: a mapping of our own, and no memory of anybody's in the others.
    unsafe {
        refused("mprotect", libc::mprotect(readable, QUOTA as usize, both), &[libc::EACCES]);
        refused("write", libc::pwrite(file.as_raw_fd(), c"x".as_ptr().cast(), 1, 0) as i32, &[libc::EBADF]);
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        refused("punching", libc::fallocate(file.as_raw_fd(), punch, 0, QUOTA as i64), &[libc::EBADF]);
    }
}

/// The hostile side; run by the tests above.
#[test]
#[ignore = "a part of the tests above"]
fn hostile() {
    let said = |name: &str| std::env::var(name).unwrap();
    let (part, key, folder) = (said("COMMY_TEST_PART"), said("COMMY_TEST_KEY"), said("COMMY_TEST_FOLDER"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("unix://{folder}/commy.sock");
        let client = Options::new().connect(&url, Credentials::Key(key)).await.unwrap();
        let near = client.service("acme", "near");
        let on = || std::io::stdin().read_line(&mut String::new()).unwrap() > 0;
        match part.as_str() {
            "reader" => {
                // Writing was not granted: there is not even a ticket.
                assert_eq!(near.call(Call::Map(Map { write: true })).await.unwrap_err().code(), Some(Code::Denied));
                let file = handed_over(&near, false).await.unwrap();
                println!("ready");
                refused_to_all(&file, &said("COMMY_TEST_SERVER"), &folder);
                refused_to_readers(&file);
                let segment = near.map(false).await.unwrap();
                assert_eq!(segment.open::<Vec<u64>>("list").unwrap().load().unwrap(), [1, 2, 3]);
                let status = in_a_child(|| {
                    let readable = map(&file, libc::PROT_READ);
                    // SAFETY: it is not: it is what the system is to stop.
                    unsafe { readable.cast::<u8>().write_volatile(1) };
                });
                assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "WRONG {status}");
            }
            "writer" => {
                let file = handed_over(&near, true).await.unwrap();
                println!("ready");
                refused_to_all(&file, &said("COMMY_TEST_SERVER"), &folder);
                near.map(true).await.unwrap().open::<Vec<u64>>("list").unwrap().push(4).unwrap();
            }
            "scribble" | "punch" => {
                let file = handed_over(&near, true).await.unwrap();
                println!("ready");
                let (mut seed, begin) = (7u64, Instant::now());
                let go_on = std::thread::spawn(on);
                while !go_on.is_finished() && begin.elapsed() < LONG {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let at = (seed >> 20) % (if seed % 3 == 0 { 8 << 10 } else { QUOTA / 8 }) & !7;
                    if part == "scribble" {
                        file.write_all_at(&[seed, !0, seed % 4096, 0][(seed >> 60) as usize % 4].to_ne_bytes(), at)
                            .unwrap();
                    } else {
                        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                        // SAFETY: an open descriptor, and no memory.
                        unsafe { libc::fallocate(file.as_raw_fd(), punch, (at & !4095) as i64, 4096) };
                    }
                }
                // At last nothing is left of it.
                file.write_all_at(&vec![0xa5; QUOTA as usize], 0).unwrap();
            }
            "holder" => {
                let segment = near.map(true).await.unwrap();
                let list = segment.open::<Vec<u64>>("list").unwrap();
                let mut guard = list.write().unwrap();
                guard.clear().unwrap();
                println!("ready");
                on();
            }
            "bytes" => {
                let file = handed_over(&near, false).await.unwrap();
                // SAFETY: plain integers, for which zeros are a value.
                let mut all: libc::flock = unsafe { std::mem::zeroed() };
                // All but the first byte of signs of life, which the server has.
                (all.l_type, all.l_start) = (libc::F_RDLCK as _, (1 << 40) + 1);
                // SAFETY: an open descriptor, and what is to be locked.
                assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut all) }, 0);
                println!("ready");
                on();
            }
            "honest" => {
                let segment = near.map(true).await.unwrap();
                let list = segment.open::<Vec<u64>>("list").unwrap();
                list.push(4).unwrap();
                println!("ready");
                let begin = Instant::now();
                while list.len().unwrap() < 5 {
                    assert!(begin.elapsed() < LONG);
                    std::thread::sleep(Duration::from_millis(1));
                }
                list.push(6).unwrap();
                println!("seen");
                on();
            }
            "stranger" => {
                let shared = client.service("acme", "shared");
                let denied = shared.call(Call::Map(Map { write: false })).await.unwrap_err();
                assert_eq!(denied.code(), Some(Code::Denied));
                println!("ready");
            }
            other => panic!("WRONG {other}"),
        }
    });
}

/// Runs something in a child, and tells how that ended.
fn in_a_child(work: impl FnOnce()) -> libc::c_int {
    // SAFETY: the child does nothing but what it is given, which takes no locks.
    let child = unsafe { libc::fork() };
    if child == 0 {
        work();
        // SAFETY: it ends this process.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: a child of this process, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}
