//! Recognising a segment file, and making one out of zeros.
//!
//! Formatting is done by exactly one of those who race for it: under an OS lock on a byte of the file,
//! which falls when its holder dies. The magic is `FORMATTING` from before the first byte until after
//! the last, so who finds that knows that the file was meant to be a segment, and begins again.

use super::options::Options;
use crate::error::{Error, Result};
use crate::layout::{
    BITMAP_PAGE, FIRST_FREE_PAGE, FIXED_LEN, Header, MAGIC, MAX_SIZE, MIN_SIZE, PAGE, Point, VERSION, at,
};
use crate::map::Map;
use crate::os::{self, Access};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The byte that is locked while a file is formatted, or somebody attaches or leaves.
pub(crate) const GATE: u64 = 1 << 20;
/// Magic of a file that is being formatted.
const FORMATTING: [u8; 8] = *b"COMMY<\r\n";

/// What a file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Segment,
    /// Nothing but zeros, or formatting was begun.
    Blank,
}

/// Holds the gate byte until dropped.
pub(crate) struct Gate<'a>(&'a File);

impl Gate<'_> {
    /// Waits for the gate. Who has it holds it for microseconds, or is dead soon.
    pub(crate) fn pass<'a>(file: &'a File, path: &Path, patience: Duration) -> Result<Gate<'a>> {
        let begin = Instant::now();
        loop {
            if os::try_lock_byte(file, GATE).map_err(|e| Error::io("lock a byte of", path, e))? {
                return Ok(Gate(file));
            }
            if begin.elapsed() > patience {
                return Err(Error::LockTimeout {
                    what: format!("the opening of {}", path.display()),
                    holder: 0,
                    held_for: begin.elapsed(),
                });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        // It falls with the descriptor in any case.
        let _ = os::unlock_byte(self.0, GATE);
    }
}

/// The beginning of a file, and what the system knows of it.
struct Head {
    bytes: [u8; 128],
    length: u64,
    backed: u64,
}

/// What there is to know of a segment file before it is mapped.
pub(crate) struct Recognised {
    /// The size to reserve for it.
    pub(crate) reserve: u64,
    /// The file's length.
    pub(crate) length: u64,
    /// Bytes that the system has storage for, as far as it says.
    pub(crate) backed: u64,
}

/// Sees what an open file is; formats it if it is blank and may be. A file that was `made` for this is removed if that
/// fails.
pub(crate) fn recognise_or_format(
    file: &Arc<File>,
    path: &Path,
    options: &Options,
    fresh: bool,
    made: bool,
) -> Result<Recognised> {
    if let (Found::Segment, head) = look(file, path, fresh)? {
        return examine(head, file, path);
    }
    if options.read_only {
        let reason = "it is blank, and opened read-only".into();
        return Err(Error::NotASegment { path: path.to_path_buf(), reason });
    }
    let _gate = Gate::pass(file, path, options.patience)?;
    // The one who had the gate before may have removed it,
    let there = os::path_identity(path).ok();
    if there.is_none() || there != os::file_identity(file).ok() {
        return Err(Error::Replaced { path: path.to_path_buf() });
    }
    // or have done it.
    if look(file, path, fresh)?.0 == Found::Blank {
        format(file, path, options).inspect_err(|_| {
            if made {
                // It is nothing but empty, or half of a segment.
                let _ = std::fs::remove_file(path);
            }
        })?;
    }
    examine(Head::read(file, path)?, file, path)
}

/// Makes a segment of an open file of zeros, which keeps its length if that is fixed.
pub(crate) fn format_blank(file: &Arc<File>, path: &Path, options: &Options) -> Result<Recognised> {
    let _gate = Gate::pass(file, path, options.patience)?;
    match look(file, path, true)?.0 {
        Found::Blank => format(file, path, options)?,
        Found::Segment => return Err(Error::Exists { path: path.to_path_buf() }),
    }
    examine(Head::read(file, path)?, file, path)
}

