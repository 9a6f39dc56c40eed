//! What these tests share: places for files, and other processes to play with.
//!
//! Another process is this same test binary, started again to play a *role*:
//!
//! ```text
//! #[test]
//! fn role() {
//!     play(&[("reader", reader)]);        // returns at once unless this process was started for a role
//! }
//! fn reader(stage: &Stage) {              // in the other process
//!     stage.say("ready");
//!     assert_eq!(stage.hear(), "go");
//! }
//! let mut player = Player::start("reader", &[&path]);
//! assert_eq!(player.hear(), "ready");
//! ```
//!
//! The two talk by lines over pipes, so nobody has to sleep in the hope that the other is ready.

// Every test file is a program of its own and uses its part of this.
#![allow(dead_code)]

pub mod content;

use commy::Segment;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);
/// Within this time who is dead must be out of everybody's way, and a deadlock be found.
pub const SOON: Duration = Duration::from_secs(1);

const ROLE: &str = "COMMY_TEST_ROLE";
const ARGUMENTS: &str = "COMMY_TEST_ARGUMENTS";
/// Tells what a role says from what the test harness prints around it.
const MARK: &str = "> ";

/// A folder that is removed when it is dropped, in memory where there is such storage; `COMMY_TEST_DIR` says
/// where else.
pub fn folder() -> tempfile::TempDir {
    let place = std::env::var_os("COMMY_TEST_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let memory = PathBuf::from("/dev/shm");
        if memory.is_dir() { memory } else { std::env::temp_dir() }
    });
    tempfile::Builder::new().prefix("commy-test").tempdir_in(place).expect("a folder")
}

/// A folder and the path of a file in it that does not exist yet.
pub fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    let path = folder.path().join("test.commy");
    (folder, path)
}

/// Overwrites a word of a file.
pub fn patch(path: &Path, offset: u64, value: u64) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("open the file");
    file.seek(SeekFrom::Start(offset)).expect("seek");
    file.write_all(&value.to_ne_bytes()).expect("write");
}

/// Sees that the file of a segment is as long as the segment, which is open. Windows cannot cut a file that is mapped:
/// there it is as long as the segment may become, until the last who has it open leaves.
#[track_caller]
pub fn has_length(path: &Path, expected: u64) {
    let length = std::fs::metadata(path).expect("the file").len();
    if cfg!(windows) { assert!(length >= expected) } else { assert_eq!(length, expected) }
}

/// A new segment that may grow to `max` bytes, in a folder of its own.
pub fn segment(max: u64) -> (tempfile::TempDir, PathBuf, Segment) {
    let (folder, path) = place();
    let segment = Segment::options().max_size(max).create(&path).expect("create");
    (folder, path, segment)
}

/// A list, by its number.
pub type List = commy::Shared<Vec<u64>>;

/// A segment with as many empty lists.
pub fn with_lists(many: usize) -> (tempfile::TempDir, PathBuf, Segment, Vec<List>) {
    let (folder, path, segment) = segment(1 << 30);
    let lists = (0..many).map(|number| list(&segment, number)).collect();
    (folder, path, segment, lists)
}

/// The list of that number.
pub fn list(segment: &Segment, number: usize) -> List {
    segment.open_or_create(&format!("list/{number}")).expect("a list")
}

/// Sees that this could not be locked, because of that process.
#[track_caller]
pub fn is_locked_by<G>(locked: commy::Result<G>, pid: u32) {
    match locked {
        Err(commy::Error::LockTimeout { holder, .. }) => assert_eq!(holder, pid),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is not locked"),
    }
}

/// Sees that something takes no longer than it may, on a machine that is as slow as it likes: a *pulse* sleeps for a few
/// milliseconds, again and again, and counts how much too late it wakes up.
pub struct Watch {
    begin: Instant,
    late: Duration,
}

/// As many may be waited for, one after another, and each may be late.
const QUEUE: u32 = 8;

impl Watch {
    pub fn start() -> Watch {
        Watch { late: Watch::all_lateness(), begin: Instant::now() }
    }

    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// How much of the time the machine had nothing done that was due.
    pub fn lateness(&self) -> Duration {
        Watch::all_lateness() - self.late
    }

