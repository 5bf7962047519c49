import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight } from "lucide-react";

import { apiUrl } from "../../api/client";
import { neighbourQuery, recordingQuery } from "../../api/queries";
import type { ListedRecording } from "../../api/types";
import { Bar } from "../../components/Bar";
import { buttonClass, Waiting } from "../../components/Button";
import { Note, ProblemNote } from "../../components/Note";
import { Fact, Facts, Page, Panel } from "../../components/Page";
import { StatusView } from "../../components/State";
import { Instant, Span } from "../../components/Time";
import { CodecCurtain, HlsVideo } from "../../player/HlsVideo";
import { canPlayCodec } from "../../player/support";
import { durationText } from "../../time";
import { bytesText, clockOffsetText, codecText, unavailableText } from "../../words";
import { BookmarkTools, Bookmarks } from "./Bookmarks";
import { DownloadButton, HeadActions } from "./RecordingActions";
import { useCameraNames } from "./RecordingsPage";

/** Plays one recording and tells everything that is known about it. */
export function RecordingPage() {
  const { recordingId } = useParams({ strict: false });
  const recording = useQuery(recordingQuery(recordingId ?? ""));
  const nameOf = useCameraNames();
  if (recording.data === undefined) {
    return (
      <Page title="Recording">
        {recording.isPending && <Waiting />}
        <ProblemNote error={recording.error} onRetry={() => void recording.refetch()} />
      </Page>
    );
  }
  const name = nameOf(recording.data);
  return (
    <Page title={name} actions={<HeadActions recording={recording.data} />}>
      <div className="-mt-3 flex flex-wrap items-center justify-between gap-2">
        <p className="text-soft">
          <Span from={recording.data.start_utc} to={recording.data.end_utc} />
        </p>
        <Neighbours recording={recording.data} />
      </div>
      <section aria-label="Player" className="panel overflow-hidden">
        <Player key={recording.data.id} recording={recording.data} name={name} />
      </section>
      {recording.data.defects.map((defect) => (
        <Note key={defect.kind} tone="warn" title="Kept with a defect">
          {defect.message}
        </Note>
      ))}
      <Bookmarks recording={recording.data} />
      <Details recording={recording.data} />
    </Page>
  );
}

function Player({ recording, name }: { recording: ListedRecording; name: string }) {
  const navigate = useNavigate();
  const next = useQuery(neighbourQuery(recording, "after"));
  const unavailable = unavailableText(recording);
  if (unavailable !== null) {
    return (
      <div className="flex flex-col gap-3 p-6">
        <StatusView status={recording.status} />
        <p>{unavailable}</p>
        {recording.status === "downloading" && <Bar label="Fetched" percent={recording.progress_percent} />}
      </div>
    );
  }
  if (!canPlayCodec(recording.video_codec)) {
    return (
      <div className="picture relative">
        <CodecCurtain>
          <DownloadButton recording={recording} />
        </CodecCurtain>
      </div>
    );
  }
  return (
    <HlsVideo
      tools={(date, seek) => <BookmarkTools recording={recording} date={date} seek={seek} />}
      url={apiUrl(`/playback/${recording.camera_id}/index.m3u8`, { from: recording.start_utc, to: recording.end_utc })}
      label={`Recording of ${name}`}
      starting="Opening the recording…"
      fallback={<DownloadButton recording={recording} />}
      onEnded={() => {
        // Footage goes on in the next recording, so the player does too.
        if (next.data?.start_utc === recording.end_utc) {
          void navigate({ to: `/recordings/${next.data.id}` });
        }
      }}
    />
  );
}

function Neighbours({ recording }: { recording: ListedRecording }) {
  const before = useQuery(neighbourQuery(recording, "before"));
  const after = useQuery(neighbourQuery(recording, "after"));
  return (
    <nav aria-label="Neighbouring recordings" className="flex">
      {before.data && (
        <Link to={`/recordings/${before.data.id}`} className={buttonClass("quiet")} data-testid="earlier">
          <ChevronLeft size={16} aria-hidden /> Earlier
        </Link>
      )}
      {after.data && (
        <Link to={`/recordings/${after.data.id}`} className={buttonClass("quiet")} data-testid="later">
          Later <ChevronRight size={16} aria-hidden />
        </Link>
      )}
    </nav>
  );
}

function Details({ recording }: { recording: ListedRecording }) {
  const [start, end] = [new Date(recording.start_utc), new Date(recording.end_utc)];
  const picture = recording.width && recording.height ? ` · ${recording.width} × ${recording.height}` : "";
  const sound = recording.audio_codec ? ` · ${codecText(recording.audio_codec)} sound` : " · no sound";
  return (
    <Panel title="About this recording">
      <Facts>
        <Fact name="Duration">{durationText(end.getTime() - start.getTime())}</Fact>
        <Fact name="Size">
          {recording.kept_bytes === null ? `${bytesText(recording.stated_bytes)} as the recorder states` : bytesText(recording.kept_bytes)}
        </Fact>
        {recording.fetched_bytes !== null && recording.fetched_bytes !== undefined && recording.received_bytes > 0 && (
          <Fact name="Fetched from the recorder">
            {bytesText(recording.fetched_bytes)}, {(recording.fetched_bytes / recording.received_bytes).toFixed(2)} times what was
            needed
          </Fact>
        )}
        <Fact name="Encoding">
          {codecText(recording.video_codec)}
          {picture}
          {sound}
        </Fact>
        <Fact name="Status">
          <StatusView status={recording.status} />
        </Fact>
        <Fact name="Start by the recorder's clock">
          {recording.recorder_start.replace("T", " ")} (recorder time, {clockOffsetText(recording.clock_offset_ms)})
        </Fact>
        <Fact name="Name on the recorder">{recording.source_name}</Fact>
        <Fact name="Downloads begun">{recording.attempts}</Fact>
        <Fact name="Last change">
          <Instant at={recording.updated_at} />
        </Fact>
        {recording.digest && (
          <Fact name="SHA-256 of the kept file">
            <code className="text-xs">{recording.digest}</code>
          </Fact>
        )}
        {recording.source_digest && (
          <Fact name="SHA-256 as received">
            <code className="text-xs">{recording.source_digest}</code>
          </Fact>
        )}
      </Facts>
    </Panel>
  );
}
