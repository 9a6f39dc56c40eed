//! Runs a piece of code and keeps every state that a file, which the code has mapped, passes through.
//!
//! [`run`] makes each machine instruction of this thread end in a SIGTRAP, by the processor's trap flag; the handler
//! compares the file with its last known content and notes the pages that changed. So what is seen is what the
//! compiler really emitted, in the order in which a killed process would leave it.
//!
//! [`watch`] sees the same states of code that itself maps the file, and lets all other instructions run freely. A
//! file changes by a store into a mapping of it or within a system call, and nothing else:
//!
//! ```text
//! store       the mapping may only be read: SIGSEGV --make it writable, trap flag--> one instruction --SIGTRAP-->
//!             compare, may only be read again
//! system call each is handed to us first: SIGSYS    --the same-------------------->  the call      --SIGTRAP-->
//!             (syscall user dispatch)                                                compare, and watch what it mapped
//! ```
//!
//! A store that the processor repeats (`rep movs`) traps after each repetition, in both. That both see the same is
//! a test, below.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::rc::Rc;
use std::sync::Once;

const PAGE: usize = 4096;
/// The largest file that can be watched.
const WINDOW: usize = 8 << 20;
/// Room for what changed.
const ARENA: usize = 2 << 30;
/// Where the segment's header has the size.
const SIZE_AT: usize = 64;
/// The processor's trap flag.
const TRAP: i64 = 0x100;
/// Mappings of the file that can be watched at once.
const MAPPINGS: usize = 4;
/// What `prctl` is told, and what the byte that it is given says.
const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const LET_PASS: u8 = 0;
const HAND_OVER: u8 = 1;

/// A page's content. Images share what is alike in them.
pub type Page = Rc<[u8; PAGE]>;

/// One state of a file: what is in it, up to the size that its header says, and how long it is.
#[derive(Clone)]
pub struct Image {
    pages: Vec<Page>,
    len: usize,
}

impl Image {
    /// The file's content.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        self.pages.iter().for_each(|page| bytes.extend_from_slice(&page[..]));
        bytes.resize(self.len, 0);
        bytes
    }

    /// The pages of it.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// How long the file is.
    pub fn len(&self) -> usize {
        self.len
    }
}

/// What one instruction changed.
struct Change {
    pages: Vec<(usize, Page)>,
    len: usize,
}

/// The states of a file during a run: the first one, then what changed, step by step.
pub struct Trace {
    /// Instructions after which the file was looked at.
    pub steps: u64,
    first: Image,
    changes: Vec<Change>,
}

impl Trace {
    /// The state before the run.
    pub fn first(&self) -> &Image {
        &self.first
    }

    /// The states of the file after every instruction that changed it.
    pub fn images(&self) -> impl Iterator<Item = Image> {
        self.changes.iter().scan(self.first.clone(), |image, change| {
            for (page, content) in &change.pages {
                // Pages that are new to the file come in their order.
                match image.pages.get_mut(*page) {
                    Some(known) => *known = content.clone(),
                    None => image.pages.push(content.clone()),
                }
            }
            image.len = change.len;
            Some(image.clone())
        })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }
}

/// What the handlers work with: each thread has its own run, and its own signals.
struct State {
    file: *const u8,
    shadow: *mut u8,
    shadow_len: usize,
    descriptor: libc::c_int,
    len: usize,
    arena: *mut u8,
    used: usize,
    steps: u64,
    overflow: bool,
    /// Whether only stores and system calls are looked at.
    watching: bool,
    /// Device and inode of the file.
    identity: (u64, u64),
    /// The writable mappings of the file: address and length, or zeros.
    mappings: [(usize, usize); MAPPINGS],
    /// Where the store that is being done faulted, 0 for a system call.
    fault: usize,
    /// The system call that is being done maps so many bytes of the file.
    maps: usize,
    /// Tells the kernel whether this thread's system calls are handed to us.
    selector: u8,
}

thread_local! {
    /// The run of this thread. Without a destructor and with a constant to begin with it is there in handlers, too.
    static STATE: Cell<*mut State> = const { Cell::new(ptr::null_mut()) };
}

