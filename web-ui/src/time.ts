/**
 * Instants as people read them. Everything the API says is UTC; a page shows either the zone of the browser or UTC, and
 * always says which.
 */

/** Which zone the page shows. */
export type Zone = "local" | "utc";

/** A calendar day without a zone: `2026-11-03`. */
export type Day = string;

/** The IANA name behind a zone: `Europe/Berlin`, `UTC`. */
export function zoneName(zone: Zone): string {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Formats are slow to make and lists ask for hundreds of them, so there is one for each zone. */
const formats = new Map<Zone, Intl.DateTimeFormat>();

function formatOf(zone: Zone): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zoneName(zone),
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
      timeZoneName: "short",
    });
    formats.set(zone, format);
  }
  return format;
}

/** The parts of an instant by their names. */
function parts(at: Date, zone: Zone): (type: Intl.DateTimeFormatPartTypes) => string {
  const found = new Map(formatOf(zone).formatToParts(at).map((part) => [part.type, part.value]));
  return (type) => found.get(type) ?? "";
}

/** What the zone is called at an instant: `CET` in winter, `CEST` in summer, or an offset where it has no name. */
export function zoneAbbreviation(zone: Zone, at: Date): string {
  return parts(at, zone)("timeZoneName");
}

/** `15:05:00` */
export function clockText(at: Date, zone: Zone): string {
  const part = parts(at, zone);
  return `${part("hour")}:${part("minute")}:${part("second")}`;
}

/** The day an instant falls on: `2026-11-03`. */
export function dayOf(at: Date, zone: Zone): Day {
  const part = parts(at, zone);
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** `2026-11-03 15:05:00 CET` */
export function instantText(at: Date, zone: Zone): string {
  return `${dayOf(at, zone)} ${clockText(at, zone)} ${zoneAbbreviation(zone, at)}`;
}

/** Start and end on one line; the day is told twice only when it changes in between. */
export function spanText(start: Date, end: Date, zone: Zone): string {
  const [from, to] = [dayOf(start, zone), dayOf(end, zone)];
  const last = from === to ? clockText(end, zone) : `${to} ${clockText(end, zone)}`;
  return `${from} ${startText(start, end, zone)} – ${last} ${zoneAbbreviation(zone, end)}`;
}

/** The start of a span; with its own zone when the clocks change before the end. */
function startText(start: Date, end: Date, zone: Zone): string {
  const [first, last] = [zoneAbbreviation(zone, start), zoneAbbreviation(zone, end)];
  return first === last ? clockText(start, zone) : `${clockText(start, zone)} ${first}`;
}

/** Start and end under a heading that names the day: `15:05:00 – 15:10:00 CET`. */
export function timesText(start: Date, end: Date, zone: Zone): string {
  const later = dayOf(start, zone) === dayOf(end, zone) ? "" : " next day";
  return `${startText(start, end, zone)} – ${clockText(end, zone)}${later} ${zoneAbbreviation(zone, end)}`;
}

/** `Tue, 3 Nov 2026` */
export function dayText(day: Day): string {
  return new Intl.DateTimeFormat("en-GB", {
    timeZone: "UTC",
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  }).format(new Date(`${day}T00:00:00Z`));
}

/** Whether a text is a day of the calendar. */
export function isDay(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

/** The day some days later (negative: earlier). */
export function dayPlus(day: Day, days: number): Day {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

/**
 * First instant of a day and of the next one. Both midnights are asked of the calendar of the zone, so a day with a
 * change of the clocks has its 23 or 25 hours.
 */
export function dayRange(day: Day, zone: Zone): { from: Date; to: Date } {
  const midnight = (which: Day) => new Date(zone === "utc" ? `${which}T00:00:00Z` : `${which}T00:00:00`);
  return { from: midnight(day), to: midnight(dayPlus(day, 1)) };
}

/** A length of time: `45 s`, `12:30 min`, `1:02:03 h`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) {
    return `${h}:${two(m)}:${two(s)} h`;
  }
  return m > 0 ? `${m}:${two(s)} min` : `${s} s`;
}

/** A length of time in words, its two largest units: `45 s`, `12 min`, `16 h 9 min`. */
export function lengthText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const units: [number, string][] = h > 0 ? [[h, "h"], [m, "min"]] : [[m, "min"], [s, "s"]];
  const told = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`);
  return told.join(" ") || "0 s";
}

/** How long ago, in the roughest unit that still says something: `just now`, `5 min ago`, `3 days ago`. */
export function agoText(at: Date, now: Date): string {
  const minutes = Math.floor((now.getTime() - at.getTime()) / 60_000);
  if (minutes < 1) {
    return "just now";
  }
  if (minutes < 60) {
    return `${minutes} min ago`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return `${hours} h ago`;
  }
  return `${Math.floor(hours / 24)} days ago`;
}

/** Every so many hours of the clock on the wall within a range, as they are shown there. */
export function hourMarks(from: Date, to: Date, zone: Zone, every: number): { text: string; at: Date }[] {
  const found: { text: string; at: Date }[] = [];
  for (let at = from.getTime(); at < to.getTime(); at += 3_600_000) {
    const text = clockText(new Date(at), zone).slice(0, 5);
    const [hour, minute] = text.split(":").map(Number);
    // An hour that comes twice is marked once.
    if (minute === 0 && hour !== undefined && hour % every === 0 && found.at(-1)?.text !== text) {
      found.push({ text, at: new Date(at) });
    }
  }
  return found;
}
