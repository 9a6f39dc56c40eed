//! A service that has to move to another segment while the disk is full.
//!
//! ```text
//! this process     clients, and programs that have the segment mapped
//! the server       in a world of its own, where its data folder is a disk of a few mebibytes;
//!                  /proc/<server>/root leads there from outside
//! ```

use crate::daemon::{Daemon, LONG};
use crate::moving::revoke;
use crate::place::{Place, WRITE, is_root};
use commy_client::wire::{Mode, Permission};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Room that is left on the full disk: enough for the catalog to note what is revoked, not for a copy of the segment.
const LEFT: u64 = 512 << 10;
/// What is in the segment.
const BULK: usize = 900 << 10;

/// A server on a small disk of its own, and what it logs; none where that may not be.
fn start(dir: &tempfile::TempDir) -> Option<(Daemon, Receiver<String>)> {
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let target = std::ffi::CString::new(data.as_os_str().as_bytes()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
    command.args(["serve", "--plain", "--listen", "127.0.0.1:0", "--data", "data", "--socket", "commy.sock"]);
    command.env("COMMY_LOG", "warn").current_dir(dir.path()).stderr(Stdio::piped());
    let mount = move || {
        let (nothing, all) = (std::ptr::null::<libc::c_char>(), libc::MS_REC | libc::MS_PRIVATE);
        // SAFETY: strings that end with a zero, made before; calls that may be made between fork and exec.
        let mounted = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(c"none".as_ptr(), c"/".as_ptr(), nothing, all, nothing.cast()) == 0
                && libc::mount(
                    c"none".as_ptr(),
                    target.as_ptr(),
                    c"tmpfs".as_ptr(),
                    0,
                    c"size=8m,mode=700".as_ptr().cast(),
                ) == 0
        };
        if mounted { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    let may_mount = {
        let mut tried = Command::new("true");
        // SAFETY: as above.
        unsafe { tried.pre_exec(mount.clone()) };
        tried.status().is_ok_and(|status| status.success())
    };
    if !is_root() || !may_mount {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: only root can mount a small disk, and not everywhere");
        return None;
    }
    // SAFETY: as above.
    unsafe { command.pre_exec(mount) };
    let mut daemon = Daemon::run(command);
    let lines = BufReader::new(daemon.child.stderr.take().unwrap()).lines();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("{line}");
            let _ = tell.send(line);
        }
    });
    Some((daemon, told))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_cannot_move_since_the_disk_is_full_goes_on_and_moves_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some((daemon, log)) = start(&dir) else { return };
    let full = PathBuf::from(format!("/proc/{}/root", daemon.child.id()));
    let full = full.join(dir.path().join("data/filler").strip_prefix("/").unwrap());
    let place = Place::of(dir, daemon, Mode::Shared).await;
    let near = place.near().await;
    near.create_object_with("bulk", "String", &"x".repeat(BULK)).await.unwrap();
    let mut own = near.map(true).await.unwrap();
    let before = own.clone();
    // Somebody who has it mapped, too, and for whom it moves.
    let (other, key) = place.principal(WRITE).await;
    let client = place.daemon.client(&key).await;
    let revoked = client.service("acme", "near").map(true).await.unwrap().clone();

    let mut filler = File::create(&full).unwrap();
    while filler.write_all(&[1; 64 << 10]).is_ok() {}
    let length = filler.metadata().unwrap().len();
    filler.set_len(length - LEFT).unwrap();
    revoke(&place, other, &[Permission::ServiceWrite]).await;
    // It is tried, and said of which service, and what there is too little of.
    let mut acknowledged = vec![1u64, 2, 3];
    let begin = Instant::now();
    loop {
        // What is acknowledged meanwhile, from far and from near, is to be there in the end.
        let next = acknowledged.len() as u64 + 1;
        near.object("list").push("", &next).await.unwrap();
        let pushed = own.run(|segment| segment.open::<Vec<u64>>("list")?.push(next + 1));
        tokio::time::timeout(LONG, pushed).await.expect("who has it mapped waits for the move").unwrap();
        acknowledged.extend([next, next + 1]);
        match log.recv_timeout(Duration::from_millis(20)) {
            Ok(line) if line.contains("could not be moved") => {
                assert!(line.contains("OutOfSpace") && line.contains("service"), "{line}");
                break;
            }
            _ => assert!(begin.elapsed() < LONG, "the disk was not full for a copy"),
        }
    }
    // It is the segment that it was, and in order.
    assert!(!own.is_retired() && own.identity().id == before.identity().id);
    assert!(own.check().unwrap().is_empty());
    // Nothing of what was tried takes up what room there is.
    let left = full.with_file_name("services");
    let next = std::fs::read_dir(left).unwrap().map(|file| file.unwrap().path());
    assert!(next.into_iter().all(|file| file.extension().is_some_and(|ending| ending == "commy")));

    drop(filler);
    std::fs::remove_file(&full).unwrap();
    let begin = Instant::now();
    while own.identity().id == before.identity().id {
        assert!(begin.elapsed() < LONG, "it does not move although there is room");
        let next = acknowledged.len() as u64 + 1;
        let pushed = own.run(|segment| segment.open::<Vec<u64>>("list")?.push(next));
        tokio::time::timeout(LONG, pushed).await.expect("who has it mapped waits for the move").unwrap();
        acknowledged.push(next);
        tokio::time::sleep(crate::moving::PACE).await;
    }
    assert!(before.is_retired() && revoked.is_retired());
    assert!(revoked.open::<Vec<u64>>("list").unwrap().push(0).is_err());
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(acknowledged));
    assert_eq!(near.object("bulk").len("").await.unwrap(), Some(BULK as u64));
    assert!(own.check().unwrap().is_empty());
}
