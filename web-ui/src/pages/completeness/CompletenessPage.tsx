import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Cctv, ChevronLeft, ChevronRight } from "lucide-react";

import type { ReactNode } from "react";

import { camerasQuery, sitesQuery, timelineQuery } from "../../api/queries";
import type { ListedCamera, Stretch, Timeline } from "../../api/types";
import { IconButton, Waiting } from "../../components/Button";
import { SelectField, TextField } from "../../components/Field";
import { Empty, Note, ProblemNote } from "../../components/Note";
import { Page } from "../../components/Page";
import { VerdictView } from "../../components/State";
import { Instant } from "../../components/Time";
import { usePreferences } from "../../preferences";
import { useProgram } from "../../program";
import { dayOf, dayPlus, isDay, lengthText, zoneName, type Day } from "../../time";
import { count, VERDICT_TEXT } from "../../words";
import { DayStrip, Legend } from "./DayStrip";
import { GapList } from "./GapList";
import { split } from "./strip";

/** What a program lets people do about a camera's day. */
export type CameraDayActions = (camera: ListedCamera, told: Timeline) => ReactNode;

interface Choice {
  site?: string;
  camera?: string;
  day?: Day;
}

/** What makes no sense in an address is left out. */
function readChoice(search: Record<string, unknown>): Choice {
  const text = (name: string) => (typeof search[name] === "string" && search[name] !== "" ? search[name] : null);
  const [site, camera, day] = [text("site"), text("camera"), text("day")];
  return { ...(site && { site }), ...(camera && { camera }), ...(day && isDay(day) && { day }) };
}

