import { useQuery } from "@tanstack/react-query";
import { CalendarClock } from "lucide-react";
import { useState } from "react";

import { storageQuery } from "../../api/queries";
import type { CameraRetention, Locks, Storage } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Waiting } from "../../components/Button";
import { Figure, Figures } from "../../components/Figures";
import { Empty, ProblemNote } from "../../components/Note";
import { Page, Panel } from "../../components/Page";
import { bytesText, count } from "../../words";
import { AlarmNotes } from "./AlarmNotes";
import { BoxDisksPanel } from "./BoxDisks";
import { LimitsDialog } from "./LimitsDialog";
import { RetentionPlot } from "./RetentionPlot";
import { daysText, isKnown } from "./retention";
import { Volumes } from "./Volumes";

/** How much room there is, how long footage stays in it, and what of it no longer turns. */
export function StoragePage() {
  const storage = useQuery(storageQuery);
  return (
    <Page title="Storage">
      <ProblemNote error={storage.error} onRetry={() => void storage.refetch()} />
      {storage.isPending && <Waiting />}
      {storage.data && <Content storage={storage.data} />}
    </Page>
  );
}

function Content({ storage }: { storage: Storage }) {
  const { retention, locks, volumes, alarms } = storage;
  const [camera, setCamera] = useState<CameraRetention | null>(null);
  const known = retention.cameras.some(isKnown);
  return (
    <>
      <AlarmNotes alarms={alarms} />
      <Figures>
        <Figure name="Footage stays" value={known ? daysText(retention) : "–"} note="at today's rate" />
        <Figure name="Comes in" value={known ? bytesText(retention.bytes_per_day) : "–"} note="a day, all cameras" />
        <Figure
          name="Room for footage"
          value={bytesText(retention.room_bytes)}
          note={`on ${count(volumes.length, "volume")}`}
        />
        <Figure
          name="Protected"
          value={bytesText(locks.bytes)}
          note={`${count(locks.recordings, "recording")}, ${count(locks.bookmarks, "bookmark")}`}
        />
      </Figures>
      <Panel title="How long footage stays">
        {retention.cameras.length === 0 ? (
          <Empty icon={CalendarClock} title="No cameras yet">
            <p>Add a recorder under Recorders. Once a day of its footage was found, this page tells how long it stays.</p>
          </Empty>
        ) : (
          <>
            <p className="px-4 pt-3" data-testid="retention-summary">
              {retention.summary}
            </p>
            <RetentionPlot retention={retention} onChoose={setCamera} />
          </>
        )}
      </Panel>
      <Panel title="Volumes">
        <Volumes volumes={volumes} />
      </Panel>
      <BoxDisksPanel />
      <LocksPanel locks={locks} />
      {camera && <LimitsDialog camera={camera} onClose={() => setCamera(null)} />}
    </>
  );
}

/** How much is protected of what may be. */
function LocksPanel({ locks }: { locks: Locks }) {
  const percent = locks.max_bytes === 0 ? 100 : (locks.bytes / locks.max_bytes) * 100;
  return (
    <Panel title="Locks and bookmarks">
      <div className="flex flex-col gap-2 px-4 py-3" data-testid="locks">
        <p>
          {bytesText(locks.bytes)} of at most {bytesText(locks.max_bytes)} protected
        </p>
        <Bar label="Protected of what may be" percent={percent} colour={percent >= 80 ? "warn" : "accent"} />
        <p className="text-xs text-soft">
          What a lock or a bookmark protects is never evicted, so new footage has that much less room. Beyond the limit
          another lock is refused; it is half of the room unless the configuration says otherwise (
          <code>[retention] lock_max_bytes</code>).
        </p>
      </div>
    </Panel>
  );
}
