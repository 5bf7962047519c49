//! A live stream: from the library's callback through a bounded queue into a socket.

use std::collections::HashMap;
use std::ffi::c_void;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::bindings::{
    EXCEPTION_PREVIEW, EXCEPTION_RECONNECT, EXCEPTION_RECONNECTED, Plain, PreviewInfo,
    RECONNECT_CLOSED,
};
use super::library::Exception;
use super::live_queue::{LiveQueue, QUEUE_BYTES_MAX};
use super::session::Session;
use crate::recorder::worker_protocol::{DeviceEvent, Failure, Kind, Stream};

/// The live streams by their handles, so that an exception finds its stream.
#[derive(Default)]
pub struct LiveStreams(Mutex<HashMap<i32, Weak<LiveQueue>>>);

impl LiveStreams {
    /// What an exception means for a live stream; ends the stream when it is over for good. None when it is not about
    /// live streams.
    pub fn notice(&self, exception: Exception) -> Option<DeviceEvent> {
        match exception.kind {
            EXCEPTION_RECONNECT => Some(DeviceEvent::LiveBroken),
            EXCEPTION_RECONNECTED => Some(DeviceEvent::LiveBack),
            EXCEPTION_PREVIEW | RECONNECT_CLOSED => {
                if let Some(queue) = self.lock().get(&exception.handle).and_then(Weak::upgrade) {
                    queue.end();
                }
                Some(DeviceEvent::LiveEnded)
            }
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Weak<LiveQueue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running live stream; stopped when dropped.
pub struct Live {
    session: Arc<Session>,
    streams: Arc<LiveStreams>,
    handle: i32,
    queue: Arc<LiveQueue>,
    /// The reference that the library's callback holds.
    callback_queue: *const LiveQueue,
    socket: UnixStream,
    channel: u32,
}

/// Ends a live stream from another thread.
#[derive(Clone)]
pub struct LiveEnd {
    queue: Arc<LiveQueue>,
    socket: Arc<UnixStream>,
}

impl LiveEnd {
    /// Ends it, also while a slow viewer keeps it waiting.
    pub fn end(&self) {
        self.queue.end();
        // Not connected any more: that is the end too.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

impl Live {
    /// Starts a stream into the socket that came from the agent. Returns once the recorder has agreed.
    pub fn start(
        session: &Arc<Session>,
        streams: &Arc<LiveStreams>,
        channel: u32,
        stream: Stream,
        socket: UnixStream,
    ) -> Result<(Self, LiveEnd), Failure> {
        let doing = format!("show channel {channel} live");
        let local = |what: &str, error: std::io::Error| Failure {
            kind: Kind::Local,
            message: format!("{}: cannot {doing}: {what}: {error}", session.at),
            code: None,
        };
        let end_socket = socket
            .try_clone()
            .map_err(|error| local("duplicate a socket", error))?;
        let mut info = PreviewInfo {
            channel: i32::try_from(channel).unwrap_or(i32::MAX),
            stream_type: match stream {
                Stream::Main => 0,
                Stream::Sub => 1,
            },
            link_mode: 0, // TCP
            blocked: 1,   // a refusal comes as the answer and not later as an exception
            ..PreviewInfo::zeroed()
        };
        let queue = Arc::new(LiveQueue::new(QUEUE_BYTES_MAX));
        let callback_queue = Arc::into_raw(queue.clone());
        // SAFETY: `on_data` takes a LiveQueue, which lives until Drop below has stopped the stream.
        match unsafe {
            session.sdk.real_play(
                session.user,
                &mut info,
                on_data,
                callback_queue.cast_mut().cast(),
            )
        } {
            Ok(handle) => {
                streams.lock().insert(handle, Arc::downgrade(&queue));
                let end = LiveEnd {
                    queue: queue.clone(),
                    socket: Arc::new(end_socket),
                };
                let (session, streams) = (session.clone(), streams.clone());
                Ok((
                    Self {
                        session,
                        streams,
                        handle,
                        queue,
                        callback_queue,
                        socket,
                        channel,
                    },
                    end,
                ))
            }
            Err(code) => {
                // SAFETY: the pointer came from into_raw above, and a stream that never began calls nothing.
                drop(unsafe { Arc::from_raw(callback_queue) });
                Err(session.failure(code, &doing))
            }
        }
    }

    /// Carries bytes until the stream ends or the viewer is gone.
    pub fn run(mut self) {
        while let Some(piece) = self.queue.pop() {
            if self.socket.write_all(&piece).is_err() {
                break; // the viewer has gone, which is how most streams end
            }
        }
        let dropped = self.queue.dropped();
        if dropped.times > 0 {
            eprintln!(
                "{}: the viewer of channel {} was too slow: {} bytes dropped in {} stretches",
                self.session.at, self.channel, dropped.bytes, dropped.times
            );
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.handle);
        match self.session.sdk.stop_real_play(self.handle) {
            // SAFETY: the pointer came from into_raw in start, and no callback comes after a successful stop.
            Ok(()) => drop(unsafe { Arc::from_raw(self.callback_queue) }),
            // The callback may come again: its queue must stay, and is small next to a crash.
            Err(code) => {
                self.queue.end();
                eprintln!(
                    "{}: a live stream could not be stopped: error {}",
                    self.session.at,
                    code.number()
                );
            }
        }
    }
}

// SAFETY: the raw pointer is only given back to Arc in Drop; LiveQueue is shared between threads anyway.
unsafe impl Send for Live {}

/// Data of a live stream, on one of the library's threads. It copies and returns; it calls nothing of the library.
unsafe extern "C" fn on_data(
    _handle: i32,
    kind: u32,
    bytes: *mut u8,
    length: u32,
    user: *mut c_void,
) {
    // A broken session is told with length 0 and a pointer of any kind.
    if bytes.is_null() || length == 0 || user.is_null() {
        return;
    }
    // A panic must not unwind into the library. A poisoned queue goes on: its state is changed in one piece.
    let _ = std::panic::catch_unwind(|| {
        // SAFETY: the library gives `length` readable bytes for the time of the call.
        let piece = unsafe { std::slice::from_raw_parts(bytes, length as usize) };
        // SAFETY: `user` is the reference that Live::start gave away and Live::drop takes back after the last call.
        let queue = unsafe { &*user.cast::<LiveQueue>() };
        queue.push(kind, piece);
    });
}
