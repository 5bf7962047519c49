import { expect, test } from "vitest";

import type { CameraRetention } from "../../api/types";
import { dayCount, daysText, scaleDays, ticks } from "./retention";

const camera = (days: number | null, least_days = 0) => ({ basis: "measured", days, least_days }) as CameraRetention;

test("days as people say them", () => {
  expect(dayCount(1)).toBe("1 day");
  expect(dayCount(4.46)).toBe("4.5 days");
  expect(dayCount(22.6)).toBe("23 days");
  expect(daysText({ days: null, horizon_days: 400 })).toBe("over 400 days");
});

test("a plot has room for promises and is not flattened by what stays for years", () => {
  expect(scaleDays([camera(23.4, 30)], 400)).toBe(40);
  expect(scaleDays([camera(3)], 400)).toBe(8);
  expect(scaleDays([camera(null), camera(20, 30)], 400)).toBe(60);
  expect(scaleDays([], 400)).toBe(8);
  expect(ticks(40)).toEqual([0, 10, 20, 30, 40]);
  expect(ticks(8)).toEqual([0, 2, 4, 6, 8]);
});
