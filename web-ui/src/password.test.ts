import { expect, it } from "vitest";

import { passwordProblem } from "./password";

it("a password has ten characters, however many bytes they take, and is typed twice alike", () => {
  expect(passwordProblem("ünïcödé🐟", "")).toBe("At least 10 characters: 2 more.");
  expect(passwordProblem("a kelp hold", "a kelp holt")).toBe("The two are not the same.");
  expect(passwordProblem("a kelp hold", "a kelp hold")).toBeNull();
});
