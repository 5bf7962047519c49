import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { HardDriveDownload, Plus } from "lucide-react";
import { useState } from "react";

import { camerasQuery, recordersQuery, storageQuery } from "../../api/queries";
import type { Camera, Recorder, Storage } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { Figure, Figures } from "../../components/Figures";
import { Empty, ProblemNote } from "../../components/Note";
import { Page, Panel } from "../../components/Page";
import { bytesText, count } from "../../words";
import { AlarmNotes } from "./AlarmNotes";
import { daysText } from "./retention";
import { RecorderForm } from "./RecorderForm";
import { RecorderPanel } from "./RecorderPanel";
import { AbilityNotes } from "./AbilityNotes";
import { ClockNote } from "./ClockPanel";
import { SyncDialog } from "./SyncDialog";

/** Recorders with their cameras, and whether all is well. */
export function OverviewPage() {
  const recorders = useQuery(recordersQuery);
  const cameras = useQuery(camerasQuery());
  const storage = useQuery(storageQuery);
  const [open, setOpen] = useState<"recorder" | "sync" | null>(null);
  const some = (recorders.data?.length ?? 0) > 0;
  return (
    <Page
      title="Overview"
      actions={
        some && (
          <>
            <Button icon={HardDriveDownload} data-testid="sync" onClick={() => setOpen("sync")}>
              Fetch footage
            </Button>
            <Button look="primary" icon={Plus} data-testid="recorder-add" onClick={() => setOpen("recorder")}>
              Add recorder
            </Button>
          </>
        )
      }
    >
      <AbilityNotes />
      <ClockNote />
      <AlarmNotes alarms={storage.data?.alarms ?? []} />
      {some && <State recorders={recorders.data ?? []} cameras={cameras.data ?? []} storage={storage.data} />}
      <ProblemNote error={recorders.error ?? cameras.error} onRetry={() => void recorders.refetch()} />
      {recorders.isPending && <Waiting />}
      {recorders.data?.length === 0 && (
        <Panel>
          <Empty icon={HardDriveDownload} title="No recorder yet">
            <p>Add the NVR or DVR whose footage is to be kept. Its address and a login on it are all that is needed.</p>
            <Button look="primary" icon={Plus} data-testid="recorder-add" onClick={() => setOpen("recorder")}>
              Add recorder
            </Button>
          </Empty>
        </Panel>
      )}
      {recorders.data?.map((recorder) => (
        <RecorderPanel
          key={recorder.id}
          recorder={recorder}
          cameras={cameras.data?.filter((camera) => camera.recorder_id === recorder.id) ?? []}
        />
      ))}
      {open === "recorder" && (
        <Dialog title="Add recorder" onClose={() => setOpen(null)}>
          <RecorderForm recorder={null} onDone={() => setOpen(null)} />
        </Dialog>
      )}
      {open === "sync" && <SyncDialog cameras={cameras.data ?? []} onClose={() => setOpen(null)} />}
    </Page>
  );
}

interface StateProps {
  recorders: Recorder[];
  cameras: Camera[];
  storage: Storage | undefined;
}

function State({ recorders, cameras, storage }: StateProps) {
  const online = (all: { state: string }[]) => `${all.filter(({ state }) => state === "online").length} of ${all.length}`;
  const held = cameras.reduce((sum, camera) => sum + camera.held_bytes, 0);
  const recordings = cameras.reduce((sum, camera) => sum + camera.held_recordings, 0);
  const free = storage?.volumes.reduce((sum, volume) => sum + volume.free_bytes, 0);
  return (
    <Figures>
      <Figure name="Recorders online" value={online(recorders)} />
      <Figure name="Cameras online" value={online(cameras)} />
      <Figure name="Footage held" value={bytesText(held)} note={count(recordings, "recording")} />
      <Figure
        name="Free space"
        value={free === undefined ? "–" : bytesText(free)}
        note={storage && `on ${count(storage.volumes.length, "volume")}`}
      />
      <Figure
        name="Footage stays"
        value={storage ? daysText(storage.retention) : "–"}
        note={<Link to="/storage">at today's rate</Link>}
      />
    </Figures>
  );
}
