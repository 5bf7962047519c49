/**
 * Requests to the program that served this page. The session lives in HttpOnly cookies, so nothing here sees a token;
 * changes carry the readable CSRF cookie back as a header.
 */
import { ApiProblem, isLoggedOut, readProblem, type Result } from "./problem";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** A query value that is undefined or empty is left out. */
export type Query = Record<string, string | number | undefined>;

/** The address of a route, with its query. */
export function apiUrl(path: string, query: Query = {}): string {
  const filled = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(filled.map(([name, value]) => [name, String(value)])).toString();
  return `/api/v1${path}${search ? `?${search}` : ""}`;
}

/**
 * Asks; a session that has run out is renewed once and the question asked again. Even when the renewal was refused:
 * another tab may have spent the same refresh token and left newer cookies.
 */
export async function ask<T>(method: Method, url: string, body?: unknown): Promise<Result<T>> {
  const first = await send<T>(method, url, body);
  if (first.ok || !isLoggedOut(first.problem)) {
    return first;
  }
  await renewSession();
  return send<T>(method, url, body);
}

/** Like {@link ask}, but throws an {@link ApiProblem}: for queries and mutations. */
export async function demand<T>(method: Method, url: string, body?: unknown): Promise<T> {
  const result = await ask<T>(method, url, body);
  if (!result.ok) {
    throw new ApiProblem(result.problem);
  }
  return result.value;
}

/** Sends a piece of a file, and says which bytes of it these are. */
export async function demandBytes<T>(url: string, bytes: Blob, range: string, signal: AbortSignal): Promise<T> {
  const put = () => {
    const headers = new Headers({
      "Accept": "application/json",
      "Content-Type": "application/octet-stream",
      "Content-Range": range,
      "X-CSRF-Token": readCookie(document.cookie, "hf_csrf") ?? "",
    });
    return fetch(url, { method: "PUT", headers, body: bytes, signal }).catch(() => null);
  };
  let result = await read<T>(await put());
  if (!result.ok && isLoggedOut(result.problem)) {
    await renewSession();
    result = await read<T>(await put());
  }
  if (!result.ok) {
    throw new ApiProblem(result.problem);
  }
  return result.value;
}

/**
 * Like {@link demand}, for answers that come line by line: each is handed on as soon as it is there.
 */
export async function demandLines<T>(url: string, body: unknown, onLine: (line: T) => void): Promise<void> {
  let response = await open("POST", url, body, "application/x-ndjson");
  if (response?.status === 401) {
    await renewSession();
    response = await open("POST", url, body, "application/x-ndjson");
  }
  if (response === null) {
    throw new ApiProblem({ kind: "unreachable" });
  }
  if (!response.ok || response.body === null) {
    throw new ApiProblem(readProblem(response.status, await response.text()));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const lines = (rest + piece.value).split("\n");
      rest = lines.pop() ?? "";
      lines.filter(Boolean).forEach((line) => onLine(JSON.parse(line) as T));
    }
  } catch {
    throw new ApiProblem({ kind: "unreachable" });
  }
}

let renewal: Promise<unknown> | null = null;

/**
 * Trades the refresh cookie for a new session. A refresh token works once, so callers that find out at the same time
 * share one attempt.
 */
export async function renewSession(): Promise<void> {
  renewal ??= send("POST", apiUrl("/auth/refresh"), {}).finally(() => {
    renewal = null;
  });
  await renewal;
}

async function send<T>(method: Method, url: string, body?: unknown): Promise<Result<T>> {
  return read<T>(await open(method, url, body, "application/json"));
}

/** The whole answer; null when there is none. */
async function read<T>(response: Response | null): Promise<Result<T>> {
  let text: string;
  try {
    if (response === null) {
      return { ok: false, problem: { kind: "unreachable" } };
    }
    text = await response.text();
  } catch {
    return { ok: false, problem: { kind: "unreachable" } };
  }
  if (!response.ok) {
    return { ok: false, problem: readProblem(response.status, text) };
  }
  if (text === "") {
    return { ok: true, value: undefined as T };
  }
  try {
    return { ok: true, value: JSON.parse(text) as T };
  } catch {
    return { ok: false, problem: { kind: "garbled", status: response.status } };
  }
}

/** The beginning of an answer; null when there is none. */
async function open(method: Method, url: string, body: unknown, accept: string): Promise<Response | null> {
  const headers = new Headers({ Accept: accept });
  if (method !== "GET") {
    headers.set("X-CSRF-Token", readCookie(document.cookie, "hf_csrf") ?? "");
  }
  if (body !== undefined) {
    headers.set("Content-Type", "application/json");
  }
  try {
    return await fetch(url, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    return null;
  }
}

/** The value of one cookie out of `document.cookie`. */
export function readCookie(cookies: string, name: string): string | null {
  for (const pair of cookies.split(";")) {
    const [key, ...value] = pair.trim().split("=");
    if (key === name) {
      return value.join("=");
    }
  }
  return null;
}
