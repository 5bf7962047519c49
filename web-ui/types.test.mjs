import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

import { declarations, PROGRAMS } from "./types.mjs";

it.each(PROGRAMS)("the declarations of the %s are those of its document (else: npm run types)", async (program) => {
  const kept = readFileSync(new URL(`src/api/${program}.d.ts`, import.meta.url), "utf8");
  expect(kept).toBe(await declarations(program));
});
