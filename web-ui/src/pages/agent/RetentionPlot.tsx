import { Pencil } from "lucide-react";

import type { CameraRetention, Retention } from "../../api/types";
import { IconButton } from "../../components/Button";
import { useMay } from "../Gate";
import { dayCount, daysText, isKnown, scaleDays, ticks } from "./retention";

interface PlotProps {
  retention: Retention;
  /** A camera's limits are to be changed. */
  onChoose: (camera: CameraRetention) => void;
}

/** A bar for each camera: the days that are kept, against the days that are promised. */
export function RetentionPlot({ retention, onChoose }: PlotProps) {
  const mayChange = useMay("delete");
  const scale = scaleDays(retention.cameras, retention.horizon_days);
  return (
    <div className="px-4 py-3">
      <ul className="flex flex-col gap-3" aria-label="Days kept, by camera">
        {retention.cameras.map((camera) => (
          <li key={camera.camera_id} data-testid="retention" data-camera-id={camera.camera_id} className="flex flex-col gap-1">
            <div className="flex items-center gap-2">
              <span className="min-w-0 truncate font-medium">{camera.name}</span>
              <span className={`ml-auto whitespace-nowrap ${camera.breaks_on ? "font-medium text-bad" : "text-soft"}`}>
                {valueText(camera, retention)}
              </span>
              {mayChange && (
                <IconButton
                  icon={Pencil}
                  size={16}
                  label={`How long footage of ${camera.name} stays`}
                  data-testid="limits-edit"
                  onClick={() => onChoose(camera)}
                />
              )}
            </div>
            <CameraBar camera={camera} scale={scale} horizon={retention.horizon_days} />
            <p className="text-xs text-soft">{camera.summary}</p>
          </li>
        ))}
      </ul>
      <Axis scale={scale} />
      <Legend />
    </div>
  );
}

function valueText(camera: CameraRetention, retention: Retention): string {
  if (!isKnown(camera)) {
    return camera.basis === "off" ? "Switched off" : "Not known yet";
  }
  const kept = daysText({ days: camera.days, horizon_days: retention.horizon_days });
  // Short, so that a name has room beside it on a phone; the legend says what the second number is.
  return camera.least_days > 0 ? `${kept.replace(/ days?$/, "")} of ${dayCount(camera.least_days)}` : kept;
}

/**
 * Kept days as a bar, what locks cost of them as a hatched end, the promise as a mark. State is told in words beside it,
 * never by colour alone.
 */
function CameraBar({ camera, scale, horizon }: { camera: CameraRetention; scale: number; horizon: number }) {
  const at = (days: number) => (Math.min(days, scale) / scale) * 100;
  const kept = isKnown(camera) ? at(camera.days ?? horizon) : 0;
  const without = isKnown(camera) ? at(camera.days_without_locks ?? horizon) : 0;
  return (
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden className="h-4 w-full overflow-visible rounded-sm bg-raised">
      {without > kept && <rect x={kept} width={without - kept} y="1.5" height="7" className="fill-warn opacity-50" />}
      <rect width={kept} y="1.5" height="7" className={camera.breaks_on ? "fill-bad" : "fill-accent"} />
      {camera.least_days > 0 && (
        <rect x={Math.max(0, at(camera.least_days) - 0.3)} y="-1" width="0.6" height="12" className="fill-ink" />
      )}
    </svg>
  );
}

/** Numbers below the bars; the last one is the right end. */
function Axis({ scale }: { scale: number }) {
  const marks = ticks(scale);
  return (
    <div aria-hidden className="mt-3 flex justify-between border-t border-line pt-1 text-xs text-soft">
      {marks.map((days) => (
        <span key={days}>
          {days}
          {days === marks.at(-1) && " days"}
        </span>
      ))}
    </div>
  );
}

function Legend() {
  return (
    <ul aria-hidden className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-soft">
      <Key className="fill-accent">kept at today's rate</Key>
      <Key className="fill-bad">promise will break</Key>
      <Key className="fill-warn opacity-50">cost of locks and bookmarks</Key>
      <li className="inline-flex items-center gap-1.5">
        <svg viewBox="0 0 8 12" className="h-3 w-2">
          <rect x="3" width="2" height="12" className="fill-ink" />
        </svg>
        promised
      </li>
    </ul>
  );
}

function Key({ className, children }: { className: string; children: string }) {
  return (
    <li className="inline-flex items-center gap-1.5">
      <svg viewBox="0 0 8 8" className="size-2">
        <rect width="8" height="8" className={className} />
      </svg>
      {children}
    </li>
  );
}
