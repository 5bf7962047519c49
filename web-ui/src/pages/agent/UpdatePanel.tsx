/** The system that runs on this box, and a newer one: sent, installed, and what became of it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { FolderOpen, Send } from "lucide-react";
import { useEffect, useRef, useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { updateQuery } from "../../api/queries";
import type { InstallWhen, Update } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { bytesText } from "../../words";
import { ProgressView } from "../update/Progress";
import { sendBundle, versionOf, type Sending } from "../update/send";

export function UpdatePanel() {
  const update = useQuery(updateQuery);
  const [file, setFile] = useState<File | null>(null);
  const [isSending, setIsSending] = useState(false);
  if (!update.data) {
    return <ProblemNote error={update.error} />;
  }
  const { running, unable, automatic, window, progress } = update.data;
  // Whoever sends sees from here how far that is.
  const isSeenTwice = isSending && progress.state === "receiving";
  return (
    <Panel title="Updates">
      <div data-testid="update">
        <Facts>
          <Fact name="System">{running ? <code>{running}</code> : "Not the appliance image"}</Fact>
          {unable === null && (
            <Fact name="Quiet window">
              {window}, {automatic ? "installed by itself" : "when somebody says so"}
            </Fact>
          )}
        </Facts>
        {unable !== null && <p className="px-4 pb-3 wrap-anywhere text-soft">{unable}</p>}
        {!isSeenTwice && <ProgressView progress={progress} />}
        {unable === null && <Actions update={update.data} file={file} onFile={setFile} onSending={setIsSending} />}
      </div>
    </Panel>
  );
}

interface ActionsProps {
  update: Update;
  /** What somebody has chosen and not sent yet. */
  file: File | null;
  onFile: (file: File | null) => void;
  onSending: (isSending: boolean) => void;
}

function Actions({ update, file, onFile, onSending }: ActionsProps) {
  const client = useQueryClient();
  const told = (update: Update) => client.setQueryData(updateQuery.queryKey, update);
  const [asking, setAsking] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const install = useMutation({
    mutationFn: (when: InstallWhen) => demand<Update>("POST", apiUrl("/system/update/install"), { when }),
    onSuccess: told,
  });
  const forget = useMutation({
    mutationFn: () => demand<Update>("DELETE", apiUrl("/system/update")),
    onSuccess: told,
  });
  const { progress } = update;
  const isBusy = progress.state === "ordered" || progress.state === "installed";
  if (file) {
    return <SendForm file={file} onTold={told} onDone={() => onFile(null)} onSending={onSending} />;
  }
  if (isBusy) {
    return null;
  }
  return (
    <div className="flex flex-col gap-3 border-t border-line px-4 py-3">
      <div className="flex flex-wrap gap-2">
        {progress.state === "waiting" && (
          <>
            <Button look="primary" data-testid="update-now" onClick={() => setAsking(true)}>
              Install now…
            </Button>
            {progress.chosen !== "window" && !update.automatic && (
              <Button data-testid="update-window" busy={install.isPending} onClick={() => install.mutate("window")}>
                In the quiet window
              </Button>
            )}
          </>
        )}
        <Button icon={FolderOpen} data-testid="update-choose" onClick={() => chooser.current?.click()}>
          {progress.state === "receiving" ? "Go on with the file…" : "Choose an update…"}
        </Button>
        {progress.state !== "none" && progress.state !== "good" && progress.state !== "went_back" && (
          <Button look="quiet" data-testid="update-forget" busy={forget.isPending} onClick={() => forget.mutate()}>
            Forget it
          </Button>
        )}
      </div>
      <input
        ref={chooser}
        type="file"
        accept=".raucb"
        aria-label="Update"
        className="hidden"
        data-testid="update-file"
        onChange={(event) => {
          onFile(event.target.files?.[0] ?? null);
          event.target.value = "";
        }}
      />
      {progress.state !== "receiving" && progress.state !== "waiting" && (
        <p className="text-xs text-soft">
          A signed file, holdfast-….raucb. It may also come on a USB stick, or from the relay.
        </p>
      )}
      <ProblemNote error={forget.error ?? install.error} />
      {asking && (
        <Dialog title="Install now" onClose={() => setAsking(false)}>
          <div className="flex flex-col gap-4">
            <p>
              The box installs the update and restarts. For one or two minutes nobody can watch, and what is being
              downloaded breaks off; fetching from recorders goes on afterwards.
            </p>
            <Button
              look="primary"
              data-testid="update-now-yes"
              busy={install.isPending}
              onClick={() => install.mutate("now", { onSettled: () => setAsking(false) })}
            >
              Install now
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

interface SendFormProps {
  file: File;
  onTold: (update: Update) => void;
  onDone: () => void;
  onSending: (isSending: boolean) => void;
}

function SendForm({ file, onTold, onDone, onSending }: SendFormProps) {
  const named = versionOf(file.name);
  const [version, setVersion] = useState(named ?? "");
  const [sending, setSending] = useState<Sending | null>(null);
  const [stop] = useState(() => new AbortController());
  const send = useMutation({
    mutationFn: () => sendBundle({ file, version, onProgress: setSending, onTold, signal: stop.signal }),
    onSuccess: onDone,
  });
  // Whoever leaves the page ends it; what came stays at the box.
  useEffect(() => () => stop.abort(), [stop]);
  useEffect(() => {
    onSending(send.isPending);
    return () => onSending(false);
  }, [send.isPending, onSending]);
  const percent = sending ? (100 * sending.done) / sending.of : 0;
  return (
    <form
      className="flex flex-col gap-3 border-t border-line px-4 py-3"
      data-testid="update-form"
      onSubmit={(event) => {
        event.preventDefault();
        send.mutate();
      }}
    >
      <p className="wrap-anywhere">
        {file.name} <span className="text-soft">· {bytesText(file.size)}</span>
      </p>
      {named === null && (
        <TextField
          label="Version of the update"
          hint="The name of the file does not tell it. It looks like 0.1.0+20261122064643."
          value={version}
          onChange={(event) => setVersion(event.target.value.trim())}
          spellCheck={false}
          autoComplete="off"
        />
      )}
      {send.isPending && (
        <>
          <Bar label={sending?.doing === "sending" ? "Sent of the update" : "Read of the file"} percent={percent} />
          <p role="status" className="text-xs text-soft">
            {sending?.doing === "sending" ? "Sending" : "Looking through the file"}: {bytesText(sending?.done ?? 0)} of{" "}
            {bytesText(file.size)}
          </p>
        </>
      )}
      <ProblemNote error={send.error} />
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" icon={Send} busy={send.isPending} disabled={version === ""}>
          {send.isError ? "Go on" : "Send to the box"}
        </Button>
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
