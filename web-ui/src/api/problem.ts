/** What can go wrong with a request, as one union: a caller has to say what it does with each kind. */
import type { ErrorBody } from "./types";

export type Problem =
  /** The program answered in its own words. */
  | { kind: "refused"; status: number; error: ErrorBody }
  /** Something answered, but not our program: a proxy, a captive portal, a truncated body. */
  | { kind: "garbled"; status: number }
  /** Nothing answered. */
  | { kind: "unreachable" };

export type Result<T> = { ok: true; value: T } | { ok: false; problem: Problem };

/** The same for code that throws, which is what queries and mutations want. */
export class ApiProblem extends Error {
  constructor(readonly problem: Problem) {
    super(problemText(problem));
    this.name = "ApiProblem";
  }
}

/** Reads the body of an answer that was not a success. */
export function readProblem(status: number, body: string): Problem {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isRecord(parsed) && parsed["success"] === false && isErrorBody(parsed["error"])) {
      return { kind: "refused", status, error: parsed["error"] };
    }
  } catch {
    // Not JSON: falls through to "garbled".
  }
  return { kind: "garbled", status };
}

/** A problem as a sentence for people. */
export function problemText(problem: Problem): string {
  switch (problem.kind) {
    case "refused":
      return problem.error.message;
    case "garbled":
      return `The answer could not be understood (HTTP ${problem.status}). Something between this page and Holdfast may be in the way.`;
    case "unreachable":
      return "No answer. Check that the appliance is on and that this device is on its network.";
  }
}

/** Whether asking again by itself may help. */
export function isPassing(problem: Problem): boolean {
  return problem.kind === "unreachable" || problem.kind === "garbled" || problem.status === 503;
}

/** Whether the session is over, as opposed to a wrong password, which is a 401 too. */
export function isLoggedOut(problem: Problem): boolean {
  return problem.kind === "refused" && problem.status === 401 && problem.error.code !== "AUTH_CREDENTIALS_INVALID";
}

/** The stable code of a refusal, if the program gave one. */
export function problemCode(problem: Problem): string | null {
  return problem.kind === "refused" ? problem.error.code : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isErrorBody(value: unknown): value is ErrorBody {
  return isRecord(value) && typeof value["code"] === "string" && typeof value["message"] === "string";
}
