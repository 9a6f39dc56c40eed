//! The segment itself, for programs on the server's machine.
//!
//! The server gives a ticket; with that its other socket hands the descriptor of the segment's file over. As long as the
//! segment is held, the server tells under the number of that request when the service has moved to another, and
//! that one is asked for; so it is when a connection was lost.

use crate::connection::{Client, Command, closed};
use crate::error::{Error, Result};
use crate::services::Service;
use commy::Segment;
use commy_wire::{Code, Mapping, Reply, descriptor};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to get the segment to which a service has moved.
const PAUSE: Duration = Duration::from_millis(100);

impl Service {
    /// Maps the segment of the service, for changing it if `write`. What it gives leads to the library's own, as if the file
    /// had been opened here.
    ///
    /// When somebody else who has the segment may not have it any more, the service moves to another segment: changes in the
    /// old one then fail with [`commy::Error::Retired`], and nothing that was done is lost. [`Mapped`] goes over to the new
    /// one.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Error::Segment`] if the server is not on this machine, or the segment is for programs of
    /// another user.
    pub async fn map(&self, write: bool) -> Result<Mapped> {
        let news = Arc::new(Notify::new());
        let (told, segment) = ask(self, write, Arc::downgrade(&news)).await?;
        let (sender, newest) = watch::channel(segment.clone());
        let task = tokio::spawn(follow(self.clone(), write, news, told, sender));
        Ok(Mapped { segment, newest, task })
    }
}

/// The segment of a service, mapped; leads to the library's [`Segment`] as it is now, or was when the service was last
/// [renewed](Mapped::renew).
///
/// ```no_run
/// # async fn program(orders: commy_client::Service) -> Result<(), commy_client::Error> {
/// let mut near = orders.map(true).await?;
/// // Again, should the service have moved to another segment meanwhile.
/// near.run(|segment| segment.open::<Vec<u64>>("list")?.push(7)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Mapped {
    segment: Segment,
    newest: watch::Receiver<Segment>,
    task: JoinHandle<()>,
}

impl Deref for Mapped {
    type Target = Segment;
    fn deref(&self) -> &Segment {
        &self.segment
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mapped {
    /// Goes over to the segment that the service has moved to, if it has; tells whether. Handles of objects are of the
    /// segment that they were opened in: open them anew.
    pub fn renew(&mut self) -> bool {
        let newest = self.newest.borrow_and_update();
        let moved = newest.identity().id != self.segment.identity().id;
        if moved {
            self.segment = newest.clone();
        }
        moved
    }

    /// Waits until the service has moved to another segment, and goes over to that.
    ///
    /// # Errors
    /// [`Error::Closed`] if it may not be mapped any more.
    pub async fn moved(&mut self) -> Result<()> {
        while !self.renew() {
            let changed = self.newest.changed().await;
            changed.map_err(|_| Error::Closed("the segment may not be mapped any more".into()))?;
        }
        Ok(())
    }

    /// Does something with the segment; if the service has moved to another, goes over and does it with that. It is done
    /// once: what fails since the segment was retired has changed nothing.
    ///
    /// # Errors
    /// [`Error::Segment`] with what `work` says; as [`moved`](Mapped::moved).
    pub async fn run<R>(&mut self, mut work: impl FnMut(&Segment) -> commy::Result<R>) -> Result<R> {
        self.renew();
        loop {
            match work(&self.segment) {
                Err(commy::Error::Retired { .. }) => {
                    // If the move fails, for want of room, it is this segment that goes on.
                    if let Ok(moved) = tokio::time::timeout(PAUSE, self.moved()).await {
                        moved?;
                    }
                }
                done => return done.map_err(|error| Error::Segment(error.to_string())),
            }
        }
    }
}

/// The number under which the server tells about a segment, until it is dropped.
struct Told {
    client: Client,
    id: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.client.try_command(Command::Unwatch(self.id));
    }
}

/// Asks for the segment of a service, and opens it.
async fn ask(service: &Service, write: bool, news: Weak<Notify>) -> Result<(Told, Segment)> {
    let (answer, answered) = oneshot::channel();
    let (client, name) = (service.client().clone(), service.name().to_owned());
    client.command(Command::Map { service: name.clone(), write, news, answer }).await?;
    let (id, mapping) = match answered.await.unwrap_or_else(|_| Err(closed()))? {
        (id, Reply::Mapping(mapping)) => (id, mapping),
        _ => return Err(Error::Unexpected),
    };
    let told = Told { client, id };
    let opened = tokio::task::spawn_blocking(move || {
        let file = receive(&mapping).map_err(|error| Error::Segment(format!("from {}: {error}", mapping.socket)))?;
        let opened = Segment::options().read_only(!write).open_file(file, Path::new(&name));
        opened.map_err(|error| Error::Segment(error.to_string()))
    });
    let segment = opened.await.unwrap_or_else(|error| Err(Error::Segment(error.to_string())))?;
    Ok((told, segment))
}

/// Asks again whenever there are news, until the service may not be mapped any more.
async fn follow(service: Service, write: bool, news: Arc<Notify>, mut told: Told, newest: watch::Sender<Segment>) {
    loop {
        tokio::select! {
            () = news.notified() => {}
            () = service.client().gone() => return,
        }
        loop {
            match ask(&service, write, Arc::downgrade(&news)).await {
                Ok((again, segment)) => {
                    drop(std::mem::replace(&mut told, again));
                    newest.send_if_modified(|known| {
                        let moved = known.identity().id != segment.identity().id;
                        if moved {
                            *known = segment;
                        }
                        moved
                    });
                    break;
                }
                Err(Error::Failed(failure))
                    if matches!(failure.code, Code::Denied | Code::NotFound | Code::Corrupt) =>
                {
                    return;
                }
                Err(Error::Closed(_)) => return,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
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
