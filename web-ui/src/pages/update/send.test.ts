import { expect, test } from "vitest";

import { versionOf } from "./send";

test("the version stands in the name", () => {
  expect(versionOf("holdfast-0.1.0+20261122064643.raucb")).toBe("0.1.0+20261122064643");
  expect(versionOf("holdfast-0.1.0+20261122064643.1.raucb")).toBe("0.1.0+20261122064643.1");
  // Downloaded twice.
  expect(versionOf("holdfast-0.1.0+20261122064643 (1).raucb")).toBe("0.1.0+20261122064643");
  for (const other of ["holdfast.raucb", "holdfast-0.1.raucb", "holdfast-0.1.0.img", "x-holdfast-0.1.0.raucb"]) {
    expect(versionOf(other), other).toBeNull();
  }
});
