//! The coordinator as a process: killed under load, started again, with a full disk, with clients that are killed.
//!
//! `COMMY_SERVER_KILLS=50` is the number of kills that it is meant for; without, it is less.
#![cfg(target_os = "linux")]

mod daemon;

use commy_client::wire::{Call, Code, Mode, ObjectCreate, Tenant};
use commy_client::{Credentials, Error, Options};
use daemon::{Daemon, LONG};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn size(name: &str, small: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(small)
}

/// What a client is sure of: what was acknowledged, and what was asked for and may have been done.
#[derive(Default)]
struct Sure {
    acknowledged: AtomicU64,
    asked: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_however_often_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), &[]);
    let key = daemon.key.clone().expect("a key at the first start");
    let operator = daemon.client(&key).await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "orders");
    service.create(Mode::Served, None).await.unwrap();
    const CLIENTS: usize = 4;
    service.create_object_with("counters", "Vec<u64>", &vec![0; CLIENTS]).await.unwrap();
    let create = ObjectCreate {
        object: "log".into(),
        r#type: "BTreeMap<String, u64>".into(),
        changes: Some(100),
        ..ObjectCreate::default()
    };
    service.create_object_as(create).await.unwrap();
    let sure: Arc<Vec<Sure>> = Arc::new((0..CLIENTS).map(|_| Sure::default()).collect());
    let (kills, mut seed) = (size("COMMY_SERVER_KILLS", 5), 0x9e37_79b9_u64);
    for kill in 0..kills {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let (client, sure) = (daemon.client(&key).await, sure.clone());
            clients.push(tokio::spawn(async move {
                let service = client.service("acme", "orders");
                let (counters, log) = (service.object("counters"), service.object("log"));
                let sure = &sure[number];
                // From where it may have come to.
                let mut next = sure.asked.load(Ordering::Relaxed) + 1;
                loop {
                    sure.asked.store(next, Ordering::Relaxed);
                    let done = if next % 2 == 0 {
                        counters.set(&number.to_string(), &next).await
                    } else {
                        log.set(&format!("{number}"), &next).await
                    };
                    match done {
                        Ok(_) => sure.acknowledged.store(next, Ordering::Relaxed),
                        Err(_) => return,
                    }
                    next += 1;
                }
            }));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(20 + (seed >> 33) % 100)).await;
        daemon.kill();
        for client in clients {
            tokio::time::timeout(LONG, client).await.unwrap().unwrap();
        }
        daemon = Daemon::start(dir.path(), &[]);
        assert!(daemon.key.is_none());
        let client = daemon.client(&key).await;
        let service = client.service("acme", "orders");
        let counters: Vec<u64> = service.object("counters").get("").await.unwrap().unwrap();
        for (number, sure) in sure.iter().enumerate() {
            let log = service.object("log").get::<u64>(&number.to_string()).await.unwrap().unwrap_or(0);
            let newest = counters[number].max(log);
            let (acknowledged, asked) = (sure.acknowledged.load(Ordering::Relaxed), sure.asked.load(Ordering::Relaxed));
            assert!(
                (acknowledged..=asked).contains(&newest),
                "kill {kill}: {acknowledged} was acknowledged, {newest} is there"
            );
        }
    }
    let all: u64 = sure.iter().map(|sure| sure.acknowledged.load(Ordering::Relaxed)).sum();
    println!("{kills} kills, {all} operations acknowledged, none lost");
    assert!(all > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_killed_with_a_lock_of_a_mapped_segment_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &[]);
    let key = daemon.key.clone().unwrap();
    let operator = daemon.client(&key).await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, None).await.unwrap();
    let held = service.create_object_with("held", "Vec<u64>", &[1, 2, 3]).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--ignored", "--nocapture", "--test-threads=1"])
        .env("COMMY_TEST_URL", &daemon.url)
        .env("COMMY_TEST_KEY", &key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().expect("the holder ended").unwrap().contains("holding") {}
    child.kill().unwrap();
    child.wait().unwrap();
    // What it did under the lock is undone, and the server goes on.
    let begin = Instant::now();
    assert_eq!(held.get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3]));
    held.push("", &4u64).await.unwrap();
    assert_eq!(held.len("").await.unwrap(), Some(4));
    assert!(begin.elapsed() < LONG);
}

