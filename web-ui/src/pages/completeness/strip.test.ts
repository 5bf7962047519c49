import { expect, it } from "vitest";

import type { Gap, GapCause, Timeline } from "../../api/types";
import { marks, segments, split } from "./strip";

const gap = (from_utc: string, to_utc: string, cause: GapCause): Gap => ({
  from_utc,
  to_utc,
  cause,
  recordings: 0,
  message: "",
  advice: null,
  reason: null,
  eviction_cause: null,
});

const day: Timeline = {
  day: "2026-11-03",
  zone: "UTC",
  day_from_utc: "2026-11-03T00:00:00Z",
  day_to_utc: "2026-11-04T00:00:00Z",
  camera_id: "c",
  from_utc: "2026-11-03T00:00:00Z",
  to_utc: "2026-11-03T12:00:00Z",
  verdict: "incomplete",
  recorded_ms: 0,
  held_ms: 0,
  recorded: [{ from_utc: "2026-11-03T05:59:30Z", to_utc: "2026-11-03T12:00:00Z" }],
  held: [{ from_utc: "2026-11-03T06:00:00Z", to_utc: "2026-11-03T12:00:00Z" }],
  away: [],
  gaps: [
    gap("2026-11-03T05:59:30Z", "2026-11-03T06:00:00Z", "failed"),
    gap("2026-11-03T00:00:00Z", "2026-11-03T05:59:30Z", "not_recorded"),
  ],
  risk: null,
};

it("places what is held and what is not, the missing on top and never too narrow to see", () => {
  expect(segments(day).map(({ kind, at, width }) => [kind, Math.round(at), Math.round(width)])).toEqual([
    ["recorded", 250, 250],
    ["empty", 0, 250],
    ["held", 250, 250],
    ["missing", 250, 2],
  ]);
  expect(split(day.gaps).telling.map(({ cause }) => cause)).toEqual(["failed"]);
});

it("marks every sixth hour of the day", () => {
  expect(marks(day, "utc")).toEqual([
    { text: "00:00", at: 0 },
    { text: "06:00", at: 250 },
    { text: "12:00", at: 500 },
    { text: "18:00", at: 750 },
  ]);
});