    /// Whether no more than `time` has passed, but for lateness.
    pub fn is_within(&self, time: Duration) -> bool {
        self.elapsed() <= time + self.lateness() * QUEUE
    }

    /// Sees that it came [`SOON`].
    #[track_caller]
    pub fn expect_soon(&self, what: &str) {
        let (time, late) = (self.elapsed(), self.lateness());
        assert!(self.is_within(SOON), "{what} took {time:?}, of which the machine was late for {late:?}");
    }

    fn all_lateness() -> Duration {
        const BEAT: Duration = Duration::from_millis(5);
        // When it last woke up, and how much too late it was altogether.
        static PULSE: OnceLock<&Mutex<(Instant, Duration)>> = OnceLock::new();
        let pulse = PULSE.get_or_init(|| {
            let pulse = &*Box::leak(Box::new(Mutex::new((Instant::now(), Duration::ZERO))));
            std::thread::spawn(move || {
                loop {
                    std::thread::sleep(BEAT);
                    let mut pulse = pulse.lock().unwrap_or_else(PoisonError::into_inner);
                    let now = Instant::now();
                    *pulse = (now, pulse.1 + (now - pulse.0).saturating_sub(BEAT));
                }
            });
            pulse
        });
        // Held, so that nothing is counted that the pulse counts again.
        let pulse = pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.1 + pulse.0.elapsed().saturating_sub(BEAT)
    }
}

/// How long the threads of these processes have waited for a processor so far, altogether, while they had work to do;
/// `None` where the system does not tell.
pub fn waited_for_processors(pids: &[u32]) -> Option<Duration> {
    let mut waited = 0;
    for pid in pids {
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            // A thread may have ended meanwhile. Running, waiting, how often; in ns.
            let Ok(told) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
            waited += told.split(' ').nth(1)?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(waited))
}

/// The time since the machine started, the same for all processes.
#[cfg(unix)]
pub fn machine_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills what it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A path as an argument of a role.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Numbers that look random, the same in each run.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// What a role has to talk with.
pub struct Stage {
    pub arguments: Vec<String>,
}

impl Stage {
    /// Tells the test something.
    pub fn say(&self, what: impl std::fmt::Display) {
        let line = format!("{MARK}{what}\n");
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).expect("talk to the test");
    }

    /// Waits for the test to say something. If it has ended, so does this process.
    pub fn hear(&self) -> String {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).expect("listen to the test") == 0 {
            std::process::exit(3);
        }
        line.trim_end().to_string()
    }

    /// Says nothing and does nothing until it is killed, or the test has ended.
    pub fn stay(&self) -> ! {
        loop {
            self.hear();
        }
    }

    /// Becomes true when the test closes the conversation.
    pub fn until_dismissed(&self) -> Arc<AtomicBool> {
        self.asked_and_dismissed().1
    }

    /// How often the test has said something since, and whether it has closed the conversation.
    pub fn asked_and_dismissed(&self) -> (Arc<AtomicU64>, Arc<AtomicBool>) {
        let (asked, dismissed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, flag) = (asked.clone(), dismissed.clone());
        std::thread::spawn(move || {
            while matches!(std::io::stdin().read_line(&mut String::new()), Ok(1..)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            flag.store(true, Ordering::Relaxed);
        });
        (asked, dismissed)
    }

    /// The argument of that number, as a path.
    pub fn path(&self, number: usize) -> &Path {
        Path::new(&self.arguments[number])
    }

    /// The argument of that number, as a number.
    pub fn number(&self, number: usize) -> u64 {
        self.arguments[number].parse().expect("a number")
    }
}

/// A role: what the other process does.
pub type Role = fn(&Stage);

/// Plays the role that this process was started for. Returns at once if it was started for none.
pub fn play(roles: &[(&str, Role)]) {
    let Ok(name) = std::env::var(ROLE) else { return };
    let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
    let arguments = arguments.split('\n').map(String::from).collect();
    let (_, role) = roles.iter().find(|(known, _)| *known == name).expect("a role of this file");
    // The harness has begun a line of its own.
    println!();
    role(&Stage { arguments });
    // What the process has open ends in order, as at the end of any `main`; the harness's report is not wanted.
    std::process::exit(0);
}

