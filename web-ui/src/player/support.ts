/** What this browser can play, asked before a stream is started. */

/** H.265 as our players name it: main profile, level 4. A browser that plays this one plays those of cameras. */
const HEVC = ['video/mp4; codecs="hvc1.1.6.L120.90"', 'video/mp4; codecs="hev1.1.6.L120.90"'];

const PLAYLIST = "application/vnd.apple.mpegurl";

/**
 * Whether to hand the playlist to the browser instead of to hls.js. Only Safari's own player is good at it; some other
 * browsers say that they can and then lack byte ranges or dates.
 */
export function prefersNativeHls(video: HTMLVideoElement): boolean {
  return "webkitSupportsPresentationMode" in video && video.canPlayType(PLAYLIST) !== "";
}

/** Whether a codec, as the API names it, can be shown here. An unknown one is worth a try. */
export function canPlayCodec(codec: string | null): boolean {
  if (codec !== "hevc") {
    return true;
  }
  const video = document.createElement("video");
  if (prefersNativeHls(video)) {
    return HEVC.some((type) => video.canPlayType(type) !== "");
  }
  return typeof MediaSource !== "undefined" && HEVC.some((type) => MediaSource.isTypeSupported(type));
}
