/** How long footage stays, in words and in the measures of its plot. */
import type { CameraRetention, Retention } from "../../api/types";

/** `23 days`, `over 400 days`, `4.5 days`. */
export function daysText({ days, horizon_days }: Pick<Retention, "days" | "horizon_days">): string {
  return days === null ? `over ${horizon_days} days` : dayCount(days);
}

export function dayCount(days: number): string {
  const shown = days >= 9.95 ? Math.round(days) : Number(days.toFixed(1));
  return shown === 1 ? "1 day" : `${shown} days`;
}

/** Whether anything can be said of how long a camera's footage stays. */
export function isKnown({ basis }: CameraRetention): boolean {
  return basis !== "off" && basis !== "unknown";
}

/**
 * The right end of the plot, in days: room for every promise and for what is kept, and a round number. What is kept for
 * years does not flatten the rest.
 */
export function scaleDays(cameras: CameraRetention[], horizon: number): number {
  const promised = Math.max(0, ...cameras.map(({ least_days }) => least_days));
  const kept = Math.max(0, ...cameras.filter(isKnown).map(({ days }) => days ?? horizon));
  const most = Math.max(7, promised * 1.25, Math.min(kept * 1.1, Math.max(promised * 2, 60)));
  const step = most <= 14 ? 2 : most <= 35 ? 5 : most <= 70 ? 10 : most <= 140 ? 20 : 50;
  return Math.ceil(most / step) * step;
}

/** Where lines are drawn: four or so, at round numbers. */
export function ticks(scale: number): number[] {
  const step = [1, 2, 5, 10, 20, 25, 50, 100].find((step) => scale / step <= 5) ?? 200;
  return Array.from({ length: Math.floor(scale / step) + 1 }, (_, n) => n * step);
}
