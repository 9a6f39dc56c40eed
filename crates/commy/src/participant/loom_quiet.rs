//! Having others be quiet, under loom: who gives storage back waits for all who may still read there, and who copies the
//! file for all who change it.
//!
//! What is read, given back, changed and copied are cells of loom's: two at once are found. The light fence of the one
//! side and the heavy one of the other are together what a full fence on each side is, which is what they are here.

use super::{grace, pause};
use crate::sync::loom_tests::{Cell64, explore, rest};
use crate::sync::{Word64, version};
use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;
use loom::thread;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::atomic::Ordering;

fn full_fence() {
    fence(Ordering::SeqCst);
}

/// A page, what leads there, and what its readers say.
struct Shelf {
    leads_there: Cell64,
    page: UnsafeCell<u64>,
    readers: [Says; 2],
}

/// What a reader says.
struct Says {
    now: Cell64,
    ended: Cell64,
}

impl Says {
    fn new() -> Says {
        Says { now: Cell64::new(0), ended: Cell64::new(0) }
    }

    /// Reads, by `look`.
    fn while_it_reads(&self, look: impl FnOnce()) {
        assert!(grace::enter(&self.now, full_fence), "it did not read before");
        look();
        grace::leave(&self.now, &self.ended);
    }
}

impl Shelf {
    fn new() -> Rc<Shelf> {
        let readers = [Says::new(), Says::new()];
        Rc::new(Shelf { leads_there: Cell64::new(1), page: UnsafeCell::new(7), readers })
    }

    /// Reads the page, if anything leads there.
    fn read(&self, reader: usize) {
        self.readers[reader].while_it_reads(|| {
            if self.leads_there.load(Ordering::Relaxed) != 0 {
                // Within another look: that one's end counts.
                assert!(!grace::enter(&self.readers[reader].now, full_fence));
                // SAFETY: loom watches that nobody writes to it meanwhile.
                self.page.with(|page| assert_eq!(unsafe { *page }, 7, "read what was given back"));
            }
        });
    }

    /// Gives the page back.
    fn give_back(&self) {
        self.leads_there.store(0, Ordering::Relaxed);
        full_fence();
        for says in &self.readers {
            assert!(grace::outlast(&says.now, &says.ended, || {
                rest();
                true
            }));
        }
        // SAFETY: loom watches that nobody reads it meanwhile.
        self.page.with_mut(|page| unsafe { *page = 0 });
    }
}

#[test]
fn no_storage_is_given_back_beneath_who_reads() {
    explore(3, || {
        let shelf = Shelf::new();
        let reader = shelf.clone();
        let reader = thread::spawn(move || {
            reader.read(0);
            reader.read(0);
        });
        shelf.give_back();
        reader.join().expect("a reader");
    });
}

#[test]
fn no_storage_is_given_back_beneath_either_of_two_who_read() {
    explore(2, || {
        let shelf = Shelf::new();
        let readers = [0, 1].map(|number| {
            let shelf = shelf.clone();
            thread::spawn(move || shelf.read(number))
        });
        shelf.give_back();
        readers.into_iter().for_each(|reader| reader.join().expect("a reader"));
    });
}

#[test]
#[should_panic = "Causality violation"]
fn without_waiting_storage_could_be_given_back_beneath_who_reads() {
    explore(2, || {
        let shelf = Shelf::new();
        let reader = shelf.clone();
        let reader = thread::spawn(move || reader.read(0));
        shelf.leads_there.store(0, Ordering::Relaxed);
        full_fence();
        // SAFETY: none; that is what loom shall find.
        shelf.page.with_mut(|page| unsafe { *page = 0 });
        reader.join().expect("a reader");
    });
}

/// A page with an object's lock and version, of which a reader remembers that the page was there at the first version.
struct Remembered {
    shelf: Rc<Shelf>,
    lock: Cell64,
    version: Cell64,
}

