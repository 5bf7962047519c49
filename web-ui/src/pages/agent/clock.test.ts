import { expect, test } from "vitest";

import { differenceText, isSame } from "./clock";

test.each([
  [0, "as here"],
  [-4_999, "as here"],
  [5_000, "5 s ahead"],
  [-192_000, "3 min 12 s behind"],
  [-47 * 3_600_000, "47 h behind"],
  [-412 * 86_400_000, "412 days behind"],
])("a clock that is %d ms ahead is told as %s", (aheadMs, text) => {
  expect(differenceText(aheadMs)).toBe(text);
  expect(isSame(aheadMs)).toBe(text === "as here");
});