impl State {
    /// Notes what has changed, if anything, in these bytes of the file.
    unsafe fn compare(&mut self, range: std::ops::Range<usize>) {
        // SAFETY: the pointers are to mappings of `WINDOW` and `ARENA` bytes, and the file is as long as its header says.
        unsafe {
            self.steps += 1;
            let len = file_facts(self.descriptor).map_or(0, |facts| facts.st_size as usize);
            let size = known_size(self.file, len);
            let range = if size == self.shadow_len { range.start..range.end.min(size) } else { 0..size };
            if size == self.shadow_len && len == self.len && self.is_known(&range) {
                return;
            }
            self.len = len;
            // In the arena: how many pages, how long the file is, then each page with its number.
            let head = self.used;
            if head + 16 + size + size / PAGE * 8 + 8 > ARENA {
                self.overflow = true;
                return;
            }
            self.arena.add(head + 8).cast::<u64>().write_unaligned(len as u64);
            self.used += 16;
            let mut count = 0u64;
            for at in range.step_by(PAGE) {
                if at < self.shadow_len && self.is_known(&(at..at + PAGE)) {
                    continue;
                }
                let (now, then) = (self.file.add(at), self.shadow.add(at));
                libc::memcpy(then.cast(), now.cast(), PAGE);
                self.arena.add(self.used).cast::<u64>().write_unaligned((at / PAGE) as u64);
                libc::memcpy(self.arena.add(self.used + 8).cast(), now.cast(), PAGE);
                self.used += 8 + PAGE;
                count += 1;
            }
            self.shadow_len = size;
            self.arena.add(head).cast::<u64>().write_unaligned(count);
        }
    }

    /// Whether these bytes are as they were when last looked at.
    unsafe fn is_known(&self, range: &std::ops::Range<usize>) -> bool {
        // SAFETY: within both mappings.
        let (now, then) = unsafe { (self.file.add(range.start), self.shadow.add(range.start)) };
        // SAFETY: as above.
        unsafe { libc::memcmp(now.cast(), then.cast(), range.len()) == 0 }
    }

    /// Lets stores into the mappings pass, or has them fault.
    unsafe fn protect(&self, protection: libc::c_int) {
        for (at, len) in self.mappings.iter().filter(|(_, len)| *len > 0) {
            // SAFETY: a mapping that the code made and has not taken away.
            unsafe { libc::mprotect(*at as *mut libc::c_void, *len, protection) };
        }
    }

    /// Which byte of the file an address is of.
    fn place(&self, address: usize) -> Option<usize> {
        self.mappings.iter().find(|(at, len)| (*at..at + len).contains(&address)).map(|(at, _)| address - at)
    }

    /// What a system call that is about to be done means for the mappings.
    unsafe fn foresee(&mut self, registers: &[libc::greg_t; 23]) {
        let argument = |register: libc::c_int| registers[register as usize];
        match argument(libc::REG_RAX) {
            libc::SYS_mmap if argument(libc::REG_R10) & i64::from(libc::MAP_SHARED) != 0 => {
                let facts = file_facts(argument(libc::REG_R8) as libc::c_int);
                let writable = argument(libc::REG_RDX) & i64::from(libc::PROT_WRITE) != 0;
                if writable && facts.is_some_and(|facts| (facts.st_dev, facts.st_ino) == self.identity) {
                    self.maps = argument(libc::REG_RSI) as usize;
                }
            }
            libc::SYS_munmap => {
                let (from, to) = (argument(libc::REG_RDI), argument(libc::REG_RDI) + argument(libc::REG_RSI));
                for mapping in &mut self.mappings {
                    if (from as usize..to as usize).contains(&mapping.0) {
                        *mapping = (0, 0);
                    }
                }
            }
            _ => {}
        }
    }

