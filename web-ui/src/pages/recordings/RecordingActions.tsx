import { Link } from "@tanstack/react-router";
import { Download, Lock, LockOpen, Play, Trash2 } from "lucide-react";
import { useState } from "react";

import type { ListedRecording } from "../../api/types";
import { Button, buttonClass, IconButton } from "../../components/Button";
import { Confirm } from "../../components/Dialog";
import { Span } from "../../components/Time";
import { useMay } from "../Gate";
import { useDelete, useDownload, useLock } from "./actions";

/** The buttons at the end of a row. */
export function RowActions({ recording }: { recording: ListedRecording }) {
  const download = useDownload(recording);
  const lock = useLock(recording);
  const [mayDownload, mayLock] = [useMay("download"), useMay("lock")];
  const held = recording.status === "completed";
  return (
    <div className="flex justify-end">
      {mayLock && held && (
        <IconButton
          icon={recording.locked ? Lock : LockOpen}
          label={recording.locked ? "Unlock" : "Lock: keep it from being evicted"}
          aria-pressed={recording.locked}
          busy={lock.isPending}
          data-testid="lock"
          className="aria-pressed:text-accent"
          onClick={() => lock.mutate()}
        />
      )}
      {mayDownload && held && (
        <IconButton
          icon={Download}
          label="Download"
          busy={download.isPending}
          data-testid="download"
          onClick={() => download.mutate()}
        />
      )}
      {held && (
        <Link
          to={`/recordings/${recording.id}`}
          className={buttonClass("quiet", "aspect-square px-0 text-accent")}
          aria-label="Play"
          title="Play"
          data-testid="play"
        >
          <Play size={18} aria-hidden />
        </Link>
      )}
    </div>
  );
}

/** The same in words, above the player. */
export function HeadActions({ recording }: { recording: ListedRecording }) {
  const [deleting, setDeleting] = useState(false);
  const lock = useLock(recording);
  const [mayDownload, mayLock, mayDelete] = [useMay("download"), useMay("lock"), useMay("delete")];
  if (recording.status !== "completed") {
    return null;
  }
  return (
    <>
      {mayDelete && (
        <Button look="quiet" icon={Trash2} disabled={recording.locked || recording.bookmarked} onClick={() => setDeleting(true)}>
          Delete
        </Button>
      )}
      {mayLock && (
        <Button
          icon={recording.locked ? Lock : LockOpen}
          aria-pressed={recording.locked}
          busy={lock.isPending}
          data-testid="lock"
          onClick={() => lock.mutate()}
        >
          {recording.locked ? "Locked" : "Lock"}
        </Button>
      )}
      {mayDownload && <DownloadButton recording={recording} />}
      {deleting && <DeleteDialog recording={recording} onClose={() => setDeleting(false)} />}
    </>
  );
}

export function DownloadButton({ recording }: { recording: ListedRecording }) {
  const download = useDownload(recording);
  return (
    <Button
      look="primary"
      icon={Download}
      busy={download.isPending}
      data-testid="download"
      onClick={() => download.mutate()}
    >
      Download
    </Button>
  );
}

function DeleteDialog({ recording, onClose }: { recording: ListedRecording; onClose: () => void }) {
  const remove = useDelete(recording, onClose);
  return (
    <Confirm
      title="Delete this footage?"
      verb="Delete footage"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>
        <Span from={recording.start_utc} to={recording.end_utc} />
      </p>
      <p className="mt-2 text-soft">
        The bytes are removed from the appliance and cannot be brought back from here. What the recorder still holds
        stays on the recorder.
      </p>
    </Confirm>
  );
}
