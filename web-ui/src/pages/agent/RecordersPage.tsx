import { useQuery } from "@tanstack/react-query";
import { FileUp, HardDrive, Plus, Power, PowerOff, Stethoscope, Trash2 } from "lucide-react";
import { useState } from "react";

import { recordersQuery } from "../../api/queries";
import type { Recorder, RecorderAction, RecordersBulkDone } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Confirm, Dialog } from "../../components/Dialog";
import { Empty, Note, ProblemNote } from "../../components/Note";
import { Page, Panel } from "../../components/Page";
import { RecorderStateView } from "../../components/State";
import { count } from "../../words";
import { RecorderForm } from "./RecorderForm";
import { RecorderListDialog } from "./RecorderListDialog";
import { useRecordersBulk } from "./recorders";
import { TestSteps } from "./TestSteps";

/** All recorders as a table, for doing something with several of them. */
export function RecordersPage() {
  const recorders = useQuery(recordersQuery);
  const [open, setOpen] = useState<"add" | "list" | null>(null);
  const close = () => setOpen(null);
  return (
    <Page
      title="Recorders"
      actions={
        <>
          <Button icon={FileUp} data-testid="recorder-list" onClick={() => setOpen("list")}>
            Add from a list
          </Button>
          <Button look="primary" icon={Plus} data-testid="recorder-add" onClick={() => setOpen("add")}>
            Add recorder
          </Button>
        </>
      }
    >
      <ProblemNote error={recorders.error} onRetry={() => void recorders.refetch()} />
      {recorders.isPending && <Waiting />}
      {recorders.data?.length === 0 && (
        <Panel>
          <Empty icon={HardDrive} title="No recorder yet">
            <p>Add one, or several at once from a list that a spreadsheet has saved.</p>
          </Empty>
        </Panel>
      )}
      {recorders.data !== undefined && recorders.data.length > 0 && <RecorderTable recorders={recorders.data} />}
      {open === "add" && (
        <Dialog title="Add recorder" onClose={close}>
          <RecorderForm recorder={null} onDone={close} />
        </Dialog>
      )}
      {open === "list" && <RecorderListDialog onClose={close} />}
    </Page>
  );
}

function RecorderTable({ recorders }: { recorders: Recorder[] }) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [deleting, setDeleting] = useState(false);
  const bulk = useRecordersBulk();
  // What was deleted meanwhile is not chosen any more.
  const ids = recorders.map(({ id }) => id).filter((id) => chosen.has(id));
  const all = ids.length === recorders.length;
  const choose = (id: string, on: boolean) => {
    const next = new Set(ids);
    if (on) {
      next.add(id);
    } else {
      next.delete(id);
    }
    setChosen(next);
  };
  const act = (action: RecorderAction) => bulk.mutate({ action, ids }, { onSuccess: () => setDeleting(false) });
  const acting = (action: RecorderAction) => bulk.isPending && bulk.variables.action === action;
  const off = ids.length === 0 || bulk.isPending;
  return (
    <>
      <Panel>
        <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5" role="toolbar" aria-label="With the chosen ones">
          <label className="flex items-center gap-3 pr-2">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={all}
              ref={(box) => {
                if (box) {
                  box.indeterminate = ids.length > 0 && !all;
                }
              }}
              onChange={() => setChosen(new Set(all ? [] : recorders.map(({ id }) => id)))}
            />
            {ids.length === 0 ? "Choose all" : `${ids.length} chosen`}
          </label>
          <span className="ml-auto flex flex-wrap gap-2">
            <Button icon={Stethoscope} disabled={off} busy={acting("test")} data-testid="bulk-test" onClick={() => act("test")}>
              Test
            </Button>
            <Button icon={Power} disabled={off} busy={acting("enable")} data-testid="bulk-enable" onClick={() => act("enable")}>
              Use
            </Button>
            <Button
              icon={PowerOff}
              disabled={off}
              busy={acting("disable")}
              data-testid="bulk-disable"
              onClick={() => act("disable")}
            >
              Do not use
            </Button>
            <Button look="danger" icon={Trash2} disabled={off} data-testid="bulk-delete" onClick={() => setDeleting(true)}>
              Delete
            </Button>
          </span>
        </div>
        <ul className="divide-y divide-line" aria-label="Recorders">
          {recorders.map((recorder) => (
            <RecorderRow
              key={recorder.id}
              recorder={recorder}
              chosen={chosen.has(recorder.id)}
              onChoose={(on) => choose(recorder.id, on)}
            />
          ))}
        </ul>
      </Panel>
      {!deleting && <ProblemNote error={bulk.error} />}
      {acting("test") && <Waiting>Testing {count(ids.length, "recorder")}, one after the other…</Waiting>}
      {bulk.data && bulk.variables.action === "test" && <Tests done={bulk.data} recorders={recorders} />}
      {deleting && (
        <Confirm
          title={`Delete ${count(ids.length, "recorder")}?`}
          verb={`Delete ${count(ids.length, "recorder")}`}
          busy={bulk.isPending}
          error={bulk.error}
          onConfirm={() => act("delete")}
          onClose={() => setDeleting(false)}
        >
          <p>{recorders.filter(({ id }) => chosen.has(id)).map(({ name }) => name).join(", ")}</p>
          <p className="mt-2">
            Nothing more is fetched from them, and their logins are forgotten. Their footage stays listed and playable.
          </p>
        </Confirm>
      )}
    </>
  );
}

