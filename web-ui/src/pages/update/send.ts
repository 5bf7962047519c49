/** Sending a bundle to the box that served this page: looked through first, then piece by piece from where the box stands. */
import { apiUrl, demand, demandBytes } from "../../api/client";
import { ApiProblem, isPassing } from "../../api/problem";
import type { Update } from "../../api/types";
import { Sha256 } from "../../sha256";

/** Bytes read or sent at once. */
const PIECE = 4 * 1024 * 1024;
/** Pauses after a line that is cut, in seconds; then a person decides. */
const PAUSES = [1, 2, 5, 10, 30, 60];

/** The version in the name of a bundle as it is built; null where it has another name. */
export function versionOf(name: string): string | null {
  return /^holdfast-(\d+\.\d+\.\d+(\+\d+(\.\d+)*)?)( ?\(\d+\))?\.raucb$/.exec(name)?.[1] ?? null;
}

/** How far it is. */
export interface Sending {
  doing: "reading" | "sending";
  done: number;
  of: number;
}

export interface Sender {
  file: File;
  version: string;
  onProgress: (sending: Sending) => void;
  onTold: (update: Update) => void;
  signal: AbortSignal;
}

/** Sends it; what the box has of it already is not sent again. */
export async function sendBundle({ file, version, onProgress, onTold, signal }: Sender): Promise<Update> {
  const hash = new Sha256();
  for (let at = 0; at < file.size; at += PIECE) {
    signal.throwIfAborted();
    hash.add(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    onProgress({ doing: "reading", done: Math.min(at + PIECE, file.size), of: file.size });
  }
  const offer = { version, bytes: file.size, sha256: hash.finish() };
  let failures = 0;
  for (;;) {
    try {
      let told = await demand<Update>("POST", apiUrl("/system/update"), offer);
      onTold(told);
      while (told.progress.state === "receiving") {
        signal.throwIfAborted();
        const first = told.progress.received_bytes;
        onProgress({ doing: "sending", done: first, of: file.size });
        const last = Math.min(first + PIECE, file.size) - 1;
        const range = `bytes ${first}-${last}/${file.size}`;
        told = await demandBytes<Update>(apiUrl("/system/update/bundle"), file.slice(first, last + 1), range, signal);
        onTold(told);
        failures = 0;
      }
      return told;
    } catch (error) {
      signal.throwIfAborted();
      const pause = PAUSES[failures];
      if (!(error instanceof ApiProblem) || !isPassing(error.problem) || pause === undefined) {
        throw error;
      }
      failures += 1;
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }
}
