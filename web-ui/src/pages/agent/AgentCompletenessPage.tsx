import { Download } from "lucide-react";
import { useState } from "react";

import type { ListedCamera, Timeline } from "../../api/types";
import { Button } from "../../components/Button";
import { CompletenessPage } from "../completeness/CompletenessPage";
import { SyncDialog } from "./SyncDialog";

/** Causes about which asking the recorder once more may help. */
const HELPS: ReadonlySet<string> = new Set([
  "not_observed",
  "recorder_unreachable",
  "not_downloaded",
  "failed",
  "clock_step",
  "overwritten_on_recorder",
]);

/** Completeness beside the recorder, where a day can be fetched now. */
export function AgentCompletenessPage() {
  return <CompletenessPage actions={(camera, told) => <FetchNow camera={camera} told={told} />} />;
}

function FetchNow({ camera, told }: { camera: ListedCamera; told: Timeline }) {
  const [open, setOpen] = useState(false);
  if (!told.gaps.some(({ cause }) => HELPS.has(cause))) {
    return null;
  }
  return (
    <>
      <Button icon={Download} onClick={() => setOpen(true)} data-testid="day-fetch" aria-label={`Fetch now: ${camera.name}`}>
        Fetch now
      </Button>
      {open && (
        <SyncDialog cameras={[camera]} preset={{ camera: camera.id, day: told.day }} onClose={() => setOpen(false)} />
      )}
    </>
  );
}