    /// After one instruction: looks what it changed. Gives whether the next one shall trap, too.
    unsafe fn after_step(&mut self, registers: &[libc::greg_t; 23]) -> bool {
        // SAFETY: what this may look at is as said there.
        unsafe {
            if !self.watching {
                self.compare(0..WINDOW);
                // The last one has cleared the flag itself.
                return registers[libc::REG_EFL as usize] & TRAP != 0;
            }
            if self.maps > 0 {
                let free = self.mappings.iter_mut().find(|(_, len)| *len == 0);
                *free.expect("few mappings at once") = (registers[libc::REG_RAX as usize] as usize, self.maps);
                self.maps = 0;
            }
            match std::mem::take(&mut self.fault) {
                0 => self.compare(0..WINDOW),
                // A store is of 64 bytes at most.
                fault => self.compare((fault - 64) / PAGE * PAGE..(fault + 64) / PAGE * PAGE + PAGE),
            }
            self.protect(libc::PROT_READ);
            false
        }
    }
}

/// So many bytes of the file are looked at: the size that its header says, all where it says none yet.
///
/// # Safety
///
/// The file is mapped there, and is so long.
unsafe fn known_size(file: *const u8, len: usize) -> usize {
    // SAFETY: the file has this word.
    let said = if len < PAGE { 0 } else { unsafe { file.add(SIZE_AT).cast::<u64>().read_volatile() as usize } };
    (if said == 0 { len / PAGE * PAGE } else { said }).min(WINDOW)
}

/// What the kernel knows of an open file.
fn file_facts(descriptor: libc::c_int) -> Option<libc::stat> {
    // SAFETY: zeros are a `stat`.
    let mut facts: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills it if there is such a descriptor.
    (unsafe { libc::fstat(descriptor, &raw mut facts) } == 0).then_some(facts)
}

/// After each instruction, before each store or system call. Allocates nothing: the interrupted code may hold the
/// allocator's lock.
extern "C" fn on_signal(signal: libc::c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) {
    // SAFETY: the state is that of this thread, whose run waits for the handler to return; what is not about the file
    // happens again with nobody to handle it, and ends the process.
    unsafe {
        let Some(state) = STATE.get().as_mut() else {
            libc::signal(signal, libc::SIG_DFL);
            return;
        };
        (&raw mut state.selector).write_volatile(LET_PASS);
        let registers = &mut context.uc_mcontext.gregs;
        let mut next_traps = true;
        match signal {
            libc::SIGTRAP => next_traps = state.after_step(registers),
            libc::SIGSYS => {
                // Done again, it passes.
                registers[libc::REG_RIP as usize] -= 2;
                state.foresee(registers);
                state.protect(libc::PROT_READ | libc::PROT_WRITE);
            }
            _ => match state.place(info.si_addr() as usize) {
                Some(place) => {
                    state.fault = place.max(64);
                    state.protect(libc::PROT_READ | libc::PROT_WRITE);
                }
                None => {
                    libc::signal(signal, libc::SIG_DFL);
                    next_traps = false;
                }
            },
        }
        let flags = &mut registers[libc::REG_EFL as usize];
        *flags = if next_traps { *flags | TRAP } else { *flags & !TRAP };
        if state.watching && !next_traps {
            (&raw mut state.selector).write_volatile(HAND_OVER);
        }
    }
}

/// How a handler returns: by a system call that is never handed over, being where `prctl` was told.
#[unsafe(naked)]
extern "C" fn leave_handler() {
    std::arch::naked_asm!("mov eax, {call}", "syscall", "ud2", call = const libc::SYS_rt_sigreturn)
}
/// Bytes of `leave_handler`.
const LEAVING: usize = 9;

/// What the kernel knows of a handler; libc would set another way to leave it.
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    leave: usize,
    mask: u64,
}

/// Has `on_signal` handle the signals of whoever is traced.
fn handle_signals() {
    let signals = [libc::SIGTRAP, libc::SIGSEGV, libc::SIGSYS];
    let mask = signals.iter().fold(0, |mask, signal| mask | 1 << (signal - 1));
    // The handler has a way of its own to return, of which the kernel wants to be told (SA_RESTORER).
    let flags = libc::SA_SIGINFO as u64 | 0x0400_0000;
    let handler = on_signal as *const () as usize;
    let action = Action { handler, flags, leave: leave_handler as *const () as usize, mask };
    for signal in signals {
        let nothing = ptr::null_mut::<Action>();
        // SAFETY: it is as the kernel wants it, with 8 bytes of mask.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, nothing, 8) };
        assert_eq!(done, 0, "sigaction: {}", std::io::Error::last_os_error());
    }
}

