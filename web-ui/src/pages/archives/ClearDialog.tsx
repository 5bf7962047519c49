import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { archiveQuery } from "../../api/queries";
import type { Archive } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { Note, ProblemNote } from "../../components/Note";
import { Span } from "../../components/Time";
import { bytesText, count } from "../../words";
import { useClear } from "./actions";

/** Names what clearing deletes; what was not downloaded whole takes a second, explicit yes. */
export function ClearDialog({ archive, onClose }: { archive: Archive; onClose: () => void }) {
  const now = useQuery({ ...archiveQuery(archive.id), staleTime: 0 });
  const [anyway, setAnyway] = useState(false);
  const clear = useClear(archive, onClose);
  const clears = now.data?.clears;
  const downloaded = now.data?.state === "downloaded";
  return (
    <Dialog title="Clear this archive?" onClose={onClose}>
      <div className="flex flex-col gap-4" data-testid="clear-dialog">
        <p className="font-medium">
          <Span from={archive.from_utc} to={archive.to_utc} />
        </p>
        {now.isPending && <Waiting />}
        {clears && (
          <ul className="list-disc pl-5">
            <li>
              {count(clears.recordings, "recording")} ({bytesText(clears.bytes)}) are deleted from this appliance.
            </li>
            <li>The archive itself ({bytesText(archive.bytes)}) is deleted.</li>
            {clears.locked > 0 && (
              <li>{count(clears.locked, "locked recording")} stay. Unlock them first if they should go too.</li>
            )}
          </ul>
        )}
        <p className="text-soft">
          This cannot be undone from here. Look into the downloaded file before you go on; its README says how to check it.
        </p>
        {now.data && !downloaded && (
          <Note tone="warn" title="Not downloaded">
            <p>
              {now.data.downloaded_percent === 0
                ? "Nobody has downloaded this archive."
                : `Only ${now.data.downloaded_percent} % of this archive was downloaded.`}{" "}
              What is deleted now is gone.
            </p>
            <label className="mt-2 flex items-center gap-2">
              <input
                type="checkbox"
                checked={anyway}
                data-testid="clear-anyway"
                onChange={(event) => setAnyway(event.target.checked)}
              />
              Delete it although it was not downloaded
            </label>
          </Note>
        )}
        <ProblemNote error={now.error ?? clear.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Keep</Button>
          <Button
            look="danger"
            busy={clear.isPending}
            disabled={!now.data || !(downloaded || anyway)}
            data-testid="confirm"
            onClick={() => clear.mutate(!downloaded)}
          >
            Clear archive
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
