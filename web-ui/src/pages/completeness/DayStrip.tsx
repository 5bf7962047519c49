import type { Timeline } from "../../api/types";
import { usePreferences } from "../../preferences";
import { DAY_UNITS, marks, segments, type Kind } from "./strip";

/**
 * Above, what the recorder recorded; below, what became of it. There height tells what colour tells: held fills the
 * strip, what is coming its lower half, what is missing its upper half.
 */
const SHAPE: Record<Kind, { y: number; height: number; className: string }> = {
  recorded: { y: 0, height: 3, className: "fill-soft" },
  empty: { y: 13, height: 2, className: "fill-edge" },
  held: { y: 5, height: 19, className: "fill-ok" },
  coming: { y: 16, height: 8, className: "fill-accent" },
  missing: { y: 5, height: 9, className: "fill-bad" },
};

/** Percents keep texts as they are, where a stretched drawing would stretch them too. */
const percent = (at: number) => `${(at / DAY_UNITS) * 100}%`;

/** The day of a camera as one line, in SVG because widths in percent would need inline styles. */
export function DayStrip({ day, label }: { day: Timeline; label: string }) {
  const { zone } = usePreferences();
  return (
    <div className="flex flex-col gap-0.5">
      <svg
        viewBox={`0 0 ${DAY_UNITS} 24`}
        preserveAspectRatio="none"
        shapeRendering="crispEdges"
        role="img"
        aria-label={label}
        data-testid="day-strip"
        className="block h-8 w-full rounded bg-raised"
      >
        {segments(day).map(({ kind, at, width }, n) => (
          <rect key={n} x={at} width={width} {...SHAPE[kind]} />
        ))}
      </svg>
      <svg aria-hidden className="block h-5 w-full text-xs">
        {marks(day, zone).map(({ text, at }) => (
          <g key={text}>
            <rect x={percent(at)} width="1" height="4" className="fill-edge" />
            <text x={percent(at)} y="17" className="fill-soft">
              {text}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

const WORDS: readonly (readonly [Kind, string])[] = [
  ["recorded", "recorded by the recorder"],
  ["held", "held here"],
  ["coming", "still to come"],
  ["missing", "missing"],
  ["empty", "nothing recorded"],
];

export function Legend() {
  return (
    <ul aria-label="What the strips show" className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-soft">
      {WORDS.map(([kind, word]) => (
        <li key={kind} className="flex items-center gap-1.5">
          <svg viewBox="0 0 24 24" aria-hidden className="size-4 rounded-sm bg-raised">
            <rect width="24" {...SHAPE[kind]} />
          </svg>
          {word}
        </li>
      ))}
    </ul>
  );
}
