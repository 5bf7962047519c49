/**
 * What the pages read. The first word of a query key is the `kind` that the programs name in their change events, so
 * that an event invalidates exactly what it is about (see `events.ts`).
 */
import { infiniteQueryOptions, queryOptions, type QueryClient } from "@tanstack/react-query";

import { apiUrl, ask, demand } from "./client";
import { ApiProblem, isLoggedOut } from "./problem";
import type {
  Archive,
  Bookmark,
  BoxClock,
  BoxDisks,
  CameraLimits,
  Custody,
  DownloadSettings,
  ListedCamera,
  ListedRecording,
  Me,
  Page,
  Recorder,
  RecorderPlaces,
  RecordingStatus,
  Setup,
  Site,
  SiteUpdate,
  Storage,
  SyncJob,
  System,
  Timeline,
  Update,
} from "./types";

/** Which recordings to list; times are RFC 3339, `to` is exclusive. */
export interface RecordingQuery {
  site?: string | undefined;
  camera?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  status?: RecordingStatus | undefined;
  minBytes?: number | undefined;
  order: "newest" | "oldest";
}

/** Rows per page of the recordings list: more than a screen, little enough for an old laptop. */
const RECORDINGS_PER_PAGE = 50;

/** Who is logged in; null when nobody is. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me | null> => {
    const result = await ask<Me>("GET", apiUrl("/auth/me"));
    if (result.ok) {
      return result.value;
    }
    if (isLoggedOut(result.problem)) {
      return null;
    }
    throw new ApiProblem(result.problem);
  },
  staleTime: 60_000,
});

/** Notes who is logged in. What one person has seen is forgotten before the next one comes. */
export function setMe(client: QueryClient, me: Me | null): void {
  client.setQueryData(meQuery.queryKey, me);
  if (me === null) {
    client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" && queryKey[0] !== "setup" });
  }
}

export const setupQuery = queryOptions({
  queryKey: ["setup"],
  queryFn: () => demand<Setup>("GET", apiUrl("/setup")),
  staleTime: Infinity,
});

/** Uptime and claim change without events of their own. */
export const systemQuery = queryOptions({
  queryKey: ["system"],
  queryFn: () => demand<System>("GET", apiUrl("/system")),
  refetchInterval: 10_000,
});

export const downloadSettingsQuery = queryOptions({
  queryKey: ["downloads"],
  queryFn: () => demand<DownloadSettings>("GET", apiUrl("/system/downloads")),
});

/** An update comes and waits without events of its own. */
export const updateQuery = queryOptions({
  queryKey: ["update"],
  queryFn: () => demand<Update>("GET", apiUrl("/system/update")),
  refetchInterval: 5_000,
});

/** The relay: what runs at a site, is offered and is on its way. */
export function siteUpdateQuery(site: string) {
  return queryOptions({
    queryKey: ["site", "update", site],
    queryFn: () => demand<SiteUpdate>("GET", apiUrl(`/sites/${site}/update`)),
    refetchInterval: 10_000,
  });
}

export const storageQuery = queryOptions({
  queryKey: ["storage"],
  queryFn: () => demand<Storage>("GET", apiUrl("/storage")),
  refetchInterval: 60_000,
});

/** Disks come and go without events of their own; while one is made ready, somebody waits for it. */
export const disksQuery = queryOptions({
  queryKey: ["disks"],
  queryFn: () => demand<BoxDisks>("GET", apiUrl("/disks")),
  refetchInterval: ({ state }) => (state.data?.adoption.state === "ordered" ? 2_000 : 10_000),
});

export const clockQuery = queryOptions({
  queryKey: ["clock"],
  queryFn: () => demand<BoxClock>("GET", apiUrl("/system/clock")),
  refetchInterval: ({ state }) => (state.data?.ordered ? 1_000 : 30_000),
});

export const custodyQuery = queryOptions({
  queryKey: ["custody"],
  queryFn: () => demand<Custody>("GET", apiUrl("/system/custody")),
  refetchInterval: 60_000,
});

/** A camera's own limits, to be changed. */
export function limitsQuery(camera: string) {
  return queryOptions({
    queryKey: ["limits", camera],
    queryFn: () => demand<CameraLimits>("GET", apiUrl(`/cameras/${camera}/retention`)),
    staleTime: 0,
  });
}

/** Where the bookmarks of a site are asked for: the relay passes it on. */
export function bookmarksPath(site?: string): string {
  return site === undefined ? "/bookmarks" : `/sites/${site}/bookmarks`;
}

