//! The allocator: a file as the place for containers and raw blocks.

use super::home::Home;
use crate::error::{Error, Result};
use crate::layout::MIN_SIZE;
use crate::segment::{Options, Segment};
use std::alloc::Layout;
use std::ops::DerefMut;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// How long an operation may take unless said.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file in which containers and raw blocks live, for all processes that make an allocator of it.
///
/// Its limit is the size that the file had when the first of them came; [`resize_file`](FreeListAllocator::resize_file)
/// changes it. Containers share the allocator's attachment to the file and may outlive it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("shared.mmap");
/// use commy::{FreeListAllocator, SharedVec};
///
/// std::fs::write(&path, vec![0; 1 << 20])?;
/// let file = std::fs::File::options().read(true).write(true).open(&path)?;
/// // SAFETY: whoever has the file open keeps to what the lending methods ask for.
/// let map = unsafe { memmap2::MmapMut::map_mut(&file)? };
/// let allocator = FreeListAllocator::new(map, &path);
///
/// let mut numbers: SharedVec<i32> = SharedVec::named_in(&allocator, "numbers");
/// numbers.push(1)?;
/// assert_eq!(numbers[0], 1);
/// # Ok::<(), commy::Error>(())
/// ```
///
/// # What is promised by mapping the file
///
/// Methods that change a container lock it and commit by themselves: any number of processes and threads may use them
/// at once. Those that lend a reference - `get`, `iter`, indexing, dereferencing and the like - cannot hold a lock for as
/// long as the reference lives. Whoever maps the file, which is `unsafe`, promises: while such a reference lives, nobody
/// adds to that container, removes from it or replaces in it, in any process or through any other handle, other than
/// by assigning values through references of its own; and for values of more than 8 bytes, or not aligned to their size, not even
/// that. Each of these methods refers here. `read()` and `write()` of each container need no promise, nor do `load` and its
/// like, which copy.
#[derive(Debug)]
pub struct FreeListAllocator {
    home: Arc<Home>,
    patience: Duration,
}

impl FreeListAllocator {
    /// An allocator for a file, of which a map is given as sign that it may be used. The map is let go: the file is
    /// mapped anew, together with the room that it may grow to. A file of zeros is made a segment.
    ///
    /// # Panics
    /// When [`try_new`](FreeListAllocator::try_new) gives an error.
    #[track_caller]
    pub fn new(mmap: impl DerefMut<Target = [u8]> + Send + 'static, file_path: impl AsRef<Path>) -> Self {
        let path = file_path.as_ref();
        FreeListAllocator::try_new(mmap, path)
            .unwrap_or_else(|error| panic!("no allocator for {}: {error}", path.display()))
    }

    /// As [`new`](FreeListAllocator::new).
    ///
    /// # Errors
    /// [`Error::OtherFile`] if the map is not of that file; else as [`Options::open`].
    pub fn try_new(mmap: impl DerefMut<Target = [u8]> + Send + 'static, file_path: impl AsRef<Path>) -> Result<Self> {
        let segment = options().open(file_path)?;
        segment.is_mapped_by(&mmap)?;
        drop(mmap);
        FreeListAllocator::of(segment, PATIENCE)
    }

    /// An allocator for a file, which is made with that size, in bytes, if there is none or it is empty.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("shared.mmap");
    /// // SAFETY: whoever has the file open keeps to what the lending methods ask for.
    /// let allocator = unsafe { commy::FreeListAllocator::open(&path, 10 << 20)? };
    /// assert_eq!(allocator.limit(), 10 << 20);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Safety
    /// The caller promises what is [promised by mapping the file](FreeListAllocator#what-is-promised-by-mapping-the-file).
    ///
    /// # Errors
    /// As [`Options::open_or_create`].
    pub unsafe fn open(path: impl AsRef<Path>, size: u64) -> Result<Self> {
        FreeListAllocator::of(options().initial_size(size).open_or_create(path)?, PATIENCE)
    }

    /// An allocator in a segment, which may have been opened with [`Options`] of its own, so that it grows by itself.
    /// Operations may take as long as `patience` before [`check_operation_timeout`] tells of them.
    ///
    /// [`check_operation_timeout`]: FreeListAllocator::check_operation_timeout
    ///
    /// # Safety
    /// As for [`open`](FreeListAllocator::open).
    ///
    /// # Errors
    /// As [`Segment::open_or_create`](crate::Objects::open_or_create).
    pub unsafe fn from_segment(segment: &Segment, patience: Duration) -> Result<Self> {
        FreeListAllocator::of(segment.clone(), patience)
    }

    fn of(segment: Segment, patience: Duration) -> Result<Self> {
        Ok(FreeListAllocator { home: Home::new(segment)?, patience })
    }

    pub(super) fn home(&self) -> &Arc<Home> {
        self.home.enlist();
        &self.home
    }

    /// The segment that the file is. What is made in it under a name is `named_in` of the containers here.
    pub fn segment(&self) -> &Segment {
        &self.home.segment
    }

