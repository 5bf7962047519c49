/** What a day strip shows: which stretch stands where, and as what. */
import type { Gap, GapCause, Timeline } from "../../api/types";
import { hourMarks, type Zone } from "../../time";

/** How a stretch counts at a glance. */
export type Kind = "recorded" | "held" | "empty" | "coming" | "missing";

export interface Segment {
  kind: Kind;
  /** Where it begins and how long it is, of a thousand. */
  at: number;
  width: number;
}

/** Units of a whole day. */
export const DAY_UNITS = 1000;

/** So little is not seen: whatever there is gets at least this much. */
const WIDTH_MIN = 2;

export const KIND_OF: Record<GapCause, Exclude<Kind, "recorded">> = {
  not_recorded: "empty",
  not_observed: "coming",
  recorder_unreachable: "coming",
  not_downloaded: "coming",
  beyond_reach: "missing",
  overwritten_on_recorder: "missing",
  failed: "missing",
  evicted: "missing",
  deleted: "missing",
  clock_step: "missing",
  defect: "missing",
};

/** Drawn in this order: what is missing is seen even where it is short. */
const ORDER: readonly Kind[] = ["recorded", "empty", "held", "coming", "missing"];

export function segments(day: Timeline): Segment[] {
  const place = placeIn(day);
  const stretches = [
    ...day.recorded.map((stretch) => ({ kind: "recorded" as Kind, ...stretch })),
    ...day.held.map((stretch) => ({ kind: "held" as Kind, ...stretch })),
    ...day.gaps.map((gap) => ({ kind: KIND_OF[gap.cause], from_utc: gap.from_utc, to_utc: gap.to_utc })),
  ];
  return stretches
    .map(({ kind, from_utc, to_utc }) => {
      const at = place(from_utc);
      return { kind, at, width: Math.max(place(to_utc) - at, WIDTH_MIN) };
    })
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** Where every sixth hour of the clock on the wall stands; a day of 23 or 25 hours has them where they are. */
export function marks(day: Timeline, zone: Zone): { text: string; at: number }[] {
  const place = placeIn(day);
  const hours = hourMarks(new Date(day.day_from_utc), new Date(day.day_to_utc), zone, 6);
  return hours.map(({ text, at }) => ({ text, at: place(at.toISOString()) }));
}

function placeIn(day: Timeline): (at: string) => number {
  const from = Date.parse(day.day_from_utc);
  const length = Date.parse(day.day_to_utc) - from;
  return (at) => (Math.min(Math.max(Date.parse(at) - from, 0), length) / length) * DAY_UNITS;
}

/** The gaps that say something is not here, and those that say there was nothing. */
export function split(gaps: readonly Gap[]): { telling: Gap[]; empty: Gap[] } {
  return {
    telling: gaps.filter(({ cause }) => KIND_OF[cause] !== "empty"),
    empty: gaps.filter(({ cause }) => KIND_OF[cause] === "empty"),
  };
}
