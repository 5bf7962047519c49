/** Which recordings a person wants to see. It lives in the address, so that a list can be kept and sent to others. */
import type { RecordingQuery } from "../../api/queries";
import type { RecordingStatus } from "../../api/types";
import { dayRange, isDay, type Day, type Zone } from "../../time";
import { STATUS_TEXT } from "../../words";

export interface RecordingFilter {
  site?: string;
  camera?: string;
  day?: Day;
  status?: RecordingStatus;
  /** At least this many bytes. */
  min?: number;
  order?: "oldest";
}

/** Reads the filter out of an address; what makes no sense there is left out. */
export function readFilter(search: Record<string, unknown>): RecordingFilter {
  const filter: RecordingFilter = {};
  const text = (name: string) => {
    const value = search[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [site, camera, day, status] = [text("site"), text("camera"), text("day"), text("status")];
  const min = Number(search["min"]);
  if (site) {
    filter.site = site;
  }
  if (camera) {
    filter.camera = camera;
  }
  if (day && isDay(day)) {
    filter.day = day;
  }
  if (status && isStatus(status)) {
    filter.status = status;
  }
  if (Number.isInteger(min) && min > 0) {
    filter.min = min;
  }
  if (search["order"] === "oldest") {
    filter.order = "oldest";
  }
  return filter;
}

/** The question to the API behind a filter; a day is one of the zone that the page shows. */
export function toQuery(filter: RecordingFilter, zone: Zone): RecordingQuery {
  const range = filter.day ? dayRange(filter.day, zone) : null;
  return {
    site: filter.site,
    camera: filter.camera,
    from: range?.from.toISOString(),
    to: range?.to.toISOString(),
    status: filter.status,
    minBytes: filter.min,
    order: filter.order ?? "newest",
  };
}

function isStatus(text: string): text is RecordingStatus {
  return Object.hasOwn(STATUS_TEXT, text);
}
