//! How the stand-in differs from a recorder that does everything as it should.

/// Which position element a search understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// `searchResultPostion`, the vendor's spelling.
    Vendor,
    /// `searchResultPosition`.
    Dictionary,
    /// None: every page is the first.
    Ignored,
}

/// What a challenge offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// Digest with MD5.
    Md5,
    /// Digest with SHA-256, and with MD5 behind it.
    Sha256AndMd5,
    /// Basic only.
    Basic,
}

/// Which method a download takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Both.
    Any,
    /// Only GET with a body.
    Get,
    /// Only POST.
    Post,
}

/// Everything that can be other than it should be. The default is a well-behaved recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirks {
    /// Namespace of documents; empty: none.
    pub namespace: &'static str,
    /// What a challenge offers.
    pub challenge: Challenge,
    /// A nonce is good for one request over HTTP.
    pub single_use_nonce: bool,
    /// `userCheck` is not known.
    pub no_user_check: bool,
    /// So many further requests with credentials are answered 503.
    pub busy: u32,
    /// Most recordings on a page, whatever is asked for.
    pub page_cap: usize,
    /// Which position element is understood.
    pub position: Position,
    /// Pages after the first begin with the last recording of the page before.
    pub repeats_last: bool,
    /// Every search ends with "MORE", also with nothing.
    pub always_more: bool,
    /// The `Z` of times means UTC; otherwise they are the recorder's wall clock.
    pub zulu_is_utc: bool,
    /// Times carry their offset.
    pub offsets: bool,
    /// Host in playback addresses.
    pub host: &'static str,
    /// Added to the sizes in playback addresses.
    pub size_delta: i64,
    /// Which method a download takes.
    pub download_method: Method,
    /// There is no download at all.
    pub no_download: bool,
    /// Bodies of downloads come with their length.
    pub content_length: bool,
    /// `Range` is honoured.
    pub range: bool,
    /// Edited times in playback addresses are honoured; otherwise the whole file comes.
    pub cuts: bool,
    /// Where the next downloads are cut: bytes of the whole file, one for each connection.
    pub cut_at: Vec<u64>,
    /// Downloads are refused with status 200 and a document.
    pub refuse_with_200: bool,
    /// Most RTSP sessions; one more is answered 453.
    pub rtsp_sessions_max: usize,
    /// Milliseconds before every answer.
    pub delay_ms: u64,
    /// Connections are closed instead of answered.
    pub hangs_up: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            namespace: "http://www.hikvision.com/ver20/XMLSchema",
            challenge: Challenge::Md5,
            single_use_nonce: false,
            no_user_check: false,
            busy: 0,
            page_cap: 40,
            position: Position::Vendor,
            repeats_last: false,
            always_more: false,
            zulu_is_utc: false,
            offsets: false,
            host: "0.0.0.0",
            size_delta: 0,
            download_method: Method::Any,
            no_download: false,
            content_length: true,
            range: true,
            cuts: true,
            cut_at: Vec::new(),
            refuse_with_200: false,
            rtsp_sessions_max: 16,
            delay_ms: 0,
            hangs_up: false,
        }
    }
}
