import { Link } from "@tanstack/react-router";
import { Bookmark, Lock, TriangleAlert } from "lucide-react";

import type { ListedRecording } from "../../api/types";
import { Bar } from "../../components/Bar";
import { StatusView } from "../../components/State";
import { Instant } from "../../components/Time";
import { usePreferences } from "../../preferences";
import { durationText, timesText } from "../../time";
import { bytesText, EVICTION_TEXT } from "../../words";
import { RowActions } from "./RecordingActions";

interface RecordingRowProps {
  recording: ListedRecording;
  /** Name of its camera, with its site on the relay. */
  camera: string;
}

/** One recording: a row of the table, or a small card on a phone. The roles keep it a table in both. */
export function RecordingRow({ recording, camera }: RecordingRowProps) {
  const { zone } = usePreferences();
  const [start, end] = [new Date(recording.start_utc), new Date(recording.end_utc)];
  return (
    <tr
      role="row"
      data-recording-id={recording.id}
      data-status={recording.status}
      className="grid grid-cols-[1fr_auto] items-center gap-x-3 border-t border-line px-4 py-2 hover:bg-raised/50
        md:table-row md:h-11 md:px-0"
    >
      <td role="cell" className={`${CELL} col-span-2 md:pl-4`}>
        <Link to={`/recordings/${recording.id}`} className="font-medium hover:underline">
          <time dateTime={recording.start_utc}>{timesText(start, end, zone)}</time>
        </Link>
        <Marks recording={recording} />
      </td>
      <td role="cell" className={`${CELL} row-start-2 text-soft md:text-ink`}>
        {camera}
      </td>
      <td role="cell" className={`${CELL} row-start-3 text-soft md:text-right md:text-ink`}>
        {durationText(end.getTime() - start.getTime())}
        <span className="md:hidden"> · {sizeText(recording)}</span>
      </td>
      <td role="cell" className={`${CELL} hidden md:table-cell md:text-right`}>
        {sizeText(recording)}
      </td>
      <td role="cell" className={`${CELL} col-span-2 row-start-4`}>
        <Progress recording={recording} />
      </td>
      <td role="cell" className={`${CELL} col-start-2 row-span-2 row-start-2 md:pr-2`}>
        <RowActions recording={recording} />
      </td>
    </tr>
  );
}

const CELL = "block md:table-cell md:px-3 md:py-0.5 md:align-middle";

/** What was kept, or else what the recorder says it will be. */
function sizeText(recording: ListedRecording): string {
  return bytesText(recording.kept_bytes ?? recording.stated_bytes);
}

/** Locked or defective, in signs with their words on hover and for screen readers. */
function Marks({ recording }: { recording: ListedRecording }) {
  const defects = recording.defects.map((defect) => defect.message).join(" ");
  if (!recording.locked && !recording.bookmarked && !defects) {
    return null;
  }
  return (
    <span className="ml-2 inline-flex gap-1.5 align-[-3px]">
      {recording.locked && (
        <span role="img" aria-label="Locked" title="Locked: it is kept until it is unlocked" data-testid="locked">
          <Lock size={15} className="text-accent" />
        </span>
      )}
      {recording.bookmarked && (
        <span role="img" aria-label="Bookmarked" title="Bookmarked: it is kept until the bookmark is removed" data-testid="bookmarked">
          <Bookmark size={15} className="text-accent" />
        </span>
      )}
      {defects && (
        <span role="img" aria-label={`Defect: ${defects}`} title={defects} data-testid="defect">
          <TriangleAlert size={15} className="text-warn" />
        </span>
      )}
    </span>
  );
}

/** The status with what belongs to it: how far, why not, since why gone. */
function Progress({ recording }: { recording: ListedRecording }) {
  return (
    <div className="flex flex-col gap-1 md:w-56">
      <div className="flex items-center justify-between gap-2">
        <StatusView status={recording.status} />
        {recording.status === "downloading" && (
          <span className="text-xs text-soft">
            {recording.progress_percent} % · {bytesText(recording.received_bytes)}
          </span>
        )}
      </div>
      {recording.status === "downloading" && <Bar label="Fetched" percent={recording.progress_percent} />}
      {recording.status === "failed" && (
        <p className="text-xs text-soft">
          {recording.failure}
          {recording.next_attempt_at && (
            <>
              {" "}
              Next attempt <Instant at={recording.next_attempt_at} />.
            </>
          )}
        </p>
      )}
      {recording.status === "evicted" && recording.eviction_cause && (
        <p className="text-xs text-soft">{EVICTION_TEXT[recording.eviction_cause]}</p>
      )}
    </div>
  );
}