/// The command that has this program play a role.
pub fn casting(role: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test's own program"));
    command.args(["role", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(ARGUMENTS, arguments.join("\n"));
    command
}

/// Another process, playing a role. Killed when it is dropped.
pub struct Player {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: JoinHandle<()>,
}

impl Player {
    pub fn start(role: &str, arguments: &[&str]) -> Player {
        let mut child =
            casting(role, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a process");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(said) = line.strip_prefix(MARK)
                    && sender.send(said.to_string()).is_err()
                {
                    break;
                }
            }
        });
        Player { name: role.into(), child, input, lines, reader }
    }

    /// Its role.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it something.
    pub fn say(&mut self, what: &str) {
        let input = self.input.as_mut().expect("not dismissed");
        writeln!(input, "{what}").and_then(|()| input.flush()).expect("talk to a process");
    }

    /// Waits for it to say something.
    pub fn hear(&mut self) -> String {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{} says nothing for {LONG:?}", self.name),
            Err(RecvTimeoutError::Disconnected) => panic!("{} has ended: {:?}", self.name, self.child.wait()),
        }
    }

    /// Waits for it to say something; `None` if it has ended, or says nothing for long.
    pub fn hear_or_end(&mut self) -> Option<String> {
        self.lines.recv_timeout(LONG).ok()
    }

    /// Waits for it to say just this.
    #[track_caller]
    pub fn expect(&mut self, what: &str) {
        assert_eq!(self.hear(), what, "said by {}", self.name);
    }

    /// What it has said and was not yet heard, without waiting.
    pub fn heard(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it has ended as by `kill -9`.
    #[cfg(unix)]
    pub fn was_killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        matches!(self.child.try_wait(), Ok(Some(status)) if status.signal() == Some(libc::SIGKILL))
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill a process");
        self.child.wait().expect("wait for a process");
    }

    /// If it has been killed, waits until all that it said has come.
    pub fn settle_if_dead(&mut self) {
        while matches!(self.child.try_wait(), Ok(Some(_))) && !self.reader.is_finished() {
            std::thread::yield_now();
        }
    }

    /// Kills it as `kill -9` does, without waiting: it may be a zombie for as long as one likes.
    pub fn kill_only(&mut self) {
        self.child.kill().expect("kill a process");
    }

    /// Closes the conversation, which tells it to end.
    pub fn dismiss(&mut self) {
        self.input = None;
    }

    /// Waits until it has ended by itself.
    pub fn end(mut self) -> ExitStatus {
        self.dismiss();
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            if let Some(status) = self.child.try_wait().expect("wait for a process") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{} does not end", self.name);
    }

    /// Waits until it has ended by itself, and sees that it was content.
    #[track_caller]
    pub fn end_well(self) {
        let name = self.name.clone();
        let status = self.end();
        assert!(status.success(), "{name}: {status}");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process may do everything.
#[cfg(unix)]
pub fn is_root() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::geteuid() == 0 }
}

/// A path as the system's calls want it.
#[cfg(unix)]
pub fn c_path(path: &Path) -> std::ffi::CString {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path without zeros")
}

/// Mounts a disk in memory where only this process sees it, or mounts it again with other options. False if this may not
/// be done here, which is said: only root may, and not everywhere.
#[cfg(target_os = "linux")]
pub fn mount_disk(target: &Path, options: &str, again: bool) -> bool {
    let none = std::ptr::null::<libc::c_void>();
    let (target, options) = (c_path(target), std::ffi::CString::new(options).expect("options without zeros"));
    // SAFETY: strings that end with a zero; the mounts of this process are its own from the first call on.
    let mounted = unsafe {
        let read_only = if options.as_bytes().starts_with(b"ro") { libc::MS_RDONLY } else { 0 };
        let flags = if again { libc::MS_REMOUNT | read_only } else { 0 };
        (again
            || libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(
                    c"none".as_ptr(),
                    c"/".as_ptr(),
                    std::ptr::null(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    none,
                ) == 0)
            && libc::mount(c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), flags, options.as_ptr().cast()) == 0
    };
    if !mounted {
        eprintln!("mounting a small disk is not allowed here: {}", std::io::Error::last_os_error());
    }
    mounted
}
