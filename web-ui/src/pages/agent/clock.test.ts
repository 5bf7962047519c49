import { expect, test } from "vitest";

import { differenceText, isSame } from "./clock";

test.each([
  [0, "as your device"],
  [-4_999, "as your device"],
  [5_000, "5 s ahead of your device"],
  [-192_000, "3 min 12 s behind your device"],
  [-47 * 3_600_000, "47 h behind your device"],
  [-412 * 86_400_000, "412 days behind your device"],
])("a clock that is %d ms ahead is told as %s", (aheadMs, text) => {
  expect(differenceText(aheadMs)).toBe(text);
  expect(isSame(aheadMs)).toBe(text === "as your device");
});
