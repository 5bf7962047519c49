import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { isEnded, syncJobQuery } from "../../api/queries";
import type { Camera, SyncJob, SyncRequest } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Button } from "../../components/Button";
import { DayRangeFields } from "../../components/DayRangeFields";
import { Dialog } from "../../components/Dialog";
import { Note, ProblemNote } from "../../components/Note";
import { Span } from "../../components/Time";
import { usePreferences } from "../../preferences";
import { dayOf, dayPlus, dayRange, zoneName, type Day } from "../../time";
import { count, JOB_TEXT } from "../../words";
import { useCancelSync, useSync } from "./recorders";

interface SyncDialogProps {
  cameras: Pick<Camera, "id" | "name">[];
  /** What the form begins with. */
  preset?: { camera: string; day: Day };
  onClose: () => void;
}

/** Asks for the footage of a range of days now, ahead of what is fetched by itself, and shows how far it is. */
export function SyncDialog({ cameras, preset, onClose }: SyncDialogProps) {
  const sync = useSync();
  return (
    <Dialog title="Fetch footage" onClose={onClose}>
      {sync.data ? (
        <Progress first={sync.data} onClose={onClose} />
      ) : (
        <RangeForm
          cameras={cameras}
          preset={preset}
          busy={sync.isPending}
          error={sync.error}
          onStart={(range) => sync.mutate(range)}
        />
      )}
    </Dialog>
  );
}

interface RangeFormProps {
  cameras: SyncDialogProps["cameras"];
  preset: SyncDialogProps["preset"];
  busy: boolean;
  error: Error | null;
  onStart: (request: SyncRequest) => void;
}

function RangeForm({ cameras, preset, busy, error, onStart }: RangeFormProps) {
  const { zone } = usePreferences();
  const today = dayOf(new Date(), zone);
  const [range, setRange] = useState({
    camera: preset?.camera ?? "",
    first: preset?.day ?? dayPlus(today, -1),
    last: preset?.day ?? today,
  });
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="sync-form"
      onSubmit={(event) => {
        event.preventDefault();
        onStart({
          ...(range.camera ? { camera_id: range.camera } : {}),
          from_utc: dayRange(range.first, zone).from.toISOString(),
          to_utc: dayRange(range.last, zone).to.toISOString(),
        });
      }}
    >
      <DayRangeFields cameras={cameras} today={today} value={range} onChange={setRange} />
      <p className="text-soft">
        The recorders are asked what they hold of these days (in {zoneName(zone)}), and what is missing here is fetched at
        once.
      </p>
      <ProblemNote error={error} />
      <Button type="submit" look="primary" busy={busy} data-testid="sync-start">
        Fetch now
      </Button>
    </form>
  );
}

function Progress({ first, onClose }: { first: SyncJob; onClose: () => void }) {
  const job = useQuery({ ...syncJobQuery(first.id), initialData: first });
  const cancel = useCancelSync();
  const { state, found, completed, failed, progress_percent, failure, from_utc, to_utc } = job.data;
  return (
    <div className="flex flex-col gap-4" data-testid="sync-progress" data-state={state}>
      <p className="text-soft">
        <Span from={from_utc} to={to_utc} />
      </p>
      <p role="status" className="font-medium">
        {JOB_TEXT[state]}
      </p>
      <Bar label="Fetched" percent={progress_percent} />
      <p>
        {count(found, "recording")} found, {completed} held{failed > 0 && `, ${failed} failed`}.
      </p>
      {failure && <Note tone="bad">{failure}</Note>}
      <ProblemNote error={job.error ?? cancel.error} />
      <div className="flex justify-end gap-2">
        {!isEnded(job.data) && (
          <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate(first.id)}>
            Stop fetching
          </Button>
        )}
        <Button look="primary" onClick={onClose}>
          {isEnded(job.data) ? "Close" : "Go on in the background"}
        </Button>
      </div>
    </div>
  );
}
