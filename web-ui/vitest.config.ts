import { defineConfig } from "vitest/config";

/** Pure logic only; the pages are tested in a real browser by the stories. The zone is one with a summer time. */
export default defineConfig({
  test: { include: ["src/**/*.test.ts", "*.test.mjs"], environment: "node", env: { TZ: "Europe/Berlin" } },
});
