import { expect, it } from "vitest";

import { touchedKinds } from "./events";

it("a change touches what counts it too", () => {
  expect(touchedKinds('{"kind":"job","id":"j1"}')).toEqual(["job"]);
  expect(touchedKinds('{"kind":"recording","id":"r1"}')).toContain("storage");
});

it("a change of a kind that is not known touches nothing", () => {
  for (const data of ["", "{}", "null", '{"kind":"weather"}', '{"kind":7}']) {
    expect(touchedKinds(data), data).toEqual([]);
  }
});