fn map(len: usize, fd: i32) -> *mut u8 {
    let (prot, flags) = if fd < 0 {
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE)
    } else {
        (libc::PROT_READ, libc::MAP_SHARED)
    };
    // SAFETY: a new mapping at an address that the system chooses.
    let at = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, fd, 0) };
    assert_ne!(at, libc::MAP_FAILED, "mmap of {len} bytes: {}", std::io::Error::last_os_error());
    at.cast()
}

/// Runs `code` instruction by instruction and keeps the states of the file at `path`.
pub fn run(path: &Path, code: impl FnOnce()) -> Trace {
    trace(path, false, code)
}

/// Runs `code`, which maps the file at `path` itself, and keeps the file's states.
pub fn watch(path: &Path, code: impl FnOnce()) -> Trace {
    trace(path, true, code)
}

fn trace(path: &Path, watching: bool, code: impl FnOnce()) -> Trace {
    static HANDLED: Once = Once::new();
    HANDLED.call_once(handle_signals);
    let file = File::open(path).expect("the watched file");
    let facts = file.metadata().expect("the watched file");
    let (window, shadow, arena) = (map(WINDOW, file.as_raw_fd()), map(WINDOW, -1), map(ARENA, -1));
    let len = facts.len() as usize;
    // SAFETY: the size is that of a window which is backed.
    let (size, first) = unsafe {
        let size = known_size(window, len);
        libc::memcpy(shadow.cast(), window.cast(), size);
        let pages = std::slice::from_raw_parts(shadow, size).as_chunks::<PAGE>().0;
        (size, Image { pages: pages.iter().map(|page| Rc::new(*page)).collect(), len })
    };
    let state = Box::new(State {
        file: window,
        shadow,
        shadow_len: size,
        descriptor: file.as_raw_fd(),
        len,
        arena,
        used: 0,
        steps: 0,
        overflow: false,
        watching,
        identity: (facts.dev(), facts.ino()),
        mappings: [(0, 0); MAPPINGS],
        fault: 0,
        maps: 0,
        selector: LET_PASS,
    });
    // By this pointer the handler has it, too; also that of who panics, who stays traced.
    let state = Box::into_raw(state);
    STATE.set(state);
    // SAFETY: `on_signal` is a signal handler that does nothing but what such may do, and runs itself without the
    // trap flag and with system calls passing; both are set and cleared around `code` in this thread.
    unsafe {
        if watching {
            let (from, len) = (leave_handler as *const () as usize, LEAVING);
            let selector = &raw mut (*state).selector;
            let on = libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, from, len, selector);
            assert_eq!(on, 0, "syscall user dispatch, Linux 5.11: {}", std::io::Error::last_os_error());
            selector.write_volatile(HAND_OVER);
            code();
            selector.write_volatile(LET_PASS);
            libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
        } else {
            std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq");
            code();
            std::arch::asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq");
        }
    }
    STATE.set(ptr::null_mut());
    // SAFETY: the run is over, and the state ours again; the arena holds what the handler wrote.
    unsafe {
        let state = Box::from_raw(state);
        assert!(!state.overflow, "more changes than the arena holds");
        let (mut at, mut changes) = (0, Vec::new());
        while at < state.used {
            let [count, len] = arena.add(at).cast::<[u64; 2]>().read_unaligned();
            at += 16;
            let mut pages = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let page = arena.add(at).cast::<u64>().read_unaligned() as usize;
                pages.push((page, Rc::new(arena.add(at + 8).cast::<[u8; PAGE]>().read_unaligned())));
                at += 8 + PAGE;
            }
            changes.push(Change { pages, len: len as usize });
        }
        let steps = state.steps;
        libc::munmap(window.cast(), WINDOW);
        libc::munmap(shadow.cast(), WINDOW);
        libc::munmap(arena.cast(), ARENA);
        Trace { steps, first, changes }
    }
}
