import { expect, it } from "vitest";

import type { ListedRecording } from "./api/types";
import {
  bandwidthText,
  bytesText,
  clockDriftText,
  clockOffsetText,
  codecText,
  count,
  durationText,
  kbpsOf,
  sentence,
  unavailableText,
} from "./words";

it("writes bytes with three digits", () => {
  const texts = [0, 999, 1000, 9_949, 99_499, 999_499, 999_500, 1_500_000_000, 9.9e14].map(bytesText);
  expect(texts).toEqual(["0 B", "999 B", "1.00 kB", "9.95 kB", "99.5 kB", "999 kB", "1.00 MB", "1.50 GB", "990 TB"]);
});

it("writes and reads bandwidths in Mbit/s", () => {
  expect([20_000, 2_500, 100, null].map(bandwidthText)).toEqual([
    "20 Mbit/s",
    "2.5 Mbit/s",
    "0.1 Mbit/s",
    "As much as it gives",
  ]);
  expect(["20", "2.5", "0.1", "0.29", ""].map(kbpsOf)).toEqual([20_000, 2_500, 100, 290, null]);
});

it("writes how long something took", () => {
  expect([0, 999, 1000, 12_340].map(durationText)).toEqual(["0 ms", "999 ms", "1.0 s", "12.3 s"]);
});

it("counts", () => {
  expect([count(1, "camera"), count(0, "camera"), count(1832, "recording")]).toEqual([
    "1 camera",
    "0 cameras",
    "1,832 recordings",
  ]);
});

it("names codecs as people do", () => {
  expect(["hevc", "h264", "vp9", null].map(codecText)).toEqual(["H.265", "H.264", "VP9", "unknown"]);
});

it("says which way a clock is wrong", () => {
  expect([300, 2600, -40_000, 3_600_000].map(clockOffsetText)).toEqual(["in step", "2.6 s fast", "40 s slow", "60 min fast"]);
});

it("says what a clock gains", () => {
  expect([200, 1240, -30_000].map(clockDriftText)).toEqual(["steady", "gains 1.2 s a day", "loses 30 s a day"]);
  expect(sentence("the clock is behind")).toBe("The clock is behind.");
});

it("says why a recording cannot be played", () => {
  const recording = (part: Partial<ListedRecording>) => unavailableText(part as ListedRecording);
  expect(recording({ status: "completed" })).toBeNull();
  expect(recording({ status: "downloading", progress_percent: 42 })).toBe("Being fetched: 42 %.");
  expect(recording({ status: "failed", failure: "No answer." })).toBe("No answer.");
  expect(recording({ status: "evicted", eviction_cause: "deleted" })).toBe("No longer held: deleted by a person.");
});
