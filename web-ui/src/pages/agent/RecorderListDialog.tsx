import { useState } from "react";

import type { RecorderListRead } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { ProblemNote } from "../../components/Note";
import { count } from "../../words";
import { useRecorderList } from "./recorders";

const COLUMNS = "name,driver,address,port,username,password,enabled";

/** Adds recorders from a list: looked at first, and then all of it or nothing. */
export function RecorderListDialog({ onClose }: { onClose: () => void }) {
  const [csv, setCsv] = useState("");
  const list = useRecorderList();
  const change = (text: string) => {
    setCsv(text);
    list.reset();
  };
  const isGood = list.data !== undefined && list.data.problems.length === 0 && list.data.recorders.length > 0;
  const send = (dryRun: boolean) =>
    list.mutate({ csv, dryRun }, { onSuccess: ({ added }) => (added > 0 ? onClose() : undefined) });
  return (
    <Dialog title="Add recorders from a list" onClose={onClose}>
      <div className="flex flex-col gap-4" data-testid="recorder-list-form">
        <p>
          Choose a file that a spreadsheet has saved as CSV, or paste it. The first line names the columns:{" "}
          <code className="text-xs wrap-anywhere">{COLUMNS}</code>. The driver is <code>sdk</code>, <code>isapi</code> or{" "}
          <code>isapi-tls</code>; an empty port is the usual one.
        </p>
        <input
          type="file"
          accept=".csv,text/csv"
          aria-label="File"
          className="text-soft file:mr-3 file:rounded-md file:border file:border-edge file:bg-panel file:px-3 file:py-1.5 file:text-ink"
          onChange={(event) => {
            const file = event.target.files?.[0];
            void file?.text().then(change);
          }}
        />
        <textarea
          aria-label="List"
          rows={7}
          spellCheck={false}
          className="field control py-2 font-mono text-xs"
          placeholder={`${COLUMNS}\nWarehouse,sdk,192.168.1.64,8000,admin,secret,yes`}
          value={csv}
          onChange={(event) => change(event.target.value)}
        />
        <ProblemNote error={list.error} />
        {list.data && <Read read={list.data} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button disabled={csv.trim() === ""} busy={list.isPending} data-testid="list-look" onClick={() => send(true)}>
            Look at it
          </Button>
          <Button look="primary" disabled={!isGood} busy={list.isPending} data-testid="list-add" onClick={() => send(false)}>
            {isGood ? `Add ${count(list.data.recorders.length, "recorder")}` : "Add"}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Read({ read }: { read: RecorderListRead }) {
  if (read.problems.length > 0) {
    return (
      <div className="flex flex-col gap-1" role="alert" data-testid="list-problems">
        <p className="font-medium text-bad">{count(read.problems.length, "line")} cannot be taken, so nothing is added:</p>
        <ul className="max-h-48 overflow-y-auto">
          {read.problems.map(({ line, message }) => (
            <li key={`${line} ${message}`} className="wrap-anywhere">
              <span className="text-soft">Line {line}:</span> {message}
            </li>
          ))}
        </ul>
      </div>
    );
  }
  return (
    <ul className="max-h-48 divide-y divide-line overflow-y-auto rounded-lg border border-line" data-testid="list-read">
      {read.recorders.map((recorder) => (
        <li key={recorder.line} className="flex flex-wrap justify-between gap-x-3 px-3 py-1.5">
          <span className="truncate font-medium">{recorder.name}</span>
          <span className="text-soft">
            {recorder.address}:{recorder.port}, {recorder.username}
            {!recorder.enabled && ", not used"}
          </span>
        </li>
      ))}
    </ul>
  );
}
