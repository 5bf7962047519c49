/** How the box's clock differs from that of the device on which the page is seen. */
import { lengthText } from "../../time";

/** Less than this is the way to the box and back. */
const SAME_MS = 5_000;
/** From here on it is told where nobody asked. */
const FAR_MS = 60_000;
/** From here on hours say nothing. */
const DAYS_MS = 2 * 86_400_000;

export function isSame(aheadMs: number): boolean {
  return Math.abs(aheadMs) < SAME_MS;
}

export function isFarOff(aheadMs: number): boolean {
  return Math.abs(aheadMs) >= FAR_MS;
}

/** `as your device`, `3 min 12 s behind your device`, `412 days ahead of your device`. */
export function differenceText(aheadMs: number): string {
  if (isSame(aheadMs)) {
    return "as your device";
  }
  const off = Math.abs(aheadMs);
  const length = off < DAYS_MS ? lengthText(off) : `${Math.round(off / 86_400_000)} days`;
  return `${length} ${aheadMs > 0 ? "ahead of" : "behind"} your device`;
}
