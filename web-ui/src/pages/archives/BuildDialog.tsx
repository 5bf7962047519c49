import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { camerasQuery } from "../../api/queries";
import { Button } from "../../components/Button";
import { DayRangeFields } from "../../components/DayRangeFields";
import { Dialog } from "../../components/Dialog";
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
  const [range, setRange] = useState({ camera: "", first: dayPlus(today, -7), last: dayPlus(today, -1) });
  return (
    <Dialog title="Build an archive" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        data-testid="archive-form"
        onSubmit={(event) => {
          event.preventDefault();
          build.mutate({
            from: dayRange(range.first, zone).from.toISOString(),
            to: dayRange(range.last, zone).to.toISOString(),
            ...(range.camera ? { cameras: [range.camera] } : {}),
          });
        }}
      >
        <DayRangeFields cameras={cameras.data ?? []} today={today} value={range} onChange={setRange} />
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
