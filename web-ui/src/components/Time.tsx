/** Instants on a page, in the zone that the person has chosen. */
import { usePreferences } from "../preferences";
import { agoText, instantText, spanText } from "../time";

/** `2026-11-03 15:05:00 CET` */
export function Instant({ at }: { at: string }) {
  const { zone } = usePreferences();
  return <time dateTime={at} className="whitespace-nowrap">{instantText(new Date(at), zone)}</time>;
}

/** `2026-11-03 15:05:00 – 15:10:00 CET` */
export function Span({ from, to }: { from: string; to: string }) {
  const { zone } = usePreferences();
  return <time dateTime={from}>{spanText(new Date(from), new Date(to), zone)}</time>;
}

/** `5 min ago`, with the instant itself on hover. Made anew whenever the data is. */
export function Ago({ at }: { at: string }) {
  const { zone } = usePreferences();
  const date = new Date(at);
  return (
    <time dateTime={at} title={instantText(date, zone)}>
      {agoText(date, new Date())}
    </time>
  );
}
