import { expect, it } from "vitest";

import { readFilter, toQuery } from "./filter";

it("reads what makes sense out of an address", () => {
  const search = { camera: "c1", day: "2026-11-03", status: "failed", min: 1000, order: "oldest", site: "" };
  expect(readFilter(search)).toEqual({ camera: "c1", day: "2026-11-03", status: "failed", min: 1000, order: "oldest" });
  expect(readFilter({ day: "yesterday", status: "toString", min: -1, order: "newest", camera: 3 })).toEqual({});
});

it("asks for the day of the zone that is shown", () => {
  expect(toQuery({ day: "2026-11-03", min: 10 }, "utc")).toEqual({
    site: undefined,
    camera: undefined,
    from: "2026-11-03T00:00:00.000Z",
    to: "2026-11-04T00:00:00.000Z",
    status: undefined,
    minBytes: 10,
    order: "newest",
  });
});
