import type { Tier, Volume } from "../../api/types";
import { VolumeStateView } from "../../components/State";
import { Ago } from "../../components/Time";
import { bytesText, count, sentence } from "../../words";
import { Disks } from "./Disks";

const TIER_TEXT: Record<Tier, string> = { hot: "hot", warm: "warm", cold: "cold" };

/** Each volume: how much of its room is held, and how much of that no longer turns. */
export function Volumes({ volumes }: { volumes: Volume[] }) {
  const tiered = volumes.some(({ tier }) => tier !== volumes[0]?.tier);
  return (
    <ul className="divide-y divide-line">
      {volumes.map((volume) => (
        <VolumeRow key={volume.name} volume={volume} tiered={tiered} />
      ))}
    </ul>
  );
}

function VolumeRow({ volume, tiered }: { volume: Volume; tiered: boolean }) {
  const { state, trouble } = volume;
  const there = volume.total_bytes > 0;
  const full = there && (state === "full" || volume.free_bytes <= volume.floor_bytes);
  return (
    <li className="flex flex-col gap-2 px-4 py-3" data-testid="volume" data-volume={volume.name} data-state={state}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <span className="flex min-w-0 flex-wrap items-baseline gap-x-2">
          <span className="font-medium">{volume.name}</span>
          {tiered && <span className="text-xs text-soft">{TIER_TEXT[volume.tier]}</span>}
          <code className="text-xs wrap-anywhere text-soft">{volume.path}</code>
        </span>
        <span className="text-sm">
          <VolumeStateView state={state} />
        </span>
      </div>
      {trouble && (
        <div className="flex flex-col gap-1 border-l-2 border-line pl-3 text-sm" data-testid="volume-trouble">
          <p className="wrap-anywhere">
            {sentence(trouble.message)} <span className="text-xs text-soft">Since <Ago at={trouble.since} />.</span>
          </p>
          <p className="text-soft">{trouble.advice}</p>
        </div>
      )}
      {there && <Shares volume={volume} full={full} />}
      <p className="text-xs text-soft">
        {there
          ? `${bytesText(volume.held_bytes)} of ${bytesText(volume.room_bytes)} for footage are held. ${roomText(volume, full)}`
          : `${bytesText(volume.held_bytes)} of footage lie on it; nothing is written to it, and what it holds cannot be read now`}
        {volume.budget_bytes !== null && `; at most ${bytesText(volume.budget_bytes)} of footage by configuration`}
        {volume.move_after_days !== null && `; what is older than ${count(volume.move_after_days, "day")} moves on`}
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
      {volume.disks.length > 0 && <Disks disks={volume.disks} />}
    </li>
  );
}

function roomText({ free_bytes, total_bytes, floor_bytes }: Volume, full: boolean): string {
  const stays = full
    ? "nothing more is written until there is more free space"
    : `${bytesText(floor_bytes)} of it stay free`;
  return `${bytesText(free_bytes)} free of ${bytesText(total_bytes)} on the file system; ${stays}`;
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
