//! What happens when a process with attachments forks.
//!
//! The child inherits the mappings and the descriptors. The mappings are harmless, but an inherited
//! descriptor belongs to the parent's open file description, and would keep the parent's byte-range
//! locks alive after the parent's death. So a handler runs in every child, before `fork` returns
//! there:
//!
//! 1. It counts the *epoch* up. Whoever remembers an epoch sees that it is in a child by now.
//! 2. It puts `/dev/null` over every *watched* descriptor, and forgets them. Closing them would leave `File` objects
//!    whose number may soon be somebody else's; so the number stays theirs, may be closed as ever,
//!    and leads nowhere. [`super::reopen`] gets the file back, by its path.
//!
//! 3. It forgets what the thread that forked has [remembered](super::super::remember): that thread is the child's only one.
//!
//! The handler may only do what is safe in a signal handler: it allocates nothing and takes no
//! lock. The watched numbers are in blocks of atomics, linked to a list that only grows.
//!
//! A child made at the very moment between opening and watching a file keeps its descriptor; and so
//! does one made without the C library's `fork`. That is why a dead process is recognised by its
//! id, too.

use super::super::forget;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

static EPOCH: AtomicU32 = AtomicU32::new(1);
static WATCHED: Block = Block::new();
/// Leads nowhere. Opened beforehand, since a child may have no descriptor left to open.
static NOWHERE: AtomicI32 = AtomicI32::new(NONE);

/// No descriptor in this place.
const NONE: i32 = -1;

struct Block {
    descriptors: [AtomicI32; 32],
    next: AtomicPtr<Block>,
}

impl Block {
    const fn new() -> Block {
        Block { descriptors: [const { AtomicI32::new(NONE) }; 32], next: AtomicPtr::new(ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Block> {
        // SAFETY: `next` is null or points to a block that was leaked for ever.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// The block behind this one, which is made if there is none.
    fn next_or_new(&self) -> &'static Block {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Block::new()));
        let null = ptr::null_mut();
        match self.next.compare_exchange(null, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked just now, and nobody ever frees a linked block.
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: ours, and nobody has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: linked by another thread, and nobody ever frees a linked block.
                unsafe { &*other }
            }
        }
    }

    /// Replaces `old` by `new` in one place of this block.
    fn replace(&self, old: i32, new: i32) -> bool {
        self.descriptors.iter().any(|place| {
            place.load(Ordering::Relaxed) == old
                && place.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }
}

/// Starts at 1, and is counted up in every forked child. One relaxed load.
#[inline]
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Sees to it that the handler runs in every child from now on. Cheap when it does already.
pub(crate) fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Acquire) {
        return;
    }
    let nowhere = open_nowhere();
    if NOWHERE.compare_exchange(NONE, nowhere, Ordering::Relaxed, Ordering::Relaxed).is_err() && nowhere != NONE {
        // SAFETY: opened just now, and nobody else knows it.
        unsafe { libc::close(nowhere) };
    }
    // Threads that race here install it twice, which does no harm: the epoch leaps by two.
    // SAFETY: the handler is a function that lives for ever and is safe in a signal handler.
    let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if result != 0 {
        // Its only failure is the lack of a few bytes of memory.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<[usize; 4]>());
    }
    INSTALLED.store(true, Ordering::Release);
}

/// Lets the handler replace this file's descriptor in children. Undo it before the file is closed.
/// In the children it is not watched any more, nor need it be.
pub(crate) fn watch(file: &File) {
    let descriptor = file.as_raw_fd();
    let mut block = &WATCHED;
    while !block.replace(NONE, descriptor) {
        block = block.next_or_new();
    }
}

/// Takes back one [`watch`]; nothing if it was in the parent of a forked child.
pub(crate) fn unwatch(file: &File) {
    let descriptor = file.as_raw_fd();
    let mut block = Some(&WATCHED);
    while let Some(this) = block {
        if this.replace(descriptor, NONE) {
            return;
        }
        block = this.next();
    }
}

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    forget();
    let mut nowhere = NOWHERE.load(Ordering::Relaxed);
    if nowhere == NONE {
        nowhere = open_nowhere();
        NOWHERE.store(nowhere, Ordering::Relaxed);
    }
    if nowhere == NONE {
        // Then the descriptors stay. Closing them would be worse: their numbers would become
        // others', and our `File`s would close those.
        return;
    }
    // Nothing is watched in the child: those who own the descriptors may close them without
    // knowing that they were forked, and the numbers must not be taken for ours in a grandchild.
    let mut block = Some(&WATCHED);
    while let Some(this) = block {
        for place in &this.descriptors {
            let descriptor = place.swap(NONE, Ordering::Relaxed);
            if descriptor != NONE {
                replace(nowhere, descriptor);
            }
        }
        block = this.next();
    }
}

/// A descriptor that leads nowhere: `/dev/null`, or where there is none, a pipe without a writer.
fn open_nowhere() -> i32 {
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: a C string; open is safe in a signal handler.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), flags) };
    if null >= 0 {
        return null;
    }
    let mut ends = [NONE; 2];
    // SAFETY: room for two descriptors; pipe and close are safe in a signal handler.
    unsafe {
        if libc::pipe(ends.as_mut_ptr()) != 0 {
            return NONE;
        }
        libc::close(ends[1]);
    }
    ends[0]
}

