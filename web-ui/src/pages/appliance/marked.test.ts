import { expect, it } from "vitest";

import { marked } from "./marked";

it("finds what is marked, and nothing else", () => {
  expect(marked("Wait for a minute.")).toEqual([{ kind: "words", text: "Wait for a minute." }]);
  expect(marked("See *Storage* on the page, or `df`")).toEqual([
    { kind: "words", text: "See " },
    { kind: "place", text: "Storage" },
    { kind: "words", text: " on the page, or " },
    { kind: "typed", text: "df" },
  ]);
  expect(marked("2 * 3 is `open")).toEqual([{ kind: "words", text: "2 * 3 is `open" }]);
  expect(marked("``")).toEqual([{ kind: "words", text: "``" }]);
});