/** The bookmarks within a recording. */
export function bookmarksQuery(recording: ListedRecording) {
  const { camera_id: camera, start_utc: from, end_utc: to } = recording;
  return queryOptions({
    queryKey: ["bookmark", recording.id],
    queryFn: async () => {
      const page = await demand<Page<Bookmark>>("GET", apiUrl(bookmarksPath(recording.site_id), { camera, from, to }));
      return page.items;
    },
  });
}

export const recordersQuery = queryOptions({
  queryKey: ["recorder"],
  queryFn: () => everyPage<Recorder>("/recorders"),
});

/** Who uses a recorder changes with every download, without events of its own. */
export function placesQuery(recorder: string) {
  return queryOptions({
    queryKey: ["places", recorder],
    queryFn: () => demand<RecorderPlaces>("GET", apiUrl(`/recorders/${recorder}/places`)),
    refetchInterval: 5_000,
  });
}

export const sitesQuery = queryOptions({
  queryKey: ["site"],
  queryFn: () => everyPage<Site>("/sites"),
  refetchInterval: 60_000,
});

export function camerasQuery(site?: string) {
  return queryOptions({
    queryKey: ["camera", site ?? "all"],
    queryFn: () => everyPage<ListedCamera>("/cameras", { site }),
  });
}

export function recordingsQuery(query: RecordingQuery) {
  return infiniteQueryOptions({
    queryKey: ["recording", "list", query],
    queryFn: ({ pageParam }) => {
      const { minBytes, ...rest } = query;
      const url = apiUrl("/recordings", {
        ...rest,
        min_bytes: minBytes,
        limit: RECORDINGS_PER_PAGE,
        cursor: pageParam,
      });
      return demand<Page<ListedRecording>>("GET", url);
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

export function recordingQuery(id: string) {
  return queryOptions({
    queryKey: ["recording", "one", id],
    queryFn: () => demand<ListedRecording>("GET", apiUrl(`/recordings/${id}`)),
  });
}

/** A day of a camera; the first word is that of recordings, so that what is fetched shows at once. */
export function timelineQuery(camera: string, day: string, zone: string) {
  return queryOptions({
    queryKey: ["recording", "timeline", camera, day, zone],
    queryFn: () => demand<Timeline>("GET", apiUrl(`/recordings/timeline/${camera}`, { day, zone })),
    refetchInterval: 60_000,
  });
}

/** The held recording of the same camera that comes before or after a given one, or null. */
export function neighbourQuery(recording: ListedRecording, side: "before" | "after") {
  const range =
    side === "after"
      ? { from: recording.end_utc, order: "oldest" }
      : { to: recording.start_utc, order: "newest" };
  return queryOptions({
    queryKey: ["recording", "neighbour", recording.id, side],
    queryFn: async (): Promise<ListedRecording | null> => {
      const url = apiUrl("/recordings", { camera: recording.camera_id, status: "completed", limit: 2, ...range });
      const page = await demand<Page<ListedRecording>>("GET", url);
      // Recordings may overlap by a second, so the range may find the one it starts from.
      return page.items.find(({ id }) => id !== recording.id) ?? null;
    },
  });
}

export function syncJobQuery(id: string) {
  return queryOptions({
    queryKey: ["job", id],
    queryFn: () => demand<SyncJob>("GET", apiUrl(`/sync/${id}`)),
    refetchInterval: ({ state }) => (state.data && isEnded(state.data) ? false : 2_000),
  });
}

/** While one is packed its progress changes without events enough. */
export const archivesQuery = infiniteQueryOptions({
  queryKey: ["archive", "list"],
  queryFn: ({ pageParam }) => demand<Page<Archive>>("GET", apiUrl("/archives", { cursor: pageParam })),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  refetchInterval: ({ state }) =>
    state.data?.pages.some((page) => page.items.some(isUnderWay)) ? 2_000 : 60_000,
});

/** Whether an archive goes on by itself. */
function isUnderWay({ state, mail }: Archive): boolean {
  return state === "building" || state === "clearing" || mail.state === "waiting";
}

export function archiveQuery(id: string) {
  return queryOptions({
    queryKey: ["archive", "one", id],
    queryFn: () => demand<Archive>("GET", apiUrl(`/archives/${id}`)),
  });
}

/** Whether nothing more comes of a sync job. */
export function isEnded(job: SyncJob): boolean {
  return job.state === "done" || job.state === "cancelled" || job.state === "failed";
}

/** Recorders, cameras and sites are dozens, and their lists are wanted whole. */
async function everyPage<T>(path: string, query: Record<string, string | undefined> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: Page<T> = await demand<Page<T>>("GET", apiUrl(path, { ...query, cursor }));
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}