/** A day of every camera: what is held, and why the rest is not. */
export function CompletenessPage({ actions }: { actions?: CameraDayActions }) {
  const choice = readChoice(useSearch({ strict: false }));
  const navigate = useNavigate();
  const { zone } = usePreferences();
  const day = choice.day ?? dayOf(new Date(), zone);
  const onRelay = useProgram() === "relay";
  const sites = useQuery({ ...sitesQuery, enabled: onRelay });
  // Every strip is asked of its site, so the relay shows one site at a time.
  const site = onRelay ? (choice.site ?? sites.data?.[0]?.id) : undefined;
  const cameras = useQuery({ ...camerasQuery(site), enabled: !onRelay || site !== undefined });
  const shown = cameras.data?.filter(({ id }) => choice.camera === undefined || id === choice.camera) ?? [];
  const set = (part: { [K in keyof Choice]: Choice[K] | undefined }) => {
    const entries = Object.entries({ ...choice, ...part }).filter(([, value]) => value !== undefined);
    void navigate({ to: "/completeness", search: Object.fromEntries(entries), replace: true });
  };
  return (
    <Page title="Completeness">
      <form
        role="search"
        aria-label="Choose day and camera"
        className="panel grid grid-cols-2 gap-3 p-3 md:flex md:flex-wrap md:items-end"
        onSubmit={(event) => event.preventDefault()}
      >
        {onRelay && (
          <SelectField
            label="Site"
            value={site ?? ""}
            className="md:w-44"
            onChange={(event) => set({ site: event.target.value, camera: undefined })}
          >
            {sites.data?.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </SelectField>
        )}
        <SelectField
          label="Camera"
          value={choice.camera ?? ""}
          className={onRelay ? "md:w-44" : "col-span-2 md:w-44"}
          onChange={(event) => set({ camera: event.target.value || undefined })}
        >
          <option value="">All cameras</option>
          {cameras.data?.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </SelectField>
        <DayField day={day} onChange={(next) => set({ day: next })} />
        <div className="col-span-2 md:ml-auto md:self-center">
          <Legend />
        </div>
      </form>
      <ProblemNote error={cameras.error ?? sites.error} onRetry={() => void cameras.refetch()} />
      {cameras.isPending && (!onRelay || sites.isPending || site !== undefined) && <Waiting />}
      {(cameras.data?.length === 0 || sites.data?.length === 0) && (
        <div className="panel">
          <Empty icon={Cctv} title="No cameras yet">
            <p>Cameras appear here once a recorder has been added and has answered.</p>
          </Empty>
        </div>
      )}
      {shown.map((camera) => (
        <CameraDay key={camera.id} camera={camera} day={day} open={choice.camera !== undefined} actions={actions} />
      ))}
    </Page>
  );
}

interface CameraDayProps {
  camera: ListedCamera;
  day: Day;
  open: boolean;
  actions?: CameraDayActions | undefined;
}

function CameraDay({ camera, day, open, actions }: CameraDayProps) {
  const { zone } = usePreferences();
  const timeline = useQuery(timelineQuery(camera.id, day, zoneName(zone)));
  return (
    <section className="panel overflow-hidden" data-testid="camera-day" data-verdict={timeline.data?.verdict}>
      <header className="flex min-h-11 flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-2">
        <h2 className="font-semibold">{camera.name}</h2>
        {timeline.data && <VerdictView verdict={timeline.data.verdict} />}
      </header>
      {timeline.isPending && <Waiting />}
      {timeline.isError && (
        <div className="px-4 pb-3">
          <ProblemNote error={timeline.error} onRetry={() => void timeline.refetch()} />
        </div>
      )}
      {timeline.data && <Told camera={camera} told={timeline.data} open={open} actions={actions} />}
    </section>
  );
}

function Told({ camera, told, open, actions }: Omit<CameraDayProps, "day"> & { told: Timeline }) {
  const { telling } = split(told.gaps);
  const sum = sumText(told);
  return (
    <>
      <div className="flex flex-col gap-1 px-4 pb-3">
        <DayStrip day={told} label={`${camera.name}: ${VERDICT_TEXT[told.verdict]}, ${sum}`} />
        <div className="flex items-center justify-between gap-3">
          <p className="text-soft">
            {sum}
            {telling.length > 0 && ` · ${count(telling.length, "gap")}`}
          </p>
          {actions?.(camera, told)}
        </div>
      </div>
      {told.risk && (
        <div className="px-4 pb-3">
          <Note tone="bad" title="The recorder is about to overwrite footage">
            {count(told.risk.recordings, "recording")} that {told.risk.recordings === 1 ? "is" : "are"} not fetched yet will
            be gone within hours, the first at about <Instant at={told.risk.first_gone_utc} />. What goes first is fetched
            first.
          </Note>
        </div>
      )}
      {told.away.length > 0 && (
        <div className="px-4 pb-3" data-testid="away">
          <Note tone="warn" title="A disk is not there">
            {lengthText(lengthOf(told.away))} of what is held lie on a disk that is not there now. They can be played once
            it is back; the Storage page of the box says what is the matter.
          </Note>
        </div>
      )}
      {told.gaps.length > 0 &&
        (open ? (
          <GapList gaps={told.gaps} />
        ) : (
          <details className="border-t border-line" data-testid="gap-details">
            <summary className="px-4 py-2.5 text-soft hover:text-ink">
              Gaps of {camera.name}, with their causes
            </summary>
            <GapList gaps={told.gaps} />
          </details>
        ))}
    </>
  );
}

/** What the recorder had and what is held, in a sentence. */
function sumText({ recorded_ms, held_ms }: Timeline): string {
  if (recorded_ms === 0 && held_ms === 0) {
    return "Nothing that the recorder is known to have recorded";
  }
  // Seams between files count as held, and are no reason to speak of more than was recorded.
  return held_ms >= recorded_ms
    ? `All ${lengthText(held_ms)} that the recorder recorded is held here`
    : `${lengthText(held_ms)} held here of ${lengthText(recorded_ms)} that the recorder recorded`;
}

function lengthOf(stretches: Stretch[]): number {
  return stretches.reduce((sum, { from_utc, to_utc }) => sum + Date.parse(to_utc) - Date.parse(from_utc), 0);
}

function DayField({ day, onChange }: { day: Day; onChange: (day: Day | undefined) => void }) {
  const { zone } = usePreferences();
  const today = dayOf(new Date(), zone);
  return (
    <div className="col-span-2 flex items-end gap-1">
      <IconButton icon={ChevronLeft} label="Day before" onClick={() => onChange(dayPlus(day, -1))} />
      <TextField
        label={`Day (${zoneName(zone)})`}
        type="date"
        max={today}
        value={day}
        className="min-w-0 grow md:w-40 md:grow-0"
        onChange={(event) => onChange(event.target.value || undefined)}
      />
      <IconButton
        icon={ChevronRight}
        label="Day after"
        disabled={day >= today}
        onClick={() => onChange(dayPlus(day, 1))}
      />
    </div>
  );
}