/// Sees that an open file is a segment.
pub(crate) fn recognise(file: &File, path: &Path) -> Result<Recognised> {
    match look(file, path, false)? {
        (Found::Segment, head) => examine(head, file, path),
        (Found::Blank, _) => Err(Error::NotASegment {
            path: path.to_path_buf(),
            reason: "it is blank, and has no path to be made at".into(),
        }),
    }
}

/// That it is a file at all, by what the system knows of it.
pub(crate) fn must_be_file(facts: &Metadata, path: &Path) -> Result<()> {
    let found = if facts.is_dir() { "a directory" } else { "a device or pipe" };
    if facts.is_file() { Ok(()) } else { Err(Error::NotAFile { path: path.to_path_buf(), found }) }
}

impl Head {
    fn read(file: &File, path: &Path) -> Result<Head> {
        let facts = file.metadata().map_err(|e| Error::io("examine", path, e))?;
        must_be_file(&facts, path)?;
        let (mut bytes, mut done) = ([0; 128], 0);
        while done < bytes.len() {
            match os::read_some_at(file, &mut bytes[done..], done as u64) {
                Ok(0) => break,
                Ok(many) => done += many,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("read", path, e)),
            }
        }
        Ok(Head { bytes, length: facts.len(), backed: os::backed(&facts) })
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().unwrap_or_default())
    }

    fn half(&self, at: usize) -> u64 {
        u64::from(u32::from_ne_bytes(self.bytes[at..at + 4].try_into().unwrap_or_default()))
    }

    /// Whether it says of itself that it is a segment, or is to become one.
    fn named(&self) -> Option<Found> {
        match self.bytes[..8] {
            ref magic if *magic == MAGIC => Some(Found::Segment),
            ref magic if *magic == FORMATTING => Some(Found::Blank),
            _ => None,
        }
    }
}

fn look(file: &File, path: &Path, fresh: bool) -> Result<(Found, Head)> {
    let head = Head::read(file, path)?;
    let not = |reason: &str| Err(Error::NotASegment { path: path.to_path_buf(), reason: reason.into() });
    if let Some(found) = head.named() {
        return Ok((found, head));
    }
    if head.bytes[..5] == MAGIC[..5] {
        return not("it is of another format");
    }
    if head.bytes.iter().any(|b| *b != 0) {
        return not("it does not begin like one");
    }
    if head.length == 0 && !fresh {
        return not("it is empty; open_or_create makes a segment of it");
    }
    let (mut buffer, mut at) = (vec![0; 1 << 16], 0);
    loop {
        match os::read_some_at(file, &mut buffer, at) {
            Ok(0) => return Ok((Found::Blank, head)),
            Ok(many) if buffer[..many].iter().any(|b| *b != 0) => {
                // Whoever formats it at this moment writes the magic last.
                let head = Head::read(file, path)?;
                return match head.named() {
                    Some(found) => Ok((found, head)),
                    None => not("it begins with zeros, but has other content"),
                };
            }
            Ok(many) => at += many as u64,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("read", path, e)),
        }
    }
}

/// Checks the fixed facts and sizes of a segment's header.
fn examine(head: Head, file: &File, path: &Path) -> Result<Recognised> {
    let path_buf = || path.to_path_buf();
    if head.length < head.bytes.len() as u64 {
        return Err(Error::Truncated { path: path_buf(), expected: MIN_SIZE, actual: head.length });
    }
    for (what, found, needed) in [
        ("byte order", head.half(12), u64::from(crate::layout::ORDER)),
        ("format version", head.half(8), u64::from(VERSION)),
        ("page size", head.word(16), PAGE),
    ] {
        if found != needed {
            return Err(Error::Incompatible { path: path_buf(), what, found, needed });
        }
    }
    let (maximum, size) = (head.word(40), head.word(64));
    let not = |reason: String| Err(Error::NotASegment { path: path_buf(), reason });
    if head.word(FIXED_LEN) != Header::checksum_of(&head.bytes[..FIXED_LEN]) {
        return not("the checksum of its header is wrong".into());
    }
    if !(MIN_SIZE..=MAX_SIZE).contains(&maximum) || maximum % PAGE != 0 {
        return not(format!("its header names a maximum of {maximum} bytes"));
    }
    if size < MIN_SIZE || size > maximum || size % PAGE != 0 {
        return not(format!("its header names a size of {size} bytes"));
    }
    if head.length < size {
        let again = Head::read(file, path)?;
        // Unless somebody made it longer in between.
        return match again.word(64) == size && again.length == head.length {
            true => Err(Error::Truncated { path: path_buf(), expected: size, actual: head.length }),
            false => examine(again, file, path),
        };
    }
    Ok(Recognised { reserve: maximum, length: head.length, backed: head.backed })
}

