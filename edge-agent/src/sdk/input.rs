//! The worker's end of the socket to the agent: bytes of frames, and the sockets that travel beside them.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// Sockets that may wait to be taken; the agent sends one with a frame, which takes it at once.
const WAITING_MAX: usize = 8;

/// What comes from the agent.
pub struct Input {
    stream: UnixStream,
    sockets: VecDeque<UnixStream>,
}

impl Input {
    /// Nothing has been read yet.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            sockets: VecDeque::new(),
        }
    }

    /// The socket that came with the frame that was read last.
    pub fn take_socket(&mut self) -> Option<UnixStream> {
        self.sockets.pop_front()
    }
}

impl AsRawFd for Input {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut beside = nix::cmsg_space!([RawFd; WAITING_MAX]);
        let mut pieces = [IoSliceMut::new(bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(
            self.stream.as_raw_fd(),
            &mut pieces,
            Some(&mut beside),
            flags,
        )?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                for descriptor in descriptors {
                    // SAFETY: the kernel has just made this descriptor for us.
                    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
                    if self.sockets.len() < WAITING_MAX {
                        self.sockets.push_back(owned.into());
                    }
                }
            }
        }
        Ok(message.bytes)
    }
}
