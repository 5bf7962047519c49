import type { Alarm } from "../../api/types";
import { Note } from "../../components/Note";
import { Ago } from "../../components/Time";
import { sentence } from "../../words";

const TITLES = new Map([
  ["retention_at_risk", "A promise will be broken"],
  ["retention_shortened", "Footage leaves before its time"],
  ["storage_full", "Nothing new has room"],
  ["storage_full_soon", "Soon nothing new has room"],
  ["disk_gone", "A disk is not there"],
  ["disk_read_only", "A disk is read-only"],
  ["disk_failing", "A disk is failing"],
  ["disk_slow", "A disk is slow"],
  ["disk_dying", "A disk is about to fail"],
  ["disk_ageing", "A disk is to be watched"],
]);

/** What people were told of and is not over. */
export function AlarmNotes({ alarms }: { alarms: Alarm[] }) {
  return alarms.map(({ rule, subject, severity, message, since }) => (
    <div key={`${rule} ${subject}`} data-testid="alarm" data-rule={rule}>
      <Note tone={severity === "critical" ? "bad" : "warn"} title={TITLES.get(rule) ?? rule}>
        <p>{sentence(message)}</p>
        <p className="mt-1 text-xs text-soft">
          Told <Ago at={since} />
        </p>
      </Note>
    </div>
  ));
}
