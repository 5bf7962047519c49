/** How far an update is, in a shape, a word and a sentence: the same at the box and far away. */
import { CircleCheck, CircleX, Clock, Download, RefreshCw, TriangleAlert, Undo2, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import type { UpdateProgress } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Instant } from "../../components/Time";
import { bytesText, sentence } from "../../words";

interface Shown {
  icon: LucideIcon;
  colour: string;
  text: string;
  more?: ReactNode;
}

export function ProgressView({ progress }: { progress: UpdateProgress }) {
  if (progress.state === "none") {
    return null;
  }
  const { icon: Icon, colour, text, more } = shown(progress);
  return (
    <div className="flex gap-3 border-t border-line px-4 py-3" data-testid="update-state" data-state={progress.state}>
      <Icon size={20} aria-hidden className={`shrink-0 ${colour}`} />
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <p className="font-medium">
          {text} <code className="font-normal whitespace-nowrap text-soft">{progress.version}</code>
        </p>
        {more}
      </div>
    </div>
  );
}

function shown(progress: Exclude<UpdateProgress, { state: "none" }>): Shown {
  switch (progress.state) {
    case "receiving": {
      const percent = (100 * progress.received_bytes) / progress.bytes;
      return {
        icon: Download,
        colour: "text-accent",
        text: "Being received:",
        more: (
          <>
            <Bar label="Received of the update" percent={percent} />
            <p className="text-xs text-soft">
              {bytesText(progress.received_bytes)} of {bytesText(progress.bytes)}
            </p>
          </>
        ),
      };
    }
    case "waiting":
      return {
        icon: Clock,
        colour: "text-accent",
        text: "Here, and waits:",
        more: (
          <>
            <p className="wrap-anywhere">{progress.message}</p>
            <p className="text-xs text-soft">
              {progress.opens_at !== null && (
                <>
                  The window opens <Instant at={progress.opens_at} />.{" "}
                </>
              )}
              {progress.waits_for !== "person" && (
                <>
                  From <Instant at={progress.latest_at} /> it waits for the window only.
                </>
              )}
            </p>
          </>
        ),
      };
    case "ordered":
      return { icon: RefreshCw, colour: "text-accent", text: "Being installed:", more: <p>The box restarts in a minute.</p> };
    case "installed":
      return {
        icon: RefreshCw,
        colour: "text-accent",
        text: "Installed:",
        more: <p>The box starts it, and looks whether it is well. If not, the system before it comes back.</p>,
      };
    case "good":
      return { icon: CircleCheck, colour: "text-ok", text: "Runs and is well:", more: <At at={progress.at} /> };
    case "refused":
      return bad(TriangleAlert, "text-warn", "Not installed:", progress);
    case "failed":
      return bad(CircleX, "text-bad", "Could not be installed:", progress);
    case "went_back":
      return bad(Undo2, "text-bad", "Was not well, and the system before it runs again:", progress);
  }
}

function bad(icon: LucideIcon, colour: string, text: string, { reason, at }: { reason: string; at: string }): Shown {
  return {
    icon,
    colour,
    text,
    more: (
      <>
        <p className="wrap-anywhere">{sentence(reason)}</p>
        <At at={at} />
      </>
    ),
  };
}

function At({ at }: { at: string }) {
  return (
    <p className="text-xs text-soft">
      <Instant at={at} />
    </p>
  );
}
