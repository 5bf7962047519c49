import type { Gap } from "../../api/types";
import { usePreferences } from "../../preferences";
import { lengthText, timesText } from "../../time";
import { count, GAP_TEXT } from "../../words";
import { KIND_OF, split } from "./strip";

/** Every gap with its cause and what to do; time in which nothing was recorded is told when asked for. */
export function GapList({ gaps }: { gaps: readonly Gap[] }) {
  const { telling, empty } = split(gaps);
  return (
    <>
      {telling.length > 0 && <Gaps gaps={telling} label="Gaps" />}
      {empty.length > 0 && (
        <details>
          <summary className="px-4 py-2.5 text-soft hover:text-ink">
            {count(empty.length, "stretch", "stretches")} in which nothing was recorded
          </summary>
          <Gaps gaps={empty} label="Nothing recorded" />
        </details>
      )}
    </>
  );
}

function Gaps({ gaps, label }: { gaps: readonly Gap[]; label: string }) {
  return (
    <ul aria-label={label} className="divide-y divide-line border-t border-line">
      {gaps.map((gap) => (
        <GapRow key={gap.from_utc} gap={gap} />
      ))}
    </ul>
  );
}

const COLOUR = { held: "text-ok", empty: "text-soft", coming: "text-accent", missing: "text-bad" };

function GapRow({ gap }: { gap: Gap }) {
  const { zone } = usePreferences();
  const [from, to] = [new Date(gap.from_utc), new Date(gap.to_utc)];
  return (
    <li data-testid="gap" data-cause={gap.cause} className="grid gap-x-4 gap-y-0.5 px-4 py-2 md:grid-cols-[15rem_1fr]">
      <div>
        <time dateTime={gap.from_utc} className="whitespace-nowrap">
          {timesText(from, to, zone)}
        </time>
        <p className="text-xs text-soft">
          {lengthText(to.getTime() - from.getTime())}
          {gap.recordings > 0 && ` · ${count(gap.recordings, "recording")}`}
        </p>
      </div>
      <div className="min-w-0 wrap-anywhere">
        <p>
          <span className={`font-medium ${COLOUR[KIND_OF[gap.cause]]}`}>{GAP_TEXT[gap.cause]}.</span> {gap.message}
        </p>
        {gap.reason && <p className="text-soft">Reason: {gap.reason}</p>}
        {gap.advice && <p className="text-soft">{gap.advice}</p>}
      </div>
    </li>
  );
}
