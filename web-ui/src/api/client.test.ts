import { expect, it } from "vitest";

import { apiUrl, readCookie } from "./client";

it("leaves empty parts out of a query", () => {
  expect(apiUrl("/recordings", { camera: "c1", from: undefined, cursor: "", limit: 50 })).toBe(
    "/api/v1/recordings?camera=c1&limit=50",
  );
  expect(apiUrl("/sites")).toBe("/api/v1/sites");
});

it("finds one cookie among others", () => {
  expect(readCookie("a=1; hf_csrf=x=y; not_hf_csrf=2", "hf_csrf")).toBe("x=y");
  expect(readCookie("", "hf_csrf")).toBeNull();
});
