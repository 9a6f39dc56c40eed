//! The hostile side: what it tries, and what must not come of it. Also an honest program, of another user.

use crate::daemon::LONG;
use crate::place::{OTHER, QUOTA};
use commy_client::wire::{Call, Code, Map, Reply, descriptor};
use commy_client::{Credentials, Options, Service};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

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

/// Does a part of it, as the environment says.
pub fn run() {
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
                // Killed here, or what it holds is not in use any more.
                if on() {
                    let _ = guard.commit();
                    println!("{:?}", list.push(9));
                    assert!(matches!(list.push(9), Err(commy::Error::Retired { .. })), "WRONG");
                    println!("left behind");
                    on();
                }
            }
            "reading" => {
                let _segment = near.map(false).await.unwrap();
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
