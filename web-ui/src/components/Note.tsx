/** Messages within a page: something to know, something to mend, something that failed, nothing there yet. */
import { CircleAlert, Info, TriangleAlert, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { ApiProblem } from "../api/problem";
import { requestIdText } from "../words";
import { Button } from "./Button";

type Tone = "info" | "warn" | "bad";

const TONES: Record<Tone, { icon: LucideIcon; colour: string }> = {
  info: { icon: Info, colour: "text-accent" },
  warn: { icon: TriangleAlert, colour: "text-warn" },
  bad: { icon: CircleAlert, colour: "text-bad" },
};

interface NoteProps {
  tone?: Tone;
  title?: string;
  children: ReactNode;
}

export function Note({ tone = "info", title, children }: NoteProps) {
  const { icon: Icon, colour } = TONES[tone];
  return (
    <div role={tone === "bad" ? "alert" : "note"} className="panel flex gap-3 px-4 py-3">
      <Icon size={20} aria-hidden className={`shrink-0 ${colour}`} />
      <div className="flex min-w-0 flex-col gap-1">
        {title && <p className="font-semibold">{title}</p>}
        <div className="wrap-anywhere">{children}</div>
      </div>
    </div>
  );
}

/** What went wrong with a request, with the id that finds it in the journal. */
export function ProblemNote({ error, onRetry }: { error: Error | null; onRetry?: () => void }) {
  if (error === null) {
    return null;
  }
  const problem = error instanceof ApiProblem ? error.problem : null;
  // Only for faults of the program: whoever mistyped a password has no use for it.
  const traceable = problem?.kind === "refused" && problem.status >= 500 ? problem.error : null;
  return (
    <Note tone="bad">
      <p>{error.message}</p>
      {traceable && <p className="mt-1 text-xs text-soft">{requestIdText(traceable)}</p>}
      {onRetry && (
        <Button className="mt-2" onClick={onRetry}>
          Try again
        </Button>
      )}
    </Note>
  );
}

interface EmptyProps {
  icon: LucideIcon;
  title: string;
  /** What to do next. */
  children: ReactNode;
}

export function Empty({ icon: Icon, title, children }: EmptyProps) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-12 text-center" data-testid="empty">
      <Icon size={32} aria-hidden className="text-soft" />
      <p className="font-semibold">{title}</p>
      <div className="flex max-w-md flex-col items-center gap-3 text-soft">{children}</div>
    </div>
  );
}
