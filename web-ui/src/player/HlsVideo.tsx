/** The video element with everything that belongs to a stream: starting, true time, speed, failures in words. */
import { useEffect, useRef, useState, type ReactNode } from "react";

import { Button, Spinner } from "../components/Button";
import { usePreferences } from "../preferences";
import { instantText } from "../time";
import { attach, type Attachment, type PlayFailure } from "./attach";
import { Curtain } from "./Curtain";

/** How often the clock under the picture is set. */
const CLOCK_MS = 250;

const SPEEDS = [0.5, 1, 2, 4, 8];

interface HlsVideoProps {
  url: string;
  live?: boolean;
  /** What is shown, for screen readers. */
  label: string;
  /** Said until the first picture. */
  starting: string;
  /** What to offer instead when it cannot be played. */
  fallback?: ReactNode;
  /** Before another attempt. */
  onRetry?: () => void;
  onEnded?: () => void;
  /** Beside the speed: what can be done with the picture on the screen. */
  tools?: (date: Date | null, seek: (at: Date) => void) => ReactNode;
}

export function HlsVideo({ url, live = false, label, starting, fallback, onRetry, onEnded, tools }: HlsVideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [attempt, setAttempt] = useState(0);
  const [failure, setFailure] = useState<PlayFailure | null>(null);
  const [shown, setShown] = useState(false);
  const date = useStream({ video, url, live, attempt, onFailure: setFailure });
  const seek = (at: Date) => {
    if (video.current && date) {
      video.current.currentTime += (at.getTime() - date.getTime()) / 1000;
    }
  };
  const again = () => {
    onRetry?.();
    setFailure(null);
    setShown(false);
    setAttempt(attempt + 1);
  };
  return (
    <div>
      <div className="picture relative bg-black">
        <video
          ref={video}
          controls={failure === null}
          playsInline
          aria-label={label}
          className="h-full w-full"
          onPlaying={() => setShown(true)}
          onLoadedData={() => setShown(true)}
          onEnded={onEnded}
        />
        {failure === null && !shown && (
          <Curtain>
            <Spinner size={28} />
            <p role="status">{starting}</p>
          </Curtain>
        )}
        {failure?.kind === "codec" && <CodecCurtain live={live}>{fallback}</CodecCurtain>}
        {failure?.kind === "stream" && (
          <Curtain>
            <p role="alert" className="max-w-lg" data-testid="play-failure">
              {failure.message}
            </p>
            <div className="flex flex-wrap justify-center gap-2">
              <Button onClick={again}>Try again</Button>
              {fallback}
            </div>
          </Curtain>
        )}
      </div>
      <div className="flex min-h-11 flex-wrap items-center justify-between gap-3 border-t border-line px-4 py-1">
        <PictureTime date={date} />
        {
          // eslint-disable-next-line react-hooks/refs -- the tools seek when somebody clicks, not while they are drawn
          tools?.(date, seek)
        }
        {!live && (
          <SpeedSelect
            onChoose={(speed) => {
              if (video.current) {
                video.current.defaultPlaybackRate = speed;
                video.current.playbackRate = speed;
              }
            }}
          />
        )}
      </div>
    </div>
  );
}

/** Shown in place of a picture that this browser has no decoder for. */
export function CodecCurtain({ live = false, children }: { live?: boolean; children?: ReactNode }) {
  return (
    <Curtain>
      <p role="alert" className="text-base font-semibold" data-testid="codec-unsupported">
        This browser cannot play H.265
      </p>
      <p className="max-w-md text-soft">
        {live
          ? "The camera sends H.265. Watch it in a browser that has it, such as Safari, or set the camera to H.264."
          : "The footage is complete. Watch it in a browser that has H.265, such as Safari, or download it and play it on this device."}
      </p>
      {children}
    </Curtain>
  );
}

/** Loads the stream into the element, plays it, and follows its true time. */
function useStream(options: {
  video: React.RefObject<HTMLVideoElement | null>;
  url: string;
  live: boolean;
  attempt: number;
  onFailure: (failure: PlayFailure) => void;
}): Date | null {
  const { video, url, live, attempt, onFailure } = options;
  const [date, setDate] = useState<Date | null>(null);
  useEffect(() => {
    const element = video.current;
    if (element === null) {
      return;
    }
    let attachment: Attachment | null = null;
    let left = false;
    attach({ video: element, url, live, onFailure }).then(
      (made) => {
        if (left) {
          made.detach();
        } else {
          attachment = made;
          void play(element);
        }
      },
      // The player is a file of its own, which a newer version of the page no longer has.
      () => onFailure({ kind: "stream", message: "The player could not be loaded. Reload this page." }),
    );
    const clock = window.setInterval(() => setDate(attachment?.playingDate() ?? null), CLOCK_MS);
    return () => {
      left = true;
      window.clearInterval(clock);
      attachment?.detach();
    };
  }, [video, url, live, attempt, onFailure]);
  return date;
}

/** Browsers refuse sound until the page was touched; pictures without sound are always allowed. */
async function play(video: HTMLVideoElement): Promise<void> {
  try {
    await video.play();
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotAllowedError") {
      video.muted = true;
      await video.play().catch(() => undefined);
    }
  }
}

function PictureTime({ date }: { date: Date | null }) {
  const { zone } = usePreferences();
  return (
    <p data-testid="picture-time">
      <span className="text-soft max-sm:sr-only">Picture from </span>
      {date ? <time dateTime={date.toISOString()}>{instantText(date, zone)}</time> : "–"}
    </p>
  );
}

function SpeedSelect({ onChoose }: { onChoose: (speed: number) => void }) {
  const [speed, setSpeed] = useState(1);
  return (
    <label className="flex items-center gap-2 text-soft">
      <span className="max-sm:sr-only">Speed</span>
      <select
        className="field control w-auto text-ink"
        value={speed}
        onChange={(event) => {
          const chosen = Number(event.target.value);
          setSpeed(chosen);
          onChoose(chosen);
        }}
      >
        {SPEEDS.map((value) => (
          <option key={value} value={value}>
            {value}×
          </option>
        ))}
      </select>
    </label>
  );
}
