//! The segment itself, for programs on the server's machine.
//!
//! The server gives a ticket; with that its other socket hands the descriptor of the segment's file over.

use crate::error::{Error, Result};
use crate::services::Service;
use commy::Segment;
use commy_wire::{Call, Map, Mapping, Reply, descriptor};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Maps the segment of the service, for changing it if `write`. What it gives is the library's own, as if the file
    /// had been opened here. It stays mapped if the permission is revoked later (docs/SECURITY.md).
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call); [`Error::Segment`] if the server is not on this machine, or runs as
    /// another user.
    pub async fn map(&self, write: bool) -> Result<Segment> {
        let Reply::Mapping(mapping) = self.call(Call::Map(Map { write })).await? else { return Err(Error::Unexpected) };
        let name = self.name().to_owned();
        let mapped = tokio::task::spawn_blocking(move || {
            let file =
                receive(&mapping).map_err(|error| Error::Segment(format!("from {}: {error}", mapping.socket)))?;
            let opened = Segment::options().read_only(!write).open_file(file, Path::new(&name));
            opened.map_err(|error| Error::Segment(error.to_string()))
        });
        mapped.await.unwrap_or_else(|error| Err(Error::Segment(error.to_string())))
    }
}

fn receive(mapping: &Mapping) -> io::Result<File> {
    let mut stream = UnixStream::connect(&mapping.socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(mapping.ticket.as_bytes())?;
    let descriptor = descriptor::receive(&stream, &mut [0])?;
    let descriptor =
        descriptor.ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "the server handed nothing over"))?;
    let descriptor =
        descriptor.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the server sent no descriptor"))?;
    Ok(descriptor.into())
}
