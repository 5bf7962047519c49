import { useQuery } from "@tanstack/react-query";
import { Download, Mail, Trash2, X } from "lucide-react";
import { useState } from "react";

import { camerasQuery } from "../../api/queries";
import type { Archive } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Button } from "../../components/Button";
import { Note } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { ArchiveStateView } from "../../components/State";
import { Instant, Span } from "../../components/Time";
import { bytesText, count } from "../../words";
import { useMay } from "../Gate";
import { useDownloadArchive, useMailAgain, useRemove } from "./actions";
import { ClearDialog } from "./ClearDialog";

/** One archive: what it is, what can be done with it, and what is known of it. */
export function ArchivePanel({ archive }: { archive: Archive }) {
  const { state } = archive;
  const here = state === "ready" || state === "downloaded";
  const packed = archive.recordings - archive.left_out;
  return (
    <div id={archive.id} data-testid="archive" data-state={state} className="scroll-mt-20">
      <Panel title={<Span from={archive.from_utc} to={archive.to_utc} />} actions={<Actions archive={archive} />}>
        <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 pt-3">
          <ArchiveStateView state={state} />
          <span className="text-soft">
            {count(packed, "recording")} · {bytesText(archive.bytes)}
            {archive.origin === "weekly" && " · weekly"}
          </span>
        </div>
        {state === "building" && (
          <div className="px-4 pt-3">
            <Bar label="Packed" percent={archive.progress_percent} />
          </div>
        )}
        {here && state === "ready" && archive.downloaded_percent > 0 && (
          <div className="flex flex-col gap-1 px-4 pt-3">
            <Bar label="Downloaded" percent={archive.downloaded_percent} />
            <p className="text-xs text-soft">{archive.downloaded_percent} % of it was downloaded.</p>
          </div>
        )}
        {archive.failure && (
          <p className="px-4 pt-3 wrap-anywhere text-bad" role="alert">
            {sentence(archive.failure)}
          </p>
        )}
        {archive.left_out + archive.damaged > 0 && state !== "failed" && (
          <div className="px-4 pt-3">
            <Note tone="warn">{troubleText(archive)}</Note>
          </div>
        )}
        <Facts>
          <Fact name="Cameras">
            <CameraNames ids={archive.cameras} />
          </Fact>
          <Fact name="Begun">
            <Instant at={archive.created_at} />
            {archive.asked_by && ` by ${archive.asked_by}`}
          </Fact>
          {here && (
            <>
              <Fact name="File">{archive.file_name}</Fact>
              <Fact name="Volume">{archive.volume}</Fact>
              <Fact name="SHA-256">
                <span className="font-mono text-xs">{archive.digest}</span>
              </Fact>
            </>
          )}
          {here && archive.mail.state !== "none" && (
            <Fact name="E-mail">
              <MailText archive={archive} />
            </Fact>
          )}
          {archive.downloaded_at && (
            <Fact name="Downloaded">
              <Instant at={archive.downloaded_at} />
            </Fact>
          )}
          {archive.cleared_at && (
            <Fact name="Cleared">
              <Instant at={archive.cleared_at} />: {count(archive.cleared_recordings, "recording")} deleted
              {archive.locked_recordings > 0 && `, ${archive.locked_recordings} kept because they are locked`}
            </Fact>
          )}
        </Facts>
      </Panel>
    </div>
  );
}

function Actions({ archive }: { archive: Archive }) {
  const [clearing, setClearing] = useState(false);
  const download = useDownloadArchive(archive);
  const mail = useMailAgain(archive);
  const remove = useRemove(archive);
  const [mayDownload, mayBuild, mayDelete] = [useMay("download"), useMay("archive"), useMay("delete")];
  const here = archive.state === "ready" || archive.state === "downloaded";
  const over = archive.state === "cleared" || archive.state === "failed";
  return (
    <>
      {here && archive.mail.state === "failed" && mayBuild && (
        <Button look="quiet" icon={Mail} busy={mail.isPending} onClick={() => mail.mutate()}>
          Send e-mail
        </Button>
      )}
      {here && mayDelete && (
        <Button look="quiet" icon={Trash2} data-testid="clear-archive" onClick={() => setClearing(true)}>
          Clear archive
        </Button>
      )}
      {here && mayDownload && (
        <Button
          look={archive.state === "ready" ? "primary" : "plain"}
          icon={Download}
          busy={download.isPending}
          data-testid="download-archive"
          onClick={() => download.mutate()}
        >
          Download
        </Button>
      )}
      {archive.state === "building" && mayBuild && (
        <Button look="quiet" icon={X} busy={remove.isPending} data-testid="cancel-archive" onClick={() => remove.mutate()}>
          Cancel
        </Button>
      )}
      {over && mayBuild && (
        <Button look="quiet" icon={X} busy={remove.isPending} onClick={() => remove.mutate()}>
          Remove from list
        </Button>
      )}
      {clearing && <ClearDialog archive={archive} onClose={() => setClearing(false)} />}
    </>
  );
}

function CameraNames({ ids }: { ids: string[] | null }) {
  const cameras = useQuery(camerasQuery());
  if (ids === null) {
    return <>All cameras</>;
  }
  const nameOf = (id: string) => cameras.data?.find((camera) => camera.id === id)?.name ?? "Unknown camera";
  return <>{ids.map(nameOf).join(", ")}</>;
}

function MailText({ archive }: { archive: Archive }) {
  const { state, failure, next_attempt_at } = archive.mail;
  if (state === "sent") {
    return <>Sent</>;
  }
  return (
    <>
      {state === "failed" ? "Not sent" : "Waiting to be sent"}
      {next_attempt_at && failure && (
        <>
          , tried again at <Instant at={next_attempt_at} />
        </>
      )}
      {failure && <span className="block text-xs text-warn">{failure}</span>}
    </>
  );
}

function troubleText({ left_out, damaged }: Archive): string {
  const missing = left_out > 0 ? `${count(left_out, "recording")} of this range could not be read and are not in it. ` : "";
  const changed = damaged > 0 ? `${count(damaged, "recording")} in it are not what they were when they were kept. ` : "";
  return `${missing}${changed}The file manifest.json in the archive says which.`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
