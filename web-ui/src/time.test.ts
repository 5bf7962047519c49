import { describe, expect, it } from "vitest";

import {
  agoText,
  clockText,
  dayOf,
  dayPlus,
  dayRange,
  dayText,
  durationText,
  instantText,
  isDay,
  spanText,
  timesText,
} from "./time";

// The test configuration sets the zone to Europe/Berlin.
const at = (text: string) => new Date(text);

describe("instants", () => {
  it("always name their zone, which changes with the clocks", () => {
    expect(instantText(at("2026-11-03T14:05:00Z"), "local")).toBe("2026-11-03 15:05:00 CET");
    expect(instantText(at("2026-07-03T14:05:00Z"), "local")).toBe("2026-07-03 16:05:00 CEST");
    expect(instantText(at("2026-11-03T14:05:00Z"), "utc")).toBe("2026-11-03 14:05:00 UTC");
  });

  it("tell midnight as 00, of the day that begins", () => {
    expect(clockText(at("2026-11-03T23:00:00Z"), "local")).toBe("00:00:00");
    expect(dayOf(at("2026-11-03T23:00:00Z"), "local")).toBe("2026-11-04");
  });

  it("tell the day of a span again only when it changes", () => {
    const start = at("2026-11-03T14:05:00Z");
    expect(spanText(start, at("2026-11-03T14:10:00Z"), "utc")).toBe("2026-11-03 14:05:00 – 14:10:00 UTC");
    expect(spanText(start, at("2026-11-04T00:10:00Z"), "utc")).toBe("2026-11-03 14:05:00 – 2026-11-04 00:10:00 UTC");
    expect(timesText(start, at("2026-11-04T00:10:00Z"), "utc")).toBe("14:05:00 – 00:10:00 next day UTC");
  });

  it("name both zones when the clocks change within a span", () => {
    const fold = [at("2026-10-25T00:55:00Z"), at("2026-10-25T01:05:00Z")] as const;
    expect(timesText(...fold, "local")).toBe("02:55:00 CEST – 02:05:00 CET");
    expect(spanText(...fold, "local")).toBe("2026-10-25 02:55:00 CEST – 02:05:00 CET");
  });
});

describe("days", () => {
  it("have 23, 24 or 25 hours", () => {
    const hours = (day: string) => {
      const { from, to } = dayRange(day, "local");
      return (to.getTime() - from.getTime()) / 3_600_000;
    };
    expect([hours("2026-03-29"), hours("2026-06-01"), hours("2026-10-25")]).toEqual([23, 24, 25]);
  });

  it("begin at midnight of the zone that is shown", () => {
    expect(dayRange("2026-11-03", "local").from.toISOString()).toBe("2026-11-02T23:00:00.000Z");
    expect(dayRange("2026-11-03", "utc").from.toISOString()).toBe("2026-11-03T00:00:00.000Z");
  });

  it("step over months and years", () => {
    expect(dayPlus("2026-12-31", 1)).toBe("2027-01-01");
    expect(dayPlus("2028-03-01", -1)).toBe("2028-02-29");
  });

  it("are told from other texts", () => {
    expect(isDay("2026-11-03")).toBe(true);
    for (const text of ["", "2026-02-30", "2026-11-3", "03.11.2026", "2026-11-03T00"]) {
      expect(isDay(text), text).toBe(false);
    }
  });

  it("have a name", () => {
    expect(dayText("2026-11-03")).toBe("Tue, 3 Nov 2026");
  });
});

describe("lengths of time", () => {
  it("use the unit that fits", () => {
    expect([45_000, 300_000, 3_723_000, -5].map(durationText)).toEqual(["45 s", "5:00 min", "1:02:03 h", "0 s"]);
  });

  it("since an instant are rough", () => {
    const now = at("2026-11-03T14:00:00Z");
    const ago = (seconds: number) => agoText(new Date(now.getTime() - seconds * 1000), now);
    expect([20, 320, 7_300, 300_000].map(ago)).toEqual(["just now", "5 min ago", "2 h ago", "3 days ago"]);
    expect(ago(-30), "clocks differ a little").toBe("just now");
  });
});
