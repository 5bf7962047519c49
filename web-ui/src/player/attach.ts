/** Connects a playlist to a video element, through hls.js or the browser itself. */
import type { default as HlsPlayer, ErrorData } from "hls.js/light";

import { renewSession } from "../api/client";
import { problemText, readProblem } from "../api/problem";
import { prefersNativeHls } from "./support";

/** Why nothing plays. */
export type PlayFailure = { kind: "codec" } | { kind: "stream"; message: string };

export interface Attachment {
  /** The true time of the picture on the screen, where the playlist tells it. */
  playingDate: () => Date | null;
  detach: () => void;
}

interface AttachOptions {
  video: HTMLVideoElement;
  url: string;
  live: boolean;
  onFailure: (failure: PlayFailure) => void;
}

/** Loads hls.js only when it is needed: the lists do without it. */
export async function attach(options: AttachOptions): Promise<Attachment> {
  if (prefersNativeHls(options.video)) {
    return attachNative(options);
  }
  const { default: Hls } = await import("hls.js/light");
  if (!Hls.isSupported()) {
    options.onFailure({ kind: "stream", message: "This browser cannot play streams. The recording can be downloaded." });
    return { playingDate: () => null, detach: () => undefined };
  }
  return attachHls(Hls, options);
}

function attachNative({ video, url, onFailure }: AttachOptions): Attachment {
  const failed = () => {
    const unsupported = video.error?.code === MediaError.MEDIA_ERR_DECODE;
    onFailure(unsupported ? { kind: "codec" } : { kind: "stream", message: "The stream could not be loaded." });
  };
  video.addEventListener("error", failed);
  video.src = url;
  return {
    playingDate: () => nativeDate(video),
    detach: () => {
      video.removeEventListener("error", failed);
      video.removeAttribute("src");
      video.load();
    },
  };
}

/** Safari tells the date of the first picture. */
function nativeDate(video: HTMLVideoElement): Date | null {
  if (!("getStartDate" in video) || typeof video.getStartDate !== "function") {
    return null;
  }
  const start: unknown = video.getStartDate();
  return start instanceof Date && !Number.isNaN(start.getTime())
    ? new Date(start.getTime() + video.currentTime * 1000)
    : null;
}

/** A live stream whose source has just been started may take this many attempts to show its first segment. */
const LIVE_ATTEMPTS = 8;

function attachHls(Hls: typeof HlsPlayer, { video, url, live, onFailure }: AttachOptions): Attachment {
  const hls = new Hls({
    // Fragmented MP4 is played as it comes, so there is nothing for a worker to do.
    enableWorker: false,
    backBufferLength: 60,
    maxBufferLength: 30,
    // A live picture that fell behind, as in a laptop that slept, catches up or jumps to now.
    liveSyncDurationCount: 3,
    liveMaxLatencyDurationCount: 10,
    maxLiveSyncPlaybackRate: 1.5,
    manifestLoadPolicy: {
      default: {
        // The program answers once the source has started.
        maxTimeToFirstByteMs: 30_000,
        maxLoadTimeMs: 40_000,
        timeoutRetry: { maxNumRetry: 1, retryDelayMs: 0, maxRetryDelayMs: 0 },
        errorRetry: { maxNumRetry: live ? LIVE_ATTEMPTS : 1, retryDelayMs: 1_000, maxRetryDelayMs: 2_000 },
      },
    },
  });
  let renewed = false;
  let mended = false;
  hls.on(Hls.Events.ERROR, (_event, data) => {
    if (!data.fatal) {
      return;
    }
    if (data.response?.code === 401 && !renewed) {
      // The session may run out during a long playback.
      renewed = true;
      void renewSession().then(() => restart(hls, url));
    } else if (isCodecError(Hls, data)) {
      hls.destroy();
      onFailure({ kind: "codec" });
    } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !mended) {
      mended = true;
      hls.recoverMediaError();
    } else {
      hls.destroy();
      onFailure({ kind: "stream", message: failureText(data) });
    }
  });
  hls.on(Hls.Events.FRAG_BUFFERED, () => {
    renewed = false;
    mended = false;
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return { playingDate: () => hls.playingDate, detach: () => hls.destroy() };
}

/** Goes on after a refusal: from the playlist if there is none yet, else with the next segment. */
function restart(hls: HlsPlayer, url: string): void {
  if (hls.levels.length === 0) {
    hls.loadSource(url);
  } else {
    hls.startLoad();
  }
}

function isCodecError(Hls: typeof HlsPlayer, data: ErrorData): boolean {
  return (
    data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR ||
    data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR ||
    data.details === Hls.ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR
  );
}

/** The program's own words, if it answered with some. */
function failureText(data: ErrorData): string {
  const details: unknown = data.networkDetails;
  if (details instanceof XMLHttpRequest && details.status >= 400) {
    return problemText(readProblem(details.status, bodyOf(details)));
  }
  return data.response === undefined
    ? `The stream cannot be played (${data.details}).`
    : problemText({ kind: "unreachable" });
}

function bodyOf(request: XMLHttpRequest): string {
  if (request.responseType === "arraybuffer") {
    return request.response instanceof ArrayBuffer ? new TextDecoder().decode(request.response) : "";
  }
  return request.responseText;
}
