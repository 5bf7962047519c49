//! What is held, as players want it: VOD playlists across recordings and gaps. Pure; the bytes are served by `api`.

pub mod vod;
