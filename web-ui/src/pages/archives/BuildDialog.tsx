import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { camerasQuery } from "../../api/queries";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { SelectField, TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { usePreferences } from "../../preferences";
import { dayOf, dayPlus, dayRange, zoneName } from "../../time";
import { useBuild } from "./actions";

/** Asks for an archive of a range of days. */
export function BuildDialog({ onClose }: { onClose: () => void }) {
  const { zone } = usePreferences();
  const today = dayOf(new Date(), zone);
  const cameras = useQuery(camerasQuery());
  const build = useBuild(onClose);
  const [camera, setCamera] = useState("");
  const [first, setFirst] = useState(dayPlus(today, -7));
  const [last, setLast] = useState(dayPlus(today, -1));
  return (
    <Dialog title="Build an archive" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        data-testid="archive-form"
        onSubmit={(event) => {
          event.preventDefault();
          build.mutate({
            from: dayRange(first, zone).from.toISOString(),
            to: dayRange(last, zone).to.toISOString(),
            ...(camera ? { cameras: [camera] } : {}),
          });
        }}
      >
        <SelectField label="Camera" value={camera} onChange={(event) => setCamera(event.target.value)}>
          <option value="">All cameras</option>
          {cameras.data?.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </SelectField>
        <div className="grid grid-cols-2 gap-3">
          <TextField
            label="First day"
            type="date"
            required
            max={last}
            value={first}
            onChange={(event) => setFirst(event.target.value)}
          />
          <TextField
            label="Last day"
            type="date"
            required
            min={first}
            max={today}
            value={last}
            onChange={(event) => setLast(event.target.value)}
          />
        </div>
        <p className="text-soft">
          What is held of these days (in {zoneName(zone)}) is packed into one ZIP file. It needs as much room again as its
          recordings until it is cleared.
        </p>
        <ProblemNote error={build.error} />
        <Button type="submit" look="primary" busy={build.isPending} data-testid="archive-start">
          Build it
        </Button>
      </form>
    </Dialog>
  );
}