/// Makes a segment of a blank file. The caller has passed the gate.
fn format(file: &Arc<File>, path: &Path, options: &Options) -> Result<()> {
    let length = file.metadata().map_err(|e| Error::io("examine", path, e))?.len();
    let fixed = os::has_fixed_length(file);
    if fixed && (length < MIN_SIZE || !length.is_multiple_of(PAGE) || length > MAX_SIZE) {
        let rule = "which must be whole pages, from 64 KiB to 1 TiB";
        return Err(Error::BadArgument { what: "the fixed length of the file", value: length, rule });
    }
    let size = if fixed { options.initial_size.min(length) } else { length.max(options.initial_size) };
    let size = size.max(MIN_SIZE).next_multiple_of(PAGE);
    let maximum = if fixed { length } else { options.max_size.max(size) };
    os::extend(file, 0, size).map_err(|e| Error::OutOfSpace {
        needed: size - length.min(size),
        reason: format!("the disk of {} says: {e}", path.display()),
    })?;
    // As it will be attached, so that what cannot be is found out before there is a segment.
    let map = Map::new(Arc::clone(file), path, maximum, Access::ReadWrite)?;
    let header = map.header();
    at(Point::WordPublish);
    header.magic.publish(u64::from_ne_bytes(FORMATTING));
    header.size.put(size);
    for offset in (8..FIRST_FREE_PAGE * PAGE).step_by(8).filter(|offset| *offset != 64) {
        map.word(offset)?.put(0);
    }
    header.version.store(VERSION, std::sync::atomic::Ordering::Relaxed);
    header.order.store(crate::layout::ORDER, std::sync::atomic::Ordering::Relaxed);
    header.page_size.put(PAGE);
    for word in &header.id {
        word.put(os::random_u64().map_err(|e| Error::io("get random numbers for", path, e))?);
    }
    header.maximum.put(maximum);
    header.max_participants.put(u64::from(options.max_participants));
    header.limit.put(options.limit.unwrap_or(maximum).next_multiple_of(PAGE).clamp(size, maximum));
    header.boot.put(os::boot_id());
    header.clean.put(1);
    map.word(BITMAP_PAGE)?.put(1);
    map.word(BITMAP_PAGE + 64)?.put((1 << FIRST_FREE_PAGE) - 1);
    super::format_directory(&map)?;
    let mut fixed = Vec::with_capacity(FIXED_LEN);
    fixed.extend(MAGIC);
    for offset in (8..FIXED_LEN as u64).step_by(8) {
        fixed.extend(map.word(offset)?.get().to_ne_bytes());
    }
    header.checksum.put(Header::checksum_of(&fixed));
    header.magic.publish(u64::from_ne_bytes(MAGIC));
    Ok(())
}

// On Windows a file has its greatest length while it is open.
#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::os::testing::temp_file;
    use crate::segment::Segment;

    #[test]
    fn a_file_that_grows_while_it_is_looked_at_is_not_taken_for_one_that_was_cut() {
        let (_folder, file, path) = temp_file();
        let segment = Segment::options().initial_size(1 << 20).open_or_create(&path).expect("format");
        let before = Head::read(&file, &path).expect("its beginning");
        segment.resize(2 << 20).expect("resize");
        let after = Head::read(&file, &path).expect("its beginning");
        // The length was asked for before, what it begins with was read behind that.
        let torn = Head { length: before.length, ..after };
        assert!(torn.length < torn.word(64));
        assert_eq!(examine(torn, &file, &path).expect("a whole segment").length, 2 << 20);
    }
}
