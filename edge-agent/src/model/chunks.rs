//! Digests of bytes as they pass: of all of them, and of each mebibyte (P6). What was changed later can then be named
//! to the mebibyte, and nothing is read a second time to take them.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk with a digest of its own.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// A SHA-256 as it is written everywhere: 64 hexadecimal digits in small letters.
pub fn hex(digest: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest)
}

/// The digest of what was hashed.
pub fn finish(context: Context) -> Sha256 {
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}

/// The SHA-256 of each mebibyte of something, in order; the last one may be of less. Written as one text: base64 of the
/// digests one after the other, 43 characters for a mebibyte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chunks(Vec<Sha256>);

impl Chunks {
    /// The digests.
    pub fn as_slice(&self) -> &[Sha256] {
        &self.0
    }

    /// How many chunks so many bytes have.
    pub fn count_of(bytes: u64) -> u64 {
        bytes.div_ceil(CHUNK_BYTES as u64)
    }

    /// Whether there are as many as so many bytes have.
    pub fn fits(&self, bytes: u64) -> bool {
        self.0.len() as u64 == Self::count_of(bytes)
    }
}

impl FromIterator<Sha256> for Chunks {
    fn from_iter<T: IntoIterator<Item = Sha256>>(digests: T) -> Self {
        Self(digests.into_iter().collect())
    }
}

impl TryFrom<String> for Chunks {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = data_encoding::BASE64
            .decode(text.as_bytes())
            .map_err(|_| "a list of digests is no base64")?;
        let (digests, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err("a list of digests ends within one");
        }
        Ok(Self(digests.to_vec()))
    }
}

impl From<Chunks> for String {
    fn from(chunks: Chunks) -> Self {
        data_encoding::BASE64.encode(chunks.0.as_flattened())
    }
}

/// What was read or written once, and its digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digested {
    /// Bytes of it all.
    pub bytes: u64,
    /// SHA-256 of it all (hex); empty where it was not asked for.
    pub sha256: String,
    /// SHA-256 of each mebibyte; empty where it was not asked for.
    pub chunks: Chunks,
}

/// Takes digests of bytes that pass.
pub struct Hasher {
    whole: Option<Context>,
    chunk: Option<Context>,
    in_chunk: usize,
    chunks: Vec<Sha256>,
    bytes: u64,
}

impl Hasher {
    /// Of it all and of each mebibyte.
    pub fn both() -> Self {
        Self {
            whole: Some(Context::new(&SHA256)),
            ..Self::chunks_only()
        }
    }

    /// Of it all.
    pub fn whole_only() -> Self {
        Self {
            chunk: None,
            ..Self::both()
        }
    }

    /// Of each mebibyte.
    pub fn chunks_only() -> Self {
        Self {
            whole: None,
            chunk: Some(Context::new(&SHA256)),
            in_chunk: 0,
            chunks: Vec::new(),
            bytes: 0,
        }
    }

    /// Goes on with the digest of it all from here, apart from this one.
    pub fn clone_whole(&self) -> Self {
        Self {
            whole: self.whole.clone(),
            chunk: None,
            in_chunk: 0,
            chunks: Vec::new(),
            bytes: self.bytes,
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Chunks that are whole so far.
    pub fn chunks(&self) -> &[Sha256] {
        &self.chunks
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(whole) = &mut self.whole {
            whole.update(bytes);
        }
        let Some(chunk) = &mut self.chunk else {
            return;
        };
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.in_chunk));
            chunk.update(now);
            self.in_chunk += now.len();
            bytes = later;
            if self.in_chunk == CHUNK_BYTES {
                let done = std::mem::replace(chunk, Context::new(&SHA256));
                self.chunks.push(finish(done));
                self.in_chunk = 0;
            }
        }
    }

    /// Digest of the chunk that is not whole yet, so far.
    pub fn open_chunk(&self) -> Sha256 {
        let chunk = self.chunk.clone();
        finish(chunk.unwrap_or_else(|| Context::new(&SHA256)))
    }

    /// There are no more.
    pub fn finish(mut self) -> Digested {
        if let Some(chunk) = self.chunk.filter(|_| self.in_chunk > 0) {
            self.chunks.push(finish(chunk));
        }
        Digested {
            bytes: self.bytes,
            sha256: self
                .whole
                .map_or(String::new(), |whole| hex(&finish(whole))),
            chunks: Chunks(self.chunks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_how_the_bytes_came() {
        let bytes: Vec<u8> = (0..2_500_000u32).map(|n| (n / 7) as u8).collect();
        let mut at_once = Hasher::both();
        at_once.update(&bytes);
        let at_once = at_once.finish();
        let mut in_pieces = Hasher::both();
        bytes
            .chunks(333_333)
            .for_each(|piece| in_pieces.update(piece));
        assert_eq!(in_pieces.finish(), at_once);
        assert_eq!(at_once.sha256, hex(&sha256(&bytes)));
        assert!(at_once.chunks.fits(bytes.len() as u64));
        assert_eq!(at_once.chunks.as_slice()[2], sha256(&bytes[2 << 20..]));
        assert!(Hasher::both().finish().chunks.fits(0));
    }

    #[test]
    fn a_list_is_one_text_and_read_strictly() {
        let chunks: Chunks = [sha256(b"a"), sha256(b"b")].into_iter().collect();
        let text = serde_json::to_string(&chunks).unwrap();
        assert_eq!(text.len(), 2 + 88);
        assert_eq!(serde_json::from_str::<Chunks>(&text).unwrap(), chunks);
        for bad in ["\"AAAA\"", "\"?\"", "7"] {
            assert!(serde_json::from_str::<Chunks>(bad).is_err(), "{bad}");
        }
    }
}
