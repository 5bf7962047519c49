import type { Volume } from "../../api/types";
import { bytesText, count } from "../../words";

/** Each volume: how much of its room is held, and how much of that no longer turns. */
export function Volumes({ volumes }: { volumes: Volume[] }) {
  return (
    <ul className="divide-y divide-line">
      {volumes.map((volume) => (
        <VolumeRow key={volume.name} volume={volume} />
      ))}
    </ul>
  );
}

function VolumeRow({ volume }: { volume: Volume }) {
  const gone = volume.total_bytes === 0;
  const full = !gone && volume.free_bytes <= volume.floor_bytes;
  return (
    <li className="flex flex-col gap-2 px-4 py-3" data-testid="volume">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <span>
          <span className="font-medium">{volume.name}</span> <code className="text-xs text-soft">{volume.path}</code>
        </span>
        <span>
          {bytesText(volume.held_bytes)} of {bytesText(volume.room_bytes)} for footage
        </span>
      </div>
      <Shares volume={volume} full={full} />
      <p className="text-xs text-soft">
        {gone
          ? "The disk is not there: nothing is written to it, and what it holds cannot be read."
          : `${bytesText(volume.free_bytes)} free of ${bytesText(volume.total_bytes)} on the file system; ${
              full
                ? "nothing more is written until there is more free space"
                : `${bytesText(volume.floor_bytes)} of it stay free`
            }`}
        {volume.budget_bytes !== null && `; at most ${bytesText(volume.budget_bytes)} of footage by configuration`}
        {volume.max_age_days !== null && `; nothing older than ${count(volume.max_age_days, "day")}`}.
        {volume.locked_bytes > 0 && (
          <>
            {" "}
            <span className="inline-flex items-baseline gap-1">
              <svg viewBox="0 0 8 8" aria-hidden className="size-2 self-center">
                <rect width="8" height="8" className="fill-warn" />
              </svg>
              {bytesText(volume.locked_bytes)} in {count(volume.locked_recordings, "recording")} protected by locks and
              bookmarks.
            </span>
          </>
        )}
      </p>
    </li>
  );
}

/** Protected, held, free: parts of one bar. Drawn as SVG, because a width in percent would need an inline style. */
function Shares({ volume, full }: { volume: Volume; full: boolean }) {
  const room = Math.max(volume.room_bytes, volume.held_bytes, 1);
  const [locked, held] = [(volume.locked_bytes / room) * 100, (volume.held_bytes / room) * 100];
  const label = `${volume.name}: ${Math.round(held)} % of its room is held, ${Math.round(locked)} % is protected`;
  return (
    <svg viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label={label} className="h-2.5 w-full rounded-full bg-raised">
      <rect width={held} height="1" className={full ? "fill-bad" : "fill-accent"} />
      <rect width={locked} height="1" className="fill-warn" />
    </svg>
  );
}
