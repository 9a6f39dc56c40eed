//! Guards that outlive their thread's list of workers: a thread-local that was made before the list is dropped after it.

use crate::layout::thread_status;
use crate::participant::Attachment;
use crate::segment::Segment;
use crate::shared::{ReadGuard, Shared, WriteGuard};
use crate::tx::Record;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

type Object = Shared<u64>;

/// What a thread does as it ends.
struct Late(Option<Box<dyn FnOnce()>>);

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

thread_local! {
    static LATE: RefCell<Late> = const { RefCell::new(Late(None)) };
}

/// For as long as the test's process lives, where who looks for leaks finds it.
fn keep<T: Send + Sync>(thing: T) -> &'static T {
    static KEPT: Mutex<Vec<&(dyn Any + Send + Sync)>> = Mutex::new(Vec::new());
    let thing = Box::leak(Box::new(thing));
    KEPT.lock().unwrap().push(thing);
    thing
}

/// A segment with two objects.
fn objects() -> (tempfile::TempDir, &'static Segment, [&'static Object; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let segment = keep(Segment::create(dir.path().join("s.commy")).unwrap());
    let object = |name| keep(segment.open_or_create(name).unwrap());
    (dir, segment, [object("first"), object("second")])
}

/// Runs a thread that opens guards, and ends them as it ends, when its list of workers is gone.
fn in_a_thread(begin: impl FnOnce() -> Box<dyn FnOnce()> + Send + 'static) {
    let thread = std::thread::spawn(|| {
        LATE.with(|late| {
            let end = begin();
            late.borrow_mut().0 = Some(end);
        });
    });
    thread.join().unwrap();
}

fn occupied(at: &Attachment) -> usize {
    let slots = (0..at.thread_slots()).filter_map(|index| at.map.thread(index));
    slots.filter(|slot| at.state(slot).status != thread_status::FREE).count()
}

fn begin(write: &'static Object, read: &'static Object) -> (WriteGuard<'static, u64>, ReadGuard<'static, u64>) {
    (write.write().unwrap(), read.read().unwrap())
}

#[test]
fn guards_that_end_after_their_thread_commit_and_give_its_place_up() {
    let (_dir, segment, [first, second]) = objects();
    let before = occupied(segment.attachment());
    for (read_first, number) in [(false, 1), (true, 2)] {
        in_a_thread(move || {
            let (mut write, read) = begin(first, second);
            let change = move || {
                *write.view_mut() = number;
                drop(write);
            };
            Box::new(move || {
                if read_first {
                    drop(read);
                    change();
                } else {
                    change();
                    drop(read);
                }
            })
        });
        assert_eq!(first.load().unwrap(), number);
        second.try_write().unwrap();
        assert_eq!(occupied(segment.attachment()), before, "the thread's place was not given up");
    }
}

#[test]
fn a_guard_opened_after_its_threads_list_is_gone_is_as_good_as_another() {
    let (_dir, segment, [first, second]) = objects();
    let list: Shared<Vec<u64>> = segment.open_or_create("list").unwrap();
    let before = occupied(segment.attachment());
    in_a_thread(move || {
        second.store(1).unwrap();
        Box::new(move || {
            first.store(3).unwrap();
            // It has no room yet: that takes more than a stroke.
            list.push(7).unwrap();
            assert_eq!(list.load().unwrap(), [7]);
            let (mut write, read) = begin(second, first);
            *write.view_mut() += read.view() + 1;
            // Where thread-locals are dropped in another order the list is there still, and this is the same worker.
            let err = second.try_write().unwrap_err();
            assert!(matches!(err, crate::Error::LockTimeout { .. } | crate::Error::Deadlock { .. }), "{err}");
            drop(write);
            assert_eq!(*read.view(), 3);
        })
    });
    assert_eq!((first.load().unwrap(), second.load().unwrap()), (3, 5));
    assert_eq!(occupied(segment.attachment()), before, "the thread's place was not given up");
}

#[test]
fn who_has_all_pause_does_not_wait_for_a_thread_that_only_reads_any_more() {
    let (dir, segment, [first, second]) = objects();
    let copy = dir.path().join("copy.commy");
    let (say, hear) = std::sync::mpsc::channel();
    let (answer, answered) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        // Not by a thread that the destructor starts: on Windows none starts while another one ends.
        scope.spawn(move || {
            hear.recv().unwrap();
            let copied = segment.snapshot(copy);
            answer.send(()).unwrap();
            copied.unwrap();
        });
        in_a_thread(move || {
            let (write, read) = begin(first, second);
            Box::new(move || {
                drop(write);
                say.send(()).unwrap();
                answered.recv().unwrap();
                drop(read);
            })
        });
    });
    second.write_for(Duration::ZERO).unwrap();
}

#[test]
fn a_leaked_guard_keeps_its_lock_and_its_worker_when_its_thread_has_ended() {
    let (_dir, segment, [first, second]) = objects();
    let before = occupied(segment.attachment());
    let thread = std::thread::spawn(move || {
        let (write, read) = begin(first, second);
        (Box::leak(Box::new(write)).view() as *const u64 as usize, std::mem::forget(read)).0
    });
    let place = thread.join().unwrap();
    assert!(first.try_write().is_err() && second.try_write().is_err());
    assert_eq!(second.try_read().unwrap().view(), &0);
    assert_eq!(place, first.place().1 as usize);
    assert_eq!(occupied(segment.attachment()), before + 1, "the place of a leaked guard was given up");
}

/// How many threads have a worker in the segment, and one more for the segment itself.
fn workers(segment: &Segment) -> usize {
    std::sync::Arc::strong_count(segment.roster())
}

/// Damages the record of the calling thread's transaction, so that it cannot be undone any more.
fn damage(segment: &Segment, guard: &WriteGuard<'_, u64>) {
    let (worker, way) = (guard.cx().worker().unwrap(), guard.cx().way());
    Record::of(segment.map(), worker.slot().work.get(), way).unwrap().state.put(u64::MAX);
}

#[test]
fn a_worker_whose_transaction_cannot_be_undone_goes_with_its_thread() {
    let (_dir, segment, [first, second]) = objects();
    let (before, places) = (workers(segment), occupied(segment.attachment()));
    std::thread::spawn(move || {
        let mut write = first.write().unwrap();
        *write.view_mut() = 1;
        damage(segment, &write);
        write.rollback();
        assert_eq!(second.load().unwrap(), 0);
    })
    .join()
    .unwrap();
    assert_eq!(workers(segment), before, "the worker is there still");
    assert!(first.try_write().is_err(), "what could not be undone is not locked any more");
    assert_eq!(occupied(segment.attachment()), places + 1, "the place of such a transaction was given up");
}

#[test]
fn a_worker_whose_transaction_cannot_be_undone_goes_with_the_last_guard_that_outlives_its_thread() {
    for read_first in [false, true] {
        let (_dir, segment, [first, second]) = objects();
        let before = workers(segment);
        in_a_thread(move || {
            let (mut write, read) = begin(first, second);
            *write.view_mut() = 1;
            damage(segment, &write);
            Box::new(move || {
                if read_first {
                    drop(read);
                    write.rollback();
                } else {
                    write.rollback();
                    assert_eq!(workers(segment), before + 1, "the worker went before its last guard");
                    drop(read);
                }
            })
        });
        assert_eq!(workers(segment), before, "the worker is there still");
        second.write_for(Duration::ZERO).unwrap();
    }
}
