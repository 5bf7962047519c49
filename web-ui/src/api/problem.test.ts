import { describe, expect, it } from "vitest";

import { isLoggedOut, isPassing, problemCode, problemText, readProblem } from "./problem";

const refusal = (code: string, message = "No.") =>
  JSON.stringify({
    success: false,
    error: { code, message, details: {}, timestamp: "2026-11-03T14:05:00Z", requestId: "r1" },
  });

describe("the answer to a failed request", () => {
  it("is read in the program's own words", () => {
    const problem = readProblem(404, refusal("CAMERA_NOT_FOUND", "There is no such camera."));
    expect(problemText(problem)).toBe("There is no such camera.");
    expect(problemCode(problem)).toBe("CAMERA_NOT_FOUND");
  });

  it("may come from something else, or be cut off", () => {
    for (const body of ["", "<html>", "null", "{}", '{"success":false}', '{"success":false,"error":{"code":1}}']) {
      expect(readProblem(502, body), body).toEqual({ kind: "garbled", status: 502 });
    }
  });

  it("ends the session only when the token is at fault", () => {
    expect(isLoggedOut(readProblem(401, refusal("AUTH_TOKEN_INVALID")))).toBe(true);
    expect(isLoggedOut(readProblem(401, refusal("AUTH_CREDENTIALS_INVALID")))).toBe(false);
    expect(isLoggedOut(readProblem(403, refusal("AUTH_INSUFFICIENT_PERMISSIONS")))).toBe(false);
    expect(isLoggedOut({ kind: "unreachable" })).toBe(false);
  });

  it("passes by itself when nobody answered or the program says so", () => {
    expect(isPassing({ kind: "unreachable" })).toBe(true);
    expect(isPassing(readProblem(503, refusal("UNAVAILABLE")))).toBe(true);
    expect(isPassing(readProblem(404, refusal("NOT_FOUND")))).toBe(false);
  });
});