    /// Takes a block of memory. Its content is arbitrary. It belongs to this attachment: unless it is
    /// [given back](FreeListAllocator::deallocate), that happens when the allocator and its containers are dropped, or
    /// when the process dies.
    ///
    /// A layout of no size gets a dangling pointer. Takes some nanoseconds up to 2 KiB, some hundred above.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::BadArgument`] for an alignment above 4096.
    #[inline(always)]
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>> {
        if let Some(mut blocks) = self.home.blocks.lock_as_favoured()
            && let Some(block) = blocks.take_stocked(layout)
        {
            return Ok(NonNull::slice_from_raw_parts(block, layout.size()));
        }
        let block = self.allocate_otherwise(layout).map_err(|error| *error)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    /// Its result goes through registers, so that what is found in stock need not go through memory.
    #[cold]
    fn allocate_otherwise(&self, layout: Layout) -> Result<NonNull<u8>, Box<Error>> {
        if layout.size() == 0 {
            let aligned = NonNull::new(std::ptr::without_provenance_mut(layout.align()));
            return Ok(aligned.unwrap_or(NonNull::dangling()));
        }
        let taken = self.home.blocks.lock().fetch(&self.home, layout);
        match taken {
            Err(Error::OutOfSpace { .. }) => {
                let mut blocks = self.home.blocks.lock();
                Ok(blocks.clear_out().and_then(|_| blocks.fetch(&self.home, layout))?)
            }
            taken => Ok(taken?),
        }
    }

    /// Gives a block back.
    ///
    /// # Panics
    /// If it is no block of that layout that this attachment took and has not given back: nothing is changed then.
    /// [`try_deallocate`](FreeListAllocator::try_deallocate) gives the error instead.
    #[inline(always)]
    #[track_caller]
    pub fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if !self.put_in_stock(ptr, layout) {
            self.deallocate_otherwise(ptr, layout);
        }
    }

    #[inline(always)]
    fn put_in_stock(&self, ptr: NonNull<u8>, layout: Layout) -> bool {
        match self.home.blocks.lock_as_favoured() {
            Some(mut blocks) => blocks.put_in_stock(ptr, layout),
            None => false,
        }
    }

    #[cold]
    #[track_caller]
    fn deallocate_otherwise(&self, ptr: NonNull<u8>, layout: Layout) {
        if let Err(error) = self.give_back(ptr, layout)
            && !std::thread::panicking()
        {
            panic!("deallocate: {error}");
        }
    }

    #[cold]
    fn give_back(&self, ptr: NonNull<u8>, layout: Layout) -> Result<()> {
        if layout.size() == 0 {
            return Ok(());
        }
        self.home.blocks.lock().give_back(&self.home, ptr, layout)
    }

    /// As [`deallocate`](FreeListAllocator::deallocate).
    ///
    /// # Errors
    /// [`Error::NotABlock`] if it is no block of that layout that this attachment took and has not given back: nothing
    /// is changed then.
    #[inline]
    pub fn try_deallocate(&self, ptr: NonNull<u8>, layout: Layout) -> Result<()> {
        if self.put_in_stock(ptr, layout) { Ok(()) } else { self.give_back(ptr, layout) }
    }

    /// Bytes that are handed out to containers and blocks, rounded up to the sizes that blocks have. Containers without a name that no
    /// process holds any more do not count, though their content may still be there.
    ///
    /// Looks at everything that has been handed out: a millisecond for some hundred megabytes. If the file is damaged
    /// it gives the file's size.
    pub fn size(&self) -> u64 {
        self.home.size().unwrap_or_else(|_| self.home.segment.size())
    }

    /// Bytes that the file may have. [`resize_file`](FreeListAllocator::resize_file) changes that for all who have it open.
    pub fn limit(&self) -> u64 {
        self.home.segment.limit()
    }

    /// Makes the file, and the limit, `new_size` bytes long, rounded up to pages of 4096; for everybody at once, and
    /// while they work: nothing moves.
    ///
    /// # Errors
    /// As [`Segment::resize`].
    pub fn resize_file(&self, new_size: u64) -> Result<()> {
        match self.home.segment.resize(new_size) {
            Err(Error::OutOfSpace { .. }) if self.home.clear_out()? => self.home.segment.resize(new_size),
            resized => resized,
        }
    }

    /// Gives back what nobody uses: containers without a name that nobody holds are removed, and the file shrinks to
    /// what is in use. The limit stays: when it is needed, the file grows again.
    ///
    /// # Errors
    /// As [`Segment::shrink_to_usage`].
    pub fn shrink_to_usage(&self) -> Result<()> {
        self.home.clear_out()?;
        self.home.segment.shrink_to_usage().map(drop)
    }

    /// Tells others that this process is not stuck.
    ///
    /// # Errors
    /// As [`Segment::heartbeat`].
    pub fn update_heartbeat(&mut self) -> Result<()> {
        self.home.segment.heartbeat()
    }

    /// Whether a change of the file's size does not come to its end: whoever does it has died, or has been at it for
    /// longer than 60 s, or the time given to [`from_segment`](FreeListAllocator::from_segment).
    pub fn check_operation_timeout(&self) -> bool {
        self.home.segment.is_resize_stuck(self.patience)
    }

    /// Finishes or undoes what dead processes left behind, a change of the file's size above all. There is no need to
    /// call it: whoever comes upon such things does the same.
    ///
    /// # Errors
    /// [`Error::LockTimeout`], naming the process, if one that is alive is at it; [`Error::Corrupt`].
    pub fn cleanup_failed_resize(&mut self) -> Result<()> {
        self.home.segment.recover()?;
        self.home.bury_dead().map(drop)
    }
}

/// A new segment's limit is what its file has.
fn options() -> Options {
    Segment::options().initial_size(MIN_SIZE).limit(0)
}