/// Puts what `nowhere` leads to over `descriptor`, which drops what it led to.
fn replace(nowhere: i32, descriptor: i32) {
    // SAFETY: two descriptors of ours; dup2 and fcntl are safe in a signal handler.
    unsafe {
        while libc::dup2(nowhere, descriptor) == -1
            && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
        {}
        libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::super::testing::{fork_child, open_again, serial, temp_file};
    use super::super::super::{Access, byte_locked_elsewhere, file_identity, reopen, try_lock_byte, unlock_byte};
    use super::*;

    #[test]
    fn a_child_does_not_believe_it_is_its_parent() {
        let _serial = serial();
        install();
        install();
        let before = epoch();
        let mut child = fork_child(|pipe| pipe.say(u8::from(epoch() > before)));
        assert_eq!(child.hear(), 1);
        assert_eq!(epoch(), before);
    }

    #[test]
    fn a_living_child_does_not_keep_its_parents_locks() {
        let _serial = serial();
        install();
        let (_dir, file, path) = temp_file();
        let other = open_again(&path);
        watch(&file);
        assert!(try_lock_byte(&file, 0).unwrap());
        let mut child = fork_child(|pipe| {
            pipe.say(1);
            pipe.hear();
        });
        child.hear();
        assert!(byte_locked_elsewhere(&other, 0).unwrap(), "the fork lost the parent's lock");
        unwatch(&file);
        drop(file);
        // Another test may be starting a program, which has the descriptor until it executes.
        let start = std::time::Instant::now();
        while byte_locked_elsewhere(&other, 0).unwrap() {
            assert!(start.elapsed() < std::time::Duration::from_secs(10));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_stale_file_in_a_child_neither_unlocks_for_its_parent_nor_closes_a_strangers() {
        let _serial = serial();
        install();
        let (_dir, file, path) = temp_file();
        let other = open_again(&path);
        watch(&file);
        assert!(try_lock_byte(&file, 0).unwrap());
        let mut child = fork_child(|pipe| {
            let _ = unlock_byte(&file, 0);
            let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
            // SAFETY: the number is still open, and a live structure is written to.
            let open = unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) } == 0;
            pipe.say(u8::from(open));
            pipe.hear();
        });
        assert_eq!(child.hear(), 1);
        assert!(byte_locked_elsewhere(&other, 0).unwrap());
        unwatch(&file);
    }

    #[test]
    fn a_child_that_reopens_does_not_get_its_parents_locks() {
        let _serial = serial();
        install();
        let (_dir, file, path) = temp_file();
        let identity = file_identity(&file).unwrap();
        watch(&file);
        assert!(try_lock_byte(&file, 0).unwrap());
        let mut child = fork_child(|pipe| {
            let again = reopen(&file, &path, Access::ReadWrite).unwrap();
            pipe.say(u8::from(file_identity(&again).unwrap() == identity));
            pipe.say(u8::from(!try_lock_byte(&again, 0).unwrap()));
            pipe.say(u8::from(try_lock_byte(&again, 1).unwrap()));
            pipe.hear();
        });
        for _ in 0..3 {
            assert_eq!(child.hear(), 1);
        }
        assert!(byte_locked_elsewhere(&file, 1).unwrap());
        unwatch(&file);
    }

    #[test]
    fn a_grandchild_keeps_the_files_that_got_our_old_numbers() {
        let _serial = serial();
        install();
        let (_dir, file, _path) = temp_file();
        let number = file.as_raw_fd();
        watch(&file);
        let mut child = fork_child(|pipe| {
            // SAFETY: the child gives the number, whose file it owns a copy of, to a stranger;
            // nothing of ours is used through it any more.
            let ends = unsafe {
                let mut ends = [0; 2];
                libc::pipe(ends.as_mut_ptr());
                libc::dup2(ends[1], number);
                ends
            };
            // SAFETY: the grandchild does what is safe in a signal handler.
            unsafe {
                if libc::fork() == 0 {
                    libc::_exit(i32::from(libc::write(number, c"x".as_ptr().cast(), 1) != 1));
                }
            }
            let mut status = -1;
            let mut byte = 0u8;
            let mut ready = libc::pollfd { fd: ends[0], events: libc::POLLIN, revents: 0 };
            // SAFETY: live variables, and our own pipe and child.
            let got = unsafe {
                libc::wait(&mut status);
                libc::poll(&mut ready, 1, 0) == 1 && libc::read(ends[0], (&raw mut byte).cast(), 1) == 1
            };
            pipe.say(u8::from(got && status == 0));
        });
        assert_eq!(child.hear(), 1);
        unwatch(&file);
    }

    #[test]
    fn more_files_than_one_block_holds_are_all_replaced() {
        let _serial = serial();
        install();
        let files: Vec<_> = (0..70).map(|_| temp_file()).collect();
        files.iter().for_each(|(_, file, _)| watch(file));
        let mut child = fork_child(|pipe| {
            let replaced = files.iter().all(|(_, file, _)| file.metadata().is_ok_and(|facts| !facts.is_file()));
            pipe.say(u8::from(replaced));
        });
        assert_eq!(child.hear(), 1);
        files.iter().for_each(|(_, file, _)| unwatch(file));
    }
}
