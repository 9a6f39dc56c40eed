//! Runs a piece of code one machine instruction at a time and keeps every state that a file, which the code has
//! mapped, passes through.
//!
//! The processor's trap flag makes each instruction of this thread end in a SIGTRAP; the handler compares
//! the file with its last known content and notes the pages that changed. So what is seen is what the compiler
//! really emitted, in the order in which a killed process would leave it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Mutex;

const PAGE: usize = 4096;
/// The largest file that can be watched.
const WINDOW: usize = 8 << 20;
/// Room for what changed.
const ARENA: usize = 2 << 30;
/// Where the segment's header has the size.
const SIZE_AT: usize = 64;

/// The states of a file during a run: the first one, then what changed, step by step.
pub struct Trace {
    /// Instructions executed.
    pub steps: u64,
    first: Vec<u8>,
    changes: Vec<Vec<(usize, [u8; PAGE])>>,
}

impl Trace {
    /// Calls `each` with the file's content after every instruction that changed it.
    pub fn images(&self, mut each: impl FnMut(&[u8])) {
        let mut image = self.first.clone();
        for change in &self.changes {
            for (page, content) in change {
                let end = (page + 1) * PAGE;
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[page * PAGE..end].copy_from_slice(content);
            }
            each(&image);
        }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }
}

/// What the handler works with. Only one run at a time: `RUNNING` is held during it.
struct State {
    file: *const u8,
    shadow: *mut u8,
    shadow_len: usize,
    arena: *mut u8,
    used: usize,
    steps: u64,
    overflow: bool,
}

static mut STATE: State = State {
    file: std::ptr::null(),
    shadow: std::ptr::null_mut(),
    shadow_len: 0,
    arena: std::ptr::null_mut(),
    used: 0,
    steps: 0,
    overflow: false,
};
static RUNNING: Mutex<()> = Mutex::new(());

/// After each instruction. Allocates nothing: the interrupted code may hold the allocator's lock.
extern "C" fn on_trap(_: libc::c_int) {
    // SAFETY: only the traced thread gets here, while `run` waits for it to return; the pointers are to
    // mappings of `WINDOW` and `ARENA` bytes, and the file is as long as its header says.
    unsafe {
        let state = &mut *std::ptr::addr_of_mut!(STATE);
        state.steps += 1;
        let size = state.file.add(SIZE_AT).cast::<u64>().read_volatile() as usize;
        let size = size.min(WINDOW);
        let known = state.shadow_len.min(size);
        if size == state.shadow_len && libc::memcmp(state.file.cast(), state.shadow.cast(), known) == 0 {
            return;
        }
        // In the arena: how many pages, then each with its number.
        let head = state.used;
        if head + 8 + size + size / PAGE * 8 + 8 > ARENA {
            state.overflow = true;
            return;
        }
        state.used += 8;
        let mut count = 0u64;
        for page in 0..size / PAGE {
            let (now, then) = (state.file.add(page * PAGE), state.shadow.add(page * PAGE));
            if page * PAGE < known && libc::memcmp(now.cast(), then.cast(), PAGE) == 0 {
                continue;
            }
            libc::memcpy(then.cast(), now.cast(), PAGE);
            state.arena.add(state.used).cast::<u64>().write_unaligned(page as u64);
            libc::memcpy(state.arena.add(state.used + 8).cast(), now.cast(), PAGE);
            state.used += 8 + PAGE;
            count += 1;
        }
        state.shadow_len = size;
        state.arena.add(head).cast::<u64>().write_unaligned(count);
    }
}

fn map(len: usize, fd: i32) -> *mut u8 {
    let (prot, flags) = if fd < 0 {
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE)
    } else {
        (libc::PROT_READ, libc::MAP_SHARED)
    };
    // SAFETY: a new mapping at an address that the system chooses.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, fd, 0) };
    assert_ne!(at, libc::MAP_FAILED, "mmap of {len} bytes: {}", std::io::Error::last_os_error());
    at.cast()
}

/// Runs `code` step by step and watches the file at `path`.
pub fn run(path: &Path, code: impl FnOnce()) -> Trace {
    let _alone = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let file = File::open(path).expect("the watched file");
    let (window, shadow, arena) = (map(WINDOW, file.as_raw_fd()), map(WINDOW, -1), map(ARENA, -1));
    // SAFETY: no trap is pending, so nobody else uses the state; the file is at least a page long.
    let first = unsafe {
        let size = (window.add(SIZE_AT).cast::<u64>().read_volatile() as usize).min(WINDOW);
        libc::memcpy(shadow.cast(), window.cast(), size);
        STATE = State { file: window, shadow, shadow_len: size, arena, used: 0, steps: 0, overflow: false };
        std::slice::from_raw_parts(shadow, size).to_vec()
    };
    // SAFETY: `on_trap` is a signal handler that does nothing but what such may do; the flag is set and cleared
    // around `code` in this thread, and the handler itself runs with it cleared.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
        std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq");
        code();
        std::arch::asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq");
    }
    // SAFETY: the run is over; the arena holds what the handler wrote.
    unsafe {
        let state = &*std::ptr::addr_of!(STATE);
        assert!(!state.overflow, "more changes than the arena holds");
        let (mut at, mut changes) = (0, Vec::new());
        while at < state.used {
            let count = arena.add(at).cast::<u64>().read_unaligned();
            at += 8;
            let mut change = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let page = arena.add(at).cast::<u64>().read_unaligned() as usize;
                change.push((page, arena.add(at + 8).cast::<[u8; PAGE]>().read_unaligned()));
                at += 8 + PAGE;
            }
            changes.push(change);
        }
        let steps = state.steps;
        libc::munmap(window.cast(), WINDOW);
        libc::munmap(shadow.cast(), WINDOW);
        libc::munmap(arena.cast(), ARENA);
        Trace { steps, first, changes }
    }
}