impl Remembered {
    /// A reader that goes by what it remembers if `is_good` says so, beside a writer that gives the page up and counts that,
    /// or dies before it does.
    fn beside_a_writer(dies: bool, is_good: impl Fn(&Remembered) -> bool + 'static) {
        let it = Remembered { shelf: Shelf::new(), lock: Cell64::new(0), version: Cell64::new(0) };
        let it = Rc::new(it);
        let reader = it.clone();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                reader.shelf.readers[0].while_it_reads(|| {
                    if is_good(&reader) {
                        // SAFETY: loom watches that nobody writes to it meanwhile.
                        reader.shelf.page.with(|page| assert_eq!(unsafe { *page }, 7, "read what was given back"));
                    }
                });
            }
        });
        it.lock.store(1, Ordering::Relaxed);
        fence(Ordering::Release);
        if !dies {
            version::count_change(&it.version);
            it.lock.publish(0);
        }
        it.shelf.give_back();
        reader.join().expect("a reader");
    }
}

#[test]
fn no_storage_is_given_back_beneath_who_goes_by_what_it_remembers() {
    for dies in [false, true] {
        explore(3, move || {
            Remembered::beside_a_writer(dies, |it| version::settled(&it.lock, &it.version) == Some(0));
        });
    }
}

#[test]
#[should_panic = "Causality violation"]
fn by_the_version_alone_one_could_read_what_the_dead_gave_up() {
    explore(3, || Remembered::beside_a_writer(true, |it| it.version.load(Ordering::Acquire) == 0));
}

/// A file that each writer has a page of, and the words by which they pause.
struct File {
    pages: [UnsafeCell<u64>; 2],
    busy: [Cell64; 2],
    pause: Cell64,
}

impl File {
    fn new() -> Rc<File> {
        let (pages, busy) = ([UnsafeCell::new(0), UnsafeCell::new(0)], [Cell64::new(0), Cell64::new(0)]);
        Rc::new(File { pages, busy, pause: Cell64::new(0) })
    }

    /// Changes the own page, as soon as that may be.
    fn change(&self, writer: usize, holds: bool) {
        let busy = &self.busy[writer];
        while !pause::may_begin(pause::announce(busy, &self.pause, full_fence), holds) {
            pause::end(busy);
            rest();
        }
        // SAFETY: loom watches that nobody reads it meanwhile.
        self.pages[writer].with_mut(|page| unsafe { *page += 1 });
        pause::end(busy);
    }

    /// Looks at all pages while nobody changes any.
    fn copy(&self) {
        let busy =
            || Ok::<_, Infallible>(self.busy.iter().position(|busy| pause::is_busy(busy.load(Ordering::Acquire))));
        let fence = || {
            full_fence();
            Ok(())
        };
        let still = pause::stand_still(&self.pause, 5, fence, busy, |_| {
            rest();
            Ok(())
        });
        still.expect("nothing that could fail");
        for page in &self.pages {
            // SAFETY: loom watches that nobody writes to it meanwhile.
            page.with(|page| assert!(unsafe { *page } <= 2));
        }
        self.pause.publish(0);
    }
}

/// A copier, and a writer that makes one change without guards and one with.
fn beside(preemptions: usize, holds: [bool; 2]) {
    explore(preemptions, move || {
        let file = File::new();
        let writer = file.clone();
        let writer = thread::spawn(move || holds.into_iter().for_each(|holds| writer.change(0, holds)));
        file.copy();
        writer.join().expect("a writer");
    });
}

#[test]
fn nothing_is_copied_that_somebody_is_changing() {
    beside(3, [false, false]);
}

#[test]
fn nothing_is_copied_that_somebody_with_guards_is_changing() {
    beside(3, [false, true]);
}

#[test]
fn nothing_is_copied_that_either_of_two_is_changing() {
    explore(2, || {
        let file = File::new();
        let writers = [false, true].map(|holds| {
            let file = file.clone();
            thread::spawn(move || file.change(usize::from(holds), holds))
        });
        file.copy();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
    });
}
