import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Film } from "lucide-react";
import { useMemo } from "react";

import { camerasQuery, recordingsQuery, sitesQuery } from "../../api/queries";
import type { ListedRecording } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Empty, ProblemNote } from "../../components/Note";
import { Page } from "../../components/Page";
import { usePreferences } from "../../preferences";
import { useProgram } from "../../program";
import { dayOf, dayText, zoneName, type Day } from "../../time";
import { readFilter, toQuery, type RecordingFilter } from "./filter";
import { FilterBar } from "./FilterBar";
import { RecordingRow } from "./RecordingRow";

export function RecordingsPage() {
  const filter = readFilter(useSearch({ strict: false }));
  const navigate = useNavigate();
  const { zone } = usePreferences();
  const list = useInfiniteQuery(recordingsQuery(toQuery(filter, zone)));
  const recordings = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title="Recordings">
      <FilterBar filter={filter} onChange={(search) => void navigate({ to: "/recordings", search, replace: true })} />
      <ProblemNote error={list.error} onRetry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.isSuccess && recordings.length === 0 && <NoRecordings filter={filter} />}
      {recordings.length > 0 && (
        <div className="panel overflow-hidden">
          <RecordingTable recordings={recordings} />
        </div>
      )}
      {list.hasNextPage && (
        <Button
          className="self-center"
          busy={list.isFetchingNextPage}
          data-testid="load-more"
          onClick={() => void list.fetchNextPage()}
        >
          Load more
        </Button>
      )}
    </Page>
  );
}

/** The rows under a heading for each day, so that a row needs to tell times only. */
function RecordingTable({ recordings }: { recordings: ListedRecording[] }) {
  const { zone } = usePreferences();
  const nameOf = useCameraNames();
  const days = useMemo(() => {
    const groups: { day: Day; recordings: ListedRecording[] }[] = [];
    for (const recording of recordings) {
      const day = dayOf(new Date(recording.start_utc), zone);
      const last = groups.at(-1);
      if (last?.day === day) {
        last.recordings.push(recording);
      } else {
        groups.push({ day, recordings: [recording] });
      }
    }
    return groups;
  }, [recordings, zone]);
  return (
    <table role="table" aria-label="Recordings" className="block w-full md:table">
      <thead role="rowgroup" className="hidden text-left text-xs text-soft md:table-header-group">
        <tr role="row">
          <th role="columnheader" className="py-2 pr-3 pl-4 font-normal">
            Start – end
          </th>
          <th role="columnheader" className={HEAD}>
            Camera
          </th>
          <th role="columnheader" className={`${HEAD} text-right`}>
            Duration
          </th>
          <th role="columnheader" className={`${HEAD} text-right`}>
            Size
          </th>
          <th role="columnheader" className={HEAD}>
            Status
          </th>
          <th role="columnheader" className={HEAD}>
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      {days.map((group) => (
        <tbody key={group.day} role="rowgroup" className="block md:table-row-group">
          <tr role="row" className="block border-t border-line bg-raised/60 first:border-t-0 md:table-row">
            <th role="rowheader" colSpan={6} className="block px-4 py-1.5 text-left font-semibold md:table-cell">
              {dayText(group.day)} <span className="font-normal text-soft">· {zoneName(zone)}</span>
            </th>
          </tr>
          {group.recordings.map((recording) => (
            <RecordingRow key={recording.id} recording={recording} camera={nameOf(recording)} />
          ))}
        </tbody>
      ))}
    </table>
  );
}

const HEAD = "px-3 py-2 font-normal";

/** Names a recording's camera, and its site on the relay. */
export function useCameraNames(): (recording: ListedRecording) => string {
  const onRelay = useProgram() === "relay";
  const cameras = useQuery(camerasQuery());
  const sites = useQuery({ ...sitesQuery, enabled: onRelay });
  return (recording) => {
    const camera = cameras.data?.find(({ id }) => id === recording.camera_id)?.name ?? "Unknown camera";
    const site = sites.data?.find(({ id }) => id === recording.site_id)?.name;
    return site ? `${site} · ${camera}` : camera;
  };
}

function NoRecordings({ filter }: { filter: RecordingFilter }) {
  const onRelay = useProgram() === "relay";
  if (Object.keys(filter).some((key) => key !== "order")) {
    return (
      <Empty icon={Film} title="Nothing matches">
        <p>No recording fits these filters. Choose another day, camera or status.</p>
        <Link to="/recordings" search={{}} className="text-accent underline">
          Show all recordings
        </Link>
      </Empty>
    );
  }
  return (
    <Empty icon={Film} title="No recordings yet">
      {onRelay ? (
        <p>
          Recordings appear here as the sites report them. <Link to="/" className="text-accent underline">Claim an appliance</Link>{" "}
          if there is no site yet.
        </p>
      ) : (
        <p>
          Recordings appear here as they are found on the recorder.{" "}
          <Link to="/" className="text-accent underline">
            Add a recorder
          </Link>{" "}
          or fetch a range there.
        </p>
      )}
    </Empty>
  );
}
