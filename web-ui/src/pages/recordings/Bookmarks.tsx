/** Moments that people marked within a recording: made at the picture on the screen, listed, jumped to, removed. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Bookmark as BookmarkIcon, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";

import { apiUrl, demand } from "../../api/client";
import { bookmarksPath, bookmarksQuery } from "../../api/queries";
import type { Bookmark, BookmarkInput, ListedRecording } from "../../api/types";
import { Button, IconButton } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { useNotice } from "../../components/Notices";
import { Panel } from "../../components/Page";
import { Instant } from "../../components/Time";
import { usePreferences } from "../../preferences";
import { clockText } from "../../time";
import { useMay } from "../Gate";

interface ToolsProps {
  recording: ListedRecording;
  /** Of the picture on the screen. */
  date: Date | null;
  seek: (at: Date) => void;
}

/** Below the picture: marks the moment on the screen, and jumps to those that are marked. */
export function BookmarkTools({ recording, date, seek }: ToolsProps) {
  const mayMark = useMay("lock");
  const bookmarks = useQuery(bookmarksQuery(recording));
  const { zone } = usePreferences();
  const [at, setAt] = useState<Date | null>(null);
  return (
    <div className="flex min-w-0 flex-wrap items-center gap-1">
      {bookmarks.data?.slice(0, SHOWN).map((bookmark) => (
        <Button
          key={bookmark.id}
          look="quiet"
          icon={BookmarkIcon}
          title={bookmark.note || undefined}
          data-testid="bookmark-jump"
          onClick={() => seek(new Date(bookmark.at_utc))}
        >
          {clockText(new Date(bookmark.at_utc), zone)}
        </Button>
      ))}
      {mayMark && (
        <Button
          icon={BookmarkIcon}
          disabled={date === null}
          data-testid="bookmark-add"
          onClick={() => setAt(date && within(date, recording))}
        >
          Bookmark
        </Button>
      )}
      {at && <BookmarkDialog recording={recording} at={at} onClose={() => setAt(null)} />}
    </div>
  );
}

/** Marks to jump to; more are in the list below. */
const SHOWN = 4;

/** A player's clock may be off by a frame at either end. */
function within(date: Date, { start_utc, end_utc }: ListedRecording): Date {
  const [start, end] = [new Date(start_utc).getTime(), new Date(end_utc).getTime()];
  return new Date(Math.min(Math.max(date.getTime(), start), end - 1));
}

function BookmarkDialog({ recording, at, onClose }: { recording: ListedRecording; at: Date; onClose: () => void }) {
  const client = useQueryClient();
  const tell = useNotice();
  const [note, setNote] = useState("");
  const add = useMutation({
    mutationFn: () => {
      const body: BookmarkInput = { camera_id: recording.camera_id, at_utc: at.toISOString(), note };
      return demand<Bookmark>("POST", apiUrl(bookmarksPath(recording.site_id)), body);
    },
    onSuccess: () => {
      tell("Bookmarked: the recording is kept until the bookmark is removed.");
      onClose();
      return refresh(client);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Dialog title="Bookmark this moment" onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4" data-testid="bookmark-form">
        <p>
          <Instant at={at.toISOString()} />
        </p>
        <TextField
          label="Note"
          name="note"
          maxLength={500}
          value={note}
          onChange={(event) => setNote(event.target.value)}
          hint="What is to be seen. The recordings that cover the moment are protected from eviction."
        />
        <ProblemNote error={add.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={add.isPending} data-testid="bookmark-save">
            Bookmark
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function refresh(client: ReturnType<typeof useQueryClient>): Promise<unknown> {
  return Promise.all(["bookmark", "recording", "storage"].map((kind) => client.invalidateQueries({ queryKey: [kind] })));
}

/** The bookmarks of a recording; nothing where there are none. */
export function Bookmarks({ recording }: { recording: ListedRecording }) {
  const bookmarks = useQuery(bookmarksQuery(recording));
  if (!bookmarks.data?.length) {
    return null;
  }
  return (
    <Panel title="Bookmarks">
      <ul className="divide-y divide-line">
        {bookmarks.data.map((bookmark) => (
          <BookmarkRow key={bookmark.id} bookmark={bookmark} site={recording.site_id} />
        ))}
      </ul>
    </Panel>
  );
}

function BookmarkRow({ bookmark, site }: { bookmark: Bookmark; site: string | undefined }) {
  const mayMark = useMay("lock");
  const client = useQueryClient();
  const tell = useNotice();
  const remove = useMutation({
    mutationFn: () => demand("DELETE", apiUrl(`${bookmarksPath(site)}/${bookmark.id}`)),
    onSuccess: () => {
      tell("The bookmark is removed. What nothing else protects may be evicted again.");
      return refresh(client);
    },
    onError: (error) => tell(error.message),
  });
  return (
    <li className="flex items-center gap-3 px-4 py-2" data-testid="bookmark">
      <div className="min-w-0 grow">
        <p className="wrap-anywhere">{bookmark.note || <span className="text-soft">No note</span>}</p>
        <p className="text-xs text-soft">
          <Instant at={bookmark.at_utc} /> · by {bookmark.made_by}
        </p>
      </div>
      {mayMark && (
        <IconButton
          icon={Trash2}
          label="Remove the bookmark"
          busy={remove.isPending}
          data-testid="bookmark-remove"
          onClick={() => remove.mutate()}
        />
      )}
    </li>
  );
}
