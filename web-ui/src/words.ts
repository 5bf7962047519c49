/** Numbers and states in words. The words are those of the glossary. */
import type {
  ArchiveState,
  ErrorBody,
  EvictionCause,
  GapCause,
  ListedRecording,
  RecordingStatus,
  Role,
  SyncJobState,
  Verdict,
} from "./api/types";

/** Bytes in decimal units, as disks are sold: `0 B`, `950 kB`, `1.5 GB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  // 999.5 would be written as 1000 of the smaller unit.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A bandwidth that may not be limited: `20 Mbit/s`. */
export function bandwidthText(kbps: number | null): string {
  return kbps === null ? "As much as it gives" : `${kbps / 1000} Mbit/s`;
}

/** Mbit/s as typed in kbit/s; null when nothing was typed. */
export function kbpsOf(megabits: string): number | null {
  return megabits === "" ? null : Math.round(Number(megabits) * 1000);
}

/** `1 camera`, `3 cameras`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en-GB")} ${n === 1 ? one : many}`;
}

const CODECS = new Map([
  ["h264", "H.264"],
  ["hevc", "H.265"],
  ["aac", "AAC"],
]);

/** A codec as people call it. */
export function codecText(codec: string | null): string {
  return codec === null ? "unknown" : (CODECS.get(codec) ?? codec.toUpperCase());
}

export const STATUS_TEXT: Record<RecordingStatus, string> = {
  pending: "Pending",
  downloading: "Downloading",
  completed: "Completed",
  failed: "Failed",
  evicted: "Evicted",
};

export const EVICTION_TEXT: Record<EvictionCause, string> = {
  retention: "older than its camera keeps",
  pressure: "the volume needed room",
  deleted: "deleted by a person",
  archive_cleared: "archived, and the archive was cleared",
};

export const ARCHIVE_TEXT: Record<ArchiveState, string> = {
  building: "Being packed",
  ready: "Ready",
  downloaded: "Downloaded",
  clearing: "Being cleared",
  cleared: "Cleared",
  failed: "Failed",
};

export const VERDICT_TEXT: Record<Verdict, string> = {
  complete: "Complete",
  coming: "Still coming",
  incomplete: "Incomplete",
};

export const GAP_TEXT: Record<GapCause, string> = {
  not_recorded: "Not recorded",
  clock_step: "Clock was set",
  not_observed: "Not known yet",
  recorder_unreachable: "Recorder out of reach",
  beyond_reach: "Asked too late",
  overwritten_on_recorder: "Overwritten on the recorder",
  not_downloaded: "Not fetched yet",
  failed: "Failed",
  evicted: "Evicted",
  deleted: "Deleted",
  defect: "Short",
};

export const JOB_TEXT: Record<SyncJobState, string> = {
  queued: "Waiting to begin",
  discovering: "Asking the recorder what it holds",
  downloading: "Fetching footage",
  done: "Done",
  cancelled: "Stopped",
  failed: "Failed",
};

export const ROLE_TEXT: Record<Role, string> = {
  super_admin: "Super admin",
  org_admin: "Admin",
  operator: "Operator",
  viewer: "Viewer",
  api_only: "API only",
};

/** Why a recording cannot be played or downloaded now, or null when it can. */
export function unavailableText(recording: ListedRecording): string | null {
  switch (recording.status) {
    case "completed":
      return null;
    case "pending":
      return "Not fetched from the recorder yet.";
    case "downloading":
      return `Being fetched: ${recording.progress_percent} %.`;
    case "failed":
      return recording.failure ?? "The last attempt to fetch it failed.";
    case "evicted":
      return `No longer held: ${EVICTION_TEXT[recording.eviction_cause ?? "retention"]}.`;
  }
}

/** What the recorder's clock is off by: `in step`, `2.5 s fast`, `40 s slow`. */
export function clockOffsetText(ms: number): string {
  if (Math.abs(ms) < 1000) {
    return "in step";
  }
  const seconds = Math.abs(ms) / 1000;
  const size = seconds < 120 ? `${Number(seconds.toFixed(1))} s` : `${Math.round(seconds / 60)} min`;
  return `${size} ${ms > 0 ? "fast" : "slow"}`;
}

/** What the recorder's clock gains or loses: `steady`, `gains 1.2 s a day`. */
export function clockDriftText(msPerDay: number): string {
  if (Math.abs(msPerDay) < 500) {
    return "steady";
  }
  const seconds = Number((Math.abs(msPerDay) / 1000).toFixed(1));
  return `${msPerDay > 0 ? "gains" : "loses"} ${seconds} s a day`;
}

/** How long something took: `3 ms`, `1.2 s`. */
export function durationText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Words of the agent as a sentence: a capital and a full stop. */
export function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;
}

/** The request id that finds an error in the journal. */
export function requestIdText(error: ErrorBody): string {
  return `${error.code} · request ${error.requestId}`;
}
