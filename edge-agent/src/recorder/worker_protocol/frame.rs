//! Frames: a message as bytes, and back, bounded.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

/// The largest frame, without its length.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than anything we say.
    #[error("a frame of {0} bytes, more than the {FRAME_BYTES_MAX} allowed")]
    TooLong(usize),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Cut,
    /// Not the JSON it should be.
    #[error("a frame that is not understood: {0}")]
    Content(#[from] serde_json::Error),
    /// Reading or writing failed.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}

/// A message as a frame, length included. The bytes are wiped when dropped, since they may hold a password.
pub fn encode(message: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    // Room ahead, so that the buffer does not move and leave copies behind; only searches are longer, without secrets.
    let mut frame = Zeroizing::new(Vec::with_capacity(4096));
    frame.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

fn announced(head: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        Err(FrameError::TooLong(length))
    } else {
        Ok(length)
    }
}

fn cut(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        FrameError::Cut
    } else {
        error.into()
    }
}

/// Reads one message; None at the end of the stream between two frames.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    loop {
        match stream.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    stream.read_exact(&mut head[1..]).map_err(cut)?;
    let mut body = Zeroizing::new(vec![0; announced(head)?]);
    stream.read_exact(&mut body).map_err(cut)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// As [`read`], for the agent's side. Not safe to cancel: a frame half read is lost.
pub async fn read_async<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await.map_err(cut)?;
    let mut body = vec![0; announced(head)?];
    stream.read_exact(&mut body).await.map_err(cut)?;
    Ok(Some(serde_json::from_slice(&body)?))
}
