/** Keeps what is on the screen true: the program tells what changed, and the queries about it are asked again. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { apiUrl } from "./client";
import { meQuery } from "./queries";

/**
 * While footage is fetched, recordings change many times a second. Changes are gathered this long, so that a list is
 * read at most once in that time.
 */
const GATHER_MS = 1_500;

/** How long to wait before asking for the event stream again after the program has closed it. */
const REOPEN_MS = 5_000;

/** What a change can be about; storage and sites count footage, so recordings touch them too. */
const TOUCHED = new Map<string, readonly string[]>([
  ["recording", ["recording", "camera", "storage", "site"]],
  ["camera", ["camera"]],
  ["recorder", ["recorder", "camera"]],
  ["bookmark", ["bookmark", "recording"]],
  ["job", ["job"]],
  ["archive", ["archive"]],
  ["site", ["site", "camera"]],
  ["storage", ["storage"]],
  ["volume", ["storage", "camera"]],
]);

/** The query kinds that an event's data calls into question. */
export function touchedKinds(data: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(data);
    if (typeof parsed === "object" && parsed !== null && "kind" in parsed && typeof parsed.kind === "string") {
      return TOUCHED.get(parsed.kind) ?? [];
    }
  } catch {
    // An event of a newer program that this page does not know.
  }
  return [];
}

/** Listens for changes as long as somebody is logged in. */
export function useChangeEvents(): void {
  const client = useQueryClient();
  useEffect(() => {
    const waiting = new Set<string>();
    let gathering = 0;
    const flush = () => {
      gathering = 0;
      waiting.forEach((kind) => void client.invalidateQueries({ queryKey: [kind] }));
      waiting.clear();
    };
    const stop = listen({
      onTouched: (kinds) => {
        kinds.forEach((kind) => waiting.add(kind));
        gathering ||= window.setTimeout(flush, GATHER_MS);
      },
      // A refused stream may mean that the session has run out; asking who is logged in renews it or shows the login.
      beforeReopening: () => client.refetchQueries({ queryKey: meQuery.queryKey }),
    });
    return () => {
      stop();
      window.clearTimeout(gathering);
    };
  }, [client]);
}

interface Listener {
  onTouched: (kinds: readonly string[]) => void;
  beforeReopening: () => Promise<void>;
}

/** Keeps an event stream open until the returned function is called. */
function listen({ onTouched, beforeReopening }: Listener): () => void {
  let source: EventSource | null = null;
  let reopening = 0;
  let stopped = false;
  let missed = false;

  const open = () => {
    if (stopped) {
      return;
    }
    const opened = new EventSource(apiUrl("/events"));
    source = opened;
    opened.addEventListener("changed", (event: MessageEvent<string>) => onTouched(touchedKinds(event.data)));
    opened.addEventListener("open", () => {
      if (missed) {
        onTouched([...TOUCHED.keys()]);
      }
      missed = false;
    });
    opened.addEventListener("error", () => {
      missed = true;
      // After a broken connection the browser reconnects by itself; after a refusal it does not.
      if (opened.readyState === EventSource.CLOSED) {
        reopening = window.setTimeout(() => void beforeReopening().then(open), REOPEN_MS);
      }
    });
  };

  open();
  return () => {
    stopped = true;
    window.clearTimeout(reopening);
    source?.close();
  };
}