/// The client that is killed; run by the test above.
#[test]
#[ignore = "a part of the test above"]
fn holder() {
    let (url, key) = (std::env::var("COMMY_TEST_URL").unwrap(), std::env::var("COMMY_TEST_KEY").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let segment = runtime.block_on(async {
        let client = Options::new().connect(&url, Credentials::Key(key)).await.unwrap();
        client.service("acme", "near").map(true).await.unwrap()
    });
    let held = segment.open::<Vec<u64>>("held").unwrap();
    let mut guard = held.write().unwrap();
    guard.clear().unwrap();
    guard.push(9).unwrap();
    println!("holding");
    std::thread::sleep(LONG);
    drop(guard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_to_who_writes_and_the_server_goes_on() {
    // A file may not grow beyond that, as on a disk that is full.
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_commy");
    command
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f 2048; exec {program} serve --plain --listen 127.0.0.1:0 --data data"));
    command.env("COMMY_LOG", "off").current_dir(dir.path());
    let daemon = Daemon::run(command);
    let key = daemon.key.clone().unwrap();
    let operator = daemon.client(&key).await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "orders");
    service.create(Mode::Served, None).await.unwrap();
    let list = service.create_object("list", "Vec<String>").await.unwrap();
    let (text, mut pushed) = ("x".repeat(50_000), 0);
    let full = loop {
        match list.push("", &text).await {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
        assert!(pushed < 1000);
    };
    assert_eq!(full.code(), Some(Code::OutOfSpace), "{full}");
    assert_eq!(list.len("").await.unwrap(), Some(pushed));
    assert!(list.pop::<String>("").await.unwrap().is_some());
    list.push("", &"short".to_owned()).await.unwrap();
    // The catalog has room left, and goes on.
    operator.call(None, Call::TenantCreate(Tenant { tenant: "other".into() })).await.unwrap();
}

#[test]
fn what_is_wrong_with_the_settings_is_said_and_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str], file: &str| {
        std::fs::write(dir.path().join("commy.toml"), file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
        command.args(["serve", "--config", "commy.toml"]).args(arguments).current_dir(dir.path());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(!child.wait().unwrap().success());
        text
    };
    assert!(said(&[], "lissten = 1").contains("lissten"));
    assert!(said(&[], "[limits]\nfrme = 1").contains("frme"));
    assert!(said(&[], "").contains("dev-cert"));
    assert!(said(&["--plain", "--listen", "0.0.0.0:0"], "").contains("loopback"));
    assert!(said(&["--certificate", "none.pem", "--key", "none.pem"], "").contains("none.pem"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_uses_objects_of_a_server_as_those_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &[]);
    let key = daemon.key.clone().unwrap();
    let run = |arguments: &[&str], key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
        command.args(arguments).env("COMMY_KEY", key).env("COMMY_SERVER", &daemon.url);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let good = |arguments: &[&str]| {
        let (success, printed, complained) = run(arguments, &key);
        assert!(success, "{arguments:?}: {complained}");
        printed
    };
    let url = daemon.url.as_str();
    good(&["tenant", "create", "acme"]);
    good(&["service", "create", "acme/orders", "--shared"]);
    good(&["create", url, "acme/orders/stock", "BTreeMap<String, u64>", r#"{"pears":1}"#]);
    good(&["set", url, "acme/orders/stock", "apples", "3"]);
    assert_eq!(good(&["get", url, "acme/orders/stock", "apples"]), "3\n");
    assert_eq!(good(&["rm", url, "acme/orders/stock", "pears"]), "1\n");
    assert_eq!(good(&["ls", url]), "acme/orders/stock  1 BTreeMap<String, u64>\n");
    let made: serde_json::Value =
        serde_json::from_str(&good(&["principal", "create", "reader", "--tenant", "acme"])).unwrap();
    let id = made["id"].to_string();
    let made: serde_json::Value = serde_json::from_str(&good(&["key", "create", &id])).unwrap();
    let readers = made["secret"].as_str().unwrap();
    let read = ["get", url, "acme/orders/stock", "apples"];
    let (success, _, complained) = run(&read, readers);
    assert!(!success && complained.contains("ServiceRead"), "{complained}");
    good(&["grant", "add", "ServiceRead", "--principal", &id, "--on", "acme/orders"]);
    assert_eq!(run(&read, readers).1, "3\n");
    assert!(!run(&["set", url, "acme/orders/stock", "apples", "4"], readers).0);
    let audit = good(&["audit", "--tenant", "acme"]);
    assert!(audit.contains("grant_add") && audit.contains("\"allowed\":false"), "{audit}");
    let error = Options::new().connect(url, Credentials::Key("cmy_a_b".into())).await.unwrap_err();
    assert!(matches!(error, Error::Failed(_)));
}
