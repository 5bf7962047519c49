/** The box's own clock, by which recorders' are judged; it is set from here where no time server can be reached. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Clock } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { clockQuery } from "../../api/queries";
import type { BoxClock, SetClockRequest } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { Note, ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { Instant } from "../../components/Time";
import { differenceText, isFarOff, isSame } from "./clock";

/** Shown before anything is placed in time: nothing where the clock is good, or cannot be set from here. */
export function ClockNote() {
  const { data: clock, dataUpdatedAt } = useQuery(clockQuery);
  if (!clock?.can_be_set) {
    return null;
  }
  const aheadMs = Date.parse(clock.now) - dataUpdatedAt;
  if (!isFarOff(aheadMs)) {
    return null;
  }
  return (
    <div data-testid="clock-note">
      <Note tone="warn" title={`This box’s clock is ${differenceText(aheadMs)}`}>
        <SetClock clock={clock} />
      </Note>
    </div>
  );
}

export function ClockPanel() {
  const clock = useQuery(clockQuery);
  if (!clock.data) {
    return <ProblemNote error={clock.error} onRetry={() => void clock.refetch()} />;
  }
  const aheadMs = Date.parse(clock.data.now) - clock.dataUpdatedAt;
  return (
    <Panel title="Clock">
      <Facts>
        <Fact name="This box shows">
          <Instant at={clock.data.now} /> <span className="text-soft">({differenceText(aheadMs)})</span>
        </Fact>
        <Fact name="Kept right by">{keeper(clock.data)}</Fact>
      </Facts>
      {clock.data.can_be_set && !isSame(aheadMs) && (
        <div className="border-t border-line px-4 py-3">
          <SetClock clock={clock.data} />
        </div>
      )}
    </Panel>
  );
}

function keeper({ follows_server, can_be_set }: BoxClock) {
  switch (follows_server) {
    case true:
      return "A time server";
    case false:
      return (
        <>
          <span className="text-warn">Nobody: no time server is reached.</span>
          {!can_be_set && (
            <span className="text-soft">
              {" "}
              Set it in its system: <code className="text-xs">timedatectl set-time</code>
            </span>
          )}
        </>
      );
    case null:
      return "Cannot be told";
  }
}

function SetClock({ clock }: { clock: BoxClock }) {
  const [asking, setAsking] = useState(false);
  return (
    <div className="flex flex-col gap-3">
      <p className="text-soft">
        Footage is placed in time by the box’s clock, and no time server keeps it: set it before recorders are added. A box
        without a battery has to be set after each power cut.
      </p>
      <div>
        <Button icon={Clock} busy={clock.ordered} data-testid="set-clock" onClick={() => setAsking(true)}>
          Set it by your device…
        </Button>
      </div>
      {asking && (
        <Dialog title="Set the box’s clock" onClose={() => setAsking(false)}>
          <SetClockForm clock={clock} onDone={() => setAsking(false)} />
        </Dialog>
      )}
    </div>
  );
}

/** A clock that is set wrong may make footage look too old: both times are shown first. */
function SetClockForm({ clock, onDone }: { clock: BoxClock; onDone: () => void }) {
  const client = useQueryClient();
  const set = useMutation({
    mutationFn: () => {
      const request: SetClockRequest = { now: new Date().toISOString() };
      return demand<BoxClock>("POST", apiUrl("/system/clock"), request);
    },
    onSuccess: onDone,
    onSettled: () => client.invalidateQueries({ queryKey: clockQuery.queryKey }),
  });
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate();
      }}
    >
      <div className="-mx-4 -my-3">
        <Facts>
          <Fact name="The box shows">
            <Instant at={clock.now} />
          </Fact>
          <Fact name="Your device shows">
            <Instant at={new Date().toISOString()} />
          </Fact>
        </Facts>
      </div>
      <p>Is the date and time of your device right?</p>
      <p className="text-soft">
        Footage that is held keeps its times. Where cameras have a longest age, what is then older than that is deleted
        within a minute: look at <em>Storage</em> first. You may have to log in again.
      </p>
      <ProblemNote error={set.error} />
      <Button type="submit" look="primary" busy={set.isPending} data-testid="set-clock-now">
        It is right: set the box
      </Button>
    </form>
  );
}
