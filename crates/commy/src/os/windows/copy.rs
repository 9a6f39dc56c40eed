//! Copying a file, piece by piece: pieces of zeros are left out, so that a sparse copy of a sparse file stays one.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;

/// How much is copied at once.
const PIECE: usize = 256 << 10;

pub fn read_some_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

pub fn read_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                buffer = &mut buffer[got..];
                at += got as u64;
            }
        }
    }
    Ok(())
}

pub fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                at += written as u64;
            }
        }
    }
    Ok(())
}

/// The file systems that most have cannot share storage.
pub fn clone_file(_from: &File, _to: &File) -> io::Result<bool> {
    Ok(false)
}

pub fn unshare(_file: &File, _len: u64) -> io::Result<()> {
    Ok(())
}

pub fn copy_range(source: &File, target: &File, mut from: u64, to: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE.min((to - from) as usize)];
    while from < to {
        let piece = &mut buffer[..PIECE.min((to - from) as usize)];
        read_at(source, piece, from)?;
        if piece.iter().any(|byte| *byte != 0) {
            write_at(target, piece, from)?;
        }
        from += piece.len() as u64;
    }
    Ok(())
}