interface RecorderRowProps {
  recorder: Recorder;
  chosen: boolean;
  onChoose: (on: boolean) => void;
}

function RecorderRow({ recorder, chosen, onChoose }: RecorderRowProps) {
  const way = recorder.driver === "sdk" ? "Vendor's library" : recorder.tls ? "ISAPI, HTTPS" : "ISAPI";
  return (
    <li data-recorder-id={recorder.id}>
      <label
        className="grid cursor-pointer grid-cols-[1rem_minmax(0,1fr)_auto] items-center gap-x-3 gap-y-0.5 px-4 py-2.5 hover:bg-raised
          md:grid-cols-[1rem_minmax(0,1.2fr)_minmax(0,1.3fr)_9rem_minmax(0,1fr)_8rem]"
      >
        <input
          type="checkbox"
          className="size-4 accent-accent"
          checked={chosen}
          onChange={(event) => onChoose(event.target.checked)}
        />
        <span className="truncate font-medium">{recorder.name}</span>
        <span className="col-start-2 row-start-2 truncate text-soft md:col-start-auto md:row-start-auto">
          {recorder.address}:{recorder.port}
        </span>
        <span className="hidden text-soft md:block">{way}</span>
        <span className="hidden truncate text-soft md:block">{recorder.model}</span>
        <span className="row-span-2 justify-self-end md:row-span-1 md:justify-self-start">
          {recorder.enabled ? <RecorderStateView state={recorder.state} /> : <span className="text-soft">Not used</span>}
        </span>
      </label>
    </li>
  );
}

function Tests({ done, recorders }: { done: RecordersBulkDone; recorders: Recorder[] }) {
  const name = (id: string) => recorders.find((recorder) => recorder.id === id)?.name ?? "A recorder that is gone";
  const failed = done.items.filter(({ ok }) => !ok).length;
  return (
    <Panel title={failed === 0 ? "All of them passed" : `${failed} of ${done.items.length} failed`}>
      <ul className="divide-y divide-line" data-testid="bulk-tests">
        {done.items.map((item) => (
          <li key={item.id}>
            <details open={!item.ok} className="px-4 py-2.5">
              <summary>
                <span className="font-medium">{name(item.id)}</span>{" "}
                <span className={item.ok ? "text-ok" : "text-bad"}>{item.ok ? "passed" : "failed"}</span>
              </summary>
              <div className="pt-2">
                {item.test ? <TestSteps steps={item.test.steps} /> : <Note tone="warn">{item.message}</Note>}
              </div>
            </details>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
