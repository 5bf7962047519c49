import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, X } from "lucide-react";

import { camerasQuery, sitesQuery } from "../../api/queries";
import type { RecordingStatus } from "../../api/types";
import { Button, IconButton } from "../../components/Button";
import { SelectField, TextField } from "../../components/Field";
import { usePreferences } from "../../preferences";
import { useProgram } from "../../program";
import { dayOf, dayPlus, zoneName, type Day } from "../../time";
import { bytesText, STATUS_TEXT } from "../../words";
import type { RecordingFilter } from "./filter";

const SIZES = [10_000_000, 100_000_000, 500_000_000, 1_000_000_000];

interface FilterBarProps {
  filter: RecordingFilter;
  onChange: (filter: RecordingFilter) => void;
}

export function FilterBar({ filter, onChange }: FilterBarProps) {
  const onRelay = useProgram() === "relay";
  const sites = useQuery({ ...sitesQuery, enabled: onRelay });
  const cameras = useQuery(camerasQuery(filter.site));
  /** Sets one part of the filter, or takes it out. */
  const set = (part: { [K in keyof RecordingFilter]: RecordingFilter[K] | undefined }) => {
    const entries = Object.entries({ ...filter, ...part }).filter(([, value]) => value !== undefined);
    onChange(Object.fromEntries(entries));
  };
  return (
    <form
      role="search"
      aria-label="Filter recordings"
      className="panel grid grid-cols-6 gap-3 p-3 md:flex md:flex-wrap md:items-end"
      onSubmit={(event) => event.preventDefault()}
    >
      {onRelay && (
        <SelectField
          label="Site"
          value={filter.site ?? ""}
          className="col-span-3 md:w-36"
          onChange={(event) => set({ site: event.target.value || undefined, camera: undefined })}
        >
          <option value="">All sites</option>
          {sites.data?.map((site) => (
            <option key={site.id} value={site.id}>
              {site.name}
            </option>
          ))}
        </SelectField>
      )}
      <SelectField
        label="Camera"
        value={filter.camera ?? ""}
        className={onRelay ? "col-span-3 md:w-38" : "col-span-6 md:w-44"}
        onChange={(event) => set({ camera: event.target.value || undefined })}
      >
        <option value="">All cameras</option>
        {cameras.data?.map((camera) => (
          <option key={camera.id} value={camera.id}>
            {camera.name}
          </option>
        ))}
      </SelectField>
      <DayField day={filter.day} onChange={(day) => set({ day })} />
      <SelectField
        label="Status"
        value={filter.status ?? ""}
        className="col-span-2 md:w-34"
        onChange={(event) => set({ status: (event.target.value || undefined) as RecordingStatus | undefined })}
      >
        <option value="">All</option>
        {Object.entries(STATUS_TEXT).map(([status, text]) => (
          <option key={status} value={status}>
            {text}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="Size"
        value={filter.min ?? ""}
        className="col-span-2 md:w-28"
        onChange={(event) => set({ min: Number(event.target.value) || undefined })}
      >
        <option value="">Any</option>
        {SIZES.map((size) => (
          <option key={size} value={size}>
            from {bytesText(size)}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="Order"
        value={filter.order ?? ""}
        className="col-span-2 md:w-34"
        onChange={(event) => set({ order: event.target.value === "oldest" ? "oldest" : undefined })}
      >
        <option value="">Newest first</option>
        <option value="oldest">Oldest first</option>
      </SelectField>
    </form>
  );
}

/** One day, with steps to its neighbours; without one the list reaches over all days. */
function DayField({ day, onChange }: { day: Day | undefined; onChange: (day: Day | undefined) => void }) {
  const { zone } = usePreferences();
  const today = dayOf(new Date(), zone);
  return (
    <div className="col-span-6 flex items-end gap-1">
      <IconButton
        icon={ChevronLeft}
        label="Day before"
        data-testid="day-before"
        onClick={() => onChange(dayPlus(day ?? today, day ? -1 : 0))}
      />
      <TextField
        label={`Day (${zoneName(zone)})`}
        type="date"
        max={today}
        value={day ?? ""}
        className="min-w-0 grow md:w-40 md:grow-0"
        onChange={(event) => onChange(event.target.value || undefined)}
      />
      <IconButton
        icon={ChevronRight}
        label="Day after"
        data-testid="day-after"
        disabled={day === undefined || day >= today}
        onClick={() => day && onChange(dayPlus(day, 1))}
      />
      {day ? (
        <IconButton icon={X} label="All days" onClick={() => onChange(undefined)} />
      ) : (
        <Button look="quiet" onClick={() => onChange(today)}>
          Today
        </Button>
      )}
    </div>
  );
}
