interface BarProps {
  /** What is measured, for screen readers. */
  label: string;
  /** 0–100. */
  percent: number;
  colour?: "accent" | "warn";
}

/** How far something is. Drawn as SVG, because a width in percent would need an inline style. */
export function Bar({ label, percent, colour = "accent" }: BarProps) {
  const shown = Math.min(100, Math.max(0, percent));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(shown)}
      aria-valuemin={0}
      aria-valuemax={100}
      className="h-1.5 w-full overflow-hidden rounded-full bg-raised"
    >
      <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden className="block h-full w-full">
        <rect width={shown} height="1" className={colour === "warn" ? "fill-warn" : "fill-accent"} />
      </svg>
    </div>
  );
}
