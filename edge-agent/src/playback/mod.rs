//! VOD playlists across recordings and gaps.
