import { useQuery } from "@tanstack/react-query";
import { Pencil, Stethoscope, Trash2 } from "lucide-react";
import { useState } from "react";

import { placesQuery } from "../../api/queries";
import type { Camera, Recorder } from "../../api/types";
import { Button, IconButton } from "../../components/Button";
import { Confirm, Dialog } from "../../components/Dialog";
import { Note, ProblemNote } from "../../components/Note";
import { Panel } from "../../components/Page";
import { RecorderStateView } from "../../components/State";
import { Ago } from "../../components/Time";
import { clockDriftText, clockOffsetText, sentence } from "../../words";
import { CameraTable } from "./CameraTable";
import { RecorderForm } from "./RecorderForm";
import { inputOf, useDeleteRecorder, useSaveRecorder, useTestRecorder } from "./recorders";
import { TestSteps } from "./TestSteps";

interface RecorderPanelProps {
  recorder: Recorder;
  cameras: Camera[];
}

/** A recorder: whether it answers and why not, what can be done with it, and its cameras. */
export function RecorderPanel({ recorder, cameras }: RecorderPanelProps) {
  const [open, setOpen] = useState<"edit" | "delete" | "test" | null>(null);
  const close = () => setOpen(null);
  const troubled = recorder.enabled && (recorder.state === "offline" || recorder.state === "error");
  return (
    <div data-recorder-id={recorder.id} data-state={recorder.state}>
      <Panel
        title={recorder.name}
        actions={
          <>
            <Button look="quiet" icon={Stethoscope} data-testid="recorder-test" onClick={() => setOpen("test")}>
              Test
            </Button>
            <IconButton icon={Pencil} label="Edit recorder" data-testid="recorder-edit" onClick={() => setOpen("edit")} />
            <IconButton
              icon={Trash2}
              label="Delete recorder"
              data-testid="recorder-delete"
              onClick={() => setOpen("delete")}
            />
          </>
        }
      >
        <div className="flex flex-wrap items-center gap-x-5 gap-y-1 px-4 py-2.5 text-soft">
          <span className="text-ink">
            {recorder.enabled ? <RecorderStateView state={recorder.state} /> : "Not used"}
          </span>
          <span>
            {recorder.address}:{recorder.port}
            {recorder.tls && " (HTTPS)"}
          </span>
          {recorder.model && <span>{recorder.model}</span>}
          {recorder.clock_offset_ms !== null && (
            <span title={recorder.clock_zone ?? undefined}>
              Clock {clockOffsetText(recorder.clock_offset_ms)}
              {recorder.clock_drift_ms_per_day !== null && `, ${clockDriftText(recorder.clock_drift_ms_per_day)}`}
            </span>
          )}
          {recorder.last_checked_at && (
            <span>
              Asked <Ago at={recorder.last_checked_at} />
            </span>
          )}
        </div>
        {troubled && (
          <div className="px-3 pb-3">
            <Note tone={recorder.state === "error" ? "bad" : "warn"}>
              {recorder.state_reason ?? "The recorder does not answer. Check its power, network and address."}
            </Note>
          </div>
        )}
        {recorder.other_certificate_sha256 && (
          <OtherCertificate recorder={recorder} shown={recorder.other_certificate_sha256} />
        )}
        {recorder.clock_problem && (
          <div className="px-3 pb-3">
            <Note tone="warn">{sentence(recorder.clock_problem)} Its footage is shown at true times all the same.</Note>
          </div>
        )}
        {recorder.enabled && recorder.state === "online" && <Places recorder={recorder} />}
        <CameraTable cameras={cameras} onTest={() => setOpen("test")} />
      </Panel>
      {open === "edit" && (
        <Dialog title="Edit recorder" onClose={close}>
          <RecorderForm recorder={recorder} onDone={close} />
        </Dialog>
      )}
      {open === "test" && <TestDialog recorder={recorder} onClose={close} />}
      {open === "delete" && <DeleteDialog recorder={recorder} onClose={close} />}
    </div>
  );
}

/** The recorder shows another certificate than before: a person says whether that is right. */
function OtherCertificate({ recorder, shown }: { recorder: Recorder; shown: string }) {
  const save = useSaveRecorder();
  const accept = () => save.mutate({ id: recorder.id, input: { ...inputOf(recorder), certificate_sha256: shown } });
  return (
    <div className="px-3 pb-3" data-testid="other-certificate">
      <Note tone="warn" title="Is this still the same recorder?">
        <p>
          Compare this with the fingerprint (SHA-256) of the certificate that a browser shows at{" "}
          <span className="whitespace-nowrap">
            https://{recorder.address}:{recorder.port}
          </span>
          . Accept it only if the recorder was reset or replaced: its password is sent to whoever has this certificate.
        </p>
        <p className="mt-1 font-mono text-xs wrap-anywhere">{shown.replace(/..(?=.)/g, "$&:")}</p>
        <ProblemNote error={save.error} />
        <Button className="mt-2" busy={save.isPending} data-testid="accept-certificate" onClick={accept}>
          Accept this certificate
        </Button>
      </Note>
    </div>
  );
}

/** Who uses the recorder's streams, and why footage that nobody asked for waits. */
function Places({ recorder }: { recorder: Recorder }) {
  const { data: places } = useQuery(placesQuery(recorder.id));
  if (!places) {
    return null;
  }
  return (
    <div className="flex flex-col gap-1 px-4 pb-2.5 text-soft" data-testid="recorder-places">
      <p>{places.summary}</p>
      {places.background_waits && <p>The background waits: {places.background_waits}</p>}
    </div>
  );
}

function TestDialog({ recorder, onClose }: { recorder: Recorder; onClose: () => void }) {
  const test = useTestRecorder();
  return (
    <Dialog title={`Test ${recorder.name}`} onClose={onClose}>
      <div className="flex flex-col gap-4">
        <p>
          Tries {recorder.address}:{recorder.port} step by step, down to the first bytes of footage. New cameras are
          added to the list. A password that the recorder has refused is not sent again: enter it anew for that.
        </p>
        <ProblemNote error={test.error} />
        {test.steps.length > 0 && <TestSteps steps={test.steps} />}
        <div className="flex justify-end">
          <Button
            look="primary"
            busy={test.isPending}
            data-testid="test-start"
            onClick={() => test.mutate({ recorder })}
          >
            {test.data ? "Test again" : "Begin the test"}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function DeleteDialog({ recorder, onClose }: { recorder: Recorder; onClose: () => void }) {
  const remove = useDeleteRecorder();
  return (
    <Confirm
      title={`Delete ${recorder.name}?`}
      verb="Delete recorder"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate(recorder.id, { onSuccess: onClose })}
      onClose={onClose}
    >
      Nothing more is fetched from it, and its login is forgotten. Its footage stays listed and playable.
    </Confirm>
  );
}
