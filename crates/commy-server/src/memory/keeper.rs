//! The keeper: a process that does nothing but hold the memory of isolated services, so that it outlives the server.
//!
//! ```text
//! server                                        keeper, `commy keeper`, whose standard input is the listening socket
//!   KEEP id | descriptor  ---------------------->  holds it; a second one of that number takes its place
//!   DROP id               ---------------------->  lets it go
//!   LIST                  ---------------------->
//!                         <----------------------  HELD id | descriptor   for each
//!   each is answered with <----------------------  DONE
//! ```
//!
//! A message is two words, what and number. Both sides look at who is on the other: the keeper hands memory to
//! processes of its own user only, and the server believes nobody else. The keeper ends when it holds nothing and no server
//! is connected; while it holds something it stays, for it may have all that there is of it. A server that starts finds it by
//! its socket, in the data folder, and takes over; without that it cannot be found any more, and ends. If it is killed, the
//! server starts another and gives it everything.
//!
//! Neither side locks the descriptions that they hold: signs of life belong to who opens the memory anew.

use commy_wire::descriptor;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const KEEP: u64 = 1;
const DROP: u64 = 2;
const LIST: u64 = 3;
const HELD: u64 = 4;
const DONE: u64 = 5;

/// How long the other side may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a keeper without a server looks whether it can still be found, in milliseconds.
const LOOK_AROUND: libc::c_int = 2000;

/// A message: what, and the number of a service.
fn send(stream: &UnixStream, what: u64, id: u64, file: Option<&File>) -> io::Result<()> {
    let words = [what.to_ne_bytes(), id.to_ne_bytes()];
    descriptor::send(stream, words.as_flattened(), file.map(AsFd::as_fd))
}

/// The next message; none when the other side has gone.
fn receive(stream: &UnixStream) -> io::Result<Option<(u64, u64, Option<File>)>> {
    let mut words = [[0; 8]; 2];
    let received = descriptor::receive(stream, words.as_flattened_mut())?;
    Ok(received.map(|file| (u64::from_ne_bytes(words[0]), u64::from_ne_bytes(words[1]), file.map(File::from))))
}

/// Whether the process on the other side is of our own user.
fn is_own(stream: &UnixStream) -> bool {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of_val(&peer) as libc::socklen_t;
    // SAFETY: an open socket, and a place of the size that is told.
    let known = unsafe {
        let place = (&raw mut peer).cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut length)
    };
    known == 0 && peer.uid == crate::handover::own_user()
}

fn stranger() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the process at the keeper's socket is another user's")
}

