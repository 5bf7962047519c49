//! FFmpeg as a child process: probe, remux, segment. Only this folder starts FFmpeg.
