import { defineConfig } from "vitest/config";

/** Pure logic only; the pages are tested in a real browser by the stories under `tests/`. */
export default defineConfig({ test: { env: { TZ: "Europe/Berlin" }, include: ["src/**/*.test.ts"], environment: "node" } });