/// Does the keeper's work, as a process of its own: holds what it is given at the socket that is its standard input.
///
/// # Errors
/// What the system says about that socket.
pub fn keep() -> io::Result<()> {
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut held = BTreeMap::new();
    while can_be_found(&listener)? {
        if !is_waited_for(&listener)? {
            continue;
        }
        let (stream, _) = listener.accept()?;
        if is_own(&stream) {
            // It is gone when that fails; the next one comes for what is held.
            let _ = serve(&stream, &mut held);
        }
        if held.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Whether the socket is where it was bound.
fn can_be_found(listener: &UnixListener) -> io::Result<bool> {
    Ok(listener.local_addr()?.as_pathname().is_some_and(Path::exists))
}

/// Whether somebody wants to connect; waits a while for that.
fn is_waited_for(listener: &UnixListener) -> io::Result<bool> {
    let mut wanted = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives through the call.
    match unsafe { libc::poll(&raw mut wanted, 1, LOOK_AROUND) } {
        -1 if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}

/// Serves a server until it goes.
fn serve(stream: &UnixStream, held: &mut BTreeMap<u64, File>) -> io::Result<()> {
    while let Some((what, id, file)) = receive(stream)? {
        match (what, file) {
            (KEEP, Some(file)) => drop(held.insert(id, file)),
            (DROP, None) => drop(held.remove(&id)),
            (LIST, None) => held.iter().try_for_each(|(id, file)| send(stream, HELD, *id, Some(file)))?,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        send(stream, DONE, id, None)?;
    }
    Ok(())
}

/// The server's side.
pub struct Keeper {
    /// The program that is started as `program keeper`; none: nothing outlives the server.
    program: Option<PathBuf>,
    socket: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<UnixStream>,
    /// All that it is to hold.
    held: BTreeMap<u64, Arc<File>>,
}

impl Keeper {
    /// Connects to the keeper of an earlier server, if there is one; gives what that holds.
    ///
    /// # Errors
    /// A keeper that is another user's, or does not answer as one does.
    pub fn find(program: Option<PathBuf>, socket: PathBuf) -> io::Result<(Keeper, BTreeMap<u64, Arc<File>>)> {
        let mut state = State::default();
        if program.is_some()
            && let Ok(stream) = UnixStream::connect(&socket)
        {
            let stream = trusted(stream)?;
            send(&stream, LIST, 0, None)?;
            loop {
                match receive(&stream)? {
                    Some((HELD, id, Some(file))) => drop(state.held.insert(id, Arc::new(file))),
                    Some((DONE, ..)) => break,
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            state.link = Some(stream);
        }
        let found = state.held.clone();
        Ok((Keeper { program, socket, state: Mutex::new(state) }, found))
    }

    /// Has the memory of a service held.
    ///
    /// # Errors
    /// No keeper can be started.
    pub fn keep(&self, id: u64, file: &Arc<File>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held.insert(id, file.clone());
        self.tell(&mut state, KEEP, id, Some(file))
    }

    /// Has the memory of a service let go.
    pub fn drop(&self, id: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.held.remove(&id).is_some()
            && let Err(error) = self.tell(&mut state, DROP, id, None)
        {
            tracing::warn!(%error, "the keeper");
        }
    }

    /// Sees that there is one that holds all that it should.
    ///
    /// # Errors
    /// There is none, and none can be started.
    pub fn ensure(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What it does not hold it drops without a word.
        if state.held.is_empty() { Ok(()) } else { self.tell(&mut state, DROP, 0, None) }
    }

    /// Tells the keeper something; if it is not there, starts another and tells that one everything.
    fn tell(&self, state: &mut State, what: u64, id: u64, file: Option<&File>) -> io::Result<()> {
        let Some(program) = &self.program else { return Ok(()) };
        if let Some(link) = &state.link
            && asked(link, what, id, file).is_ok()
        {
            return Ok(());
        }
        let again = state.link.is_some();
        let link = state.link.insert(self.start(program)?);
        if again {
            tracing::warn!("the keeper was gone; another was started");
        }
        state.held.iter().try_for_each(|(id, file)| asked(link, KEEP, *id, Some(file)))
    }

    /// Starts a keeper, and connects to it.
    fn start(&self, program: &Path) -> io::Result<UnixStream> {
        // Left by one that was killed: no other server is here, the folder's lock tells.
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&self.socket)?;
        std::fs::set_permissions(&self.socket, std::fs::Permissions::from_mode(0o600))?;
        let mut command = Command::new(program);
        command.arg("keeper").env_clear().current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).stderr(Stdio::null());
        // What ends the server's terminal, or all processes of it, does not end this one.
        // SAFETY: a call that is safe between fork and exec.
        unsafe { command.pre_exec(|| if libc::setsid() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }) };
        let mut child = command.spawn()?;
        // Its end is heard of, should it come before ours.
        std::thread::Builder::new().name("keeper".into()).spawn(move || child.wait())?;
        trusted(UnixStream::connect(&self.socket)?)
    }
}

/// A connection to a process of our own user, which may take only so long.
fn trusted(stream: UnixStream) -> io::Result<UnixStream> {
    if !is_own(&stream) {
        return Err(stranger());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn asked(link: &UnixStream, what: u64, id: u64, file: Option<&File>) -> io::Result<()> {
    send(link, what, id, file)?;
    match receive(link)? {
        Some((DONE, ..)) => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
