import type { Disk } from "../../api/types";
import { DiskHealthView } from "../../components/State";
import { count, sentence } from "../../words";

/** The disks below a volume, as they tell of themselves. */
export function Disks({ disks }: { disks: Disk[] }) {
  return (
    <ul className="flex flex-col gap-1 text-xs">
      {disks.map((disk) => (
        <li key={disk.device} className="flex flex-wrap items-center gap-x-3 gap-y-0.5" data-testid="disk" data-health={disk.health}>
          <span>
            Disk <code>{disk.device}</code>
            {disk.model && <span className="text-soft"> {disk.model}</span>}
          </span>
          <DiskHealthView health={disk.health} />
          <span className="text-soft">{figures(disk).join(" · ")}</span>
          {disk.health !== "good" && <span className="basis-full text-soft">{sentence(disk.message)}</span>}
        </li>
      ))}
    </ul>
  );
}

/** What it tells in numbers; what it does not tell is left out, and so is what is as it should be. */
function figures(disk: Disk): string[] {
  const hours = disk.power_on_hours;
  return [
    disk.serial && `serial ${disk.serial}`,
    hours !== null && `${ageText(hours)} with power`,
    disk.temperature_c !== null && `${disk.temperature_c}\u00a0°C`,
    disk.wear_percent !== null && `${disk.wear_percent}\u00a0% worn`,
    disk.reallocated_sectors !== null && `${count(disk.reallocated_sectors, "sector")} replaced`,
    disk.pending_sectors !== null && disk.pending_sectors > 0 && `${disk.pending_sectors} unreadable`,
    disk.uncorrectable_sectors !== null && disk.uncorrectable_sectors > 0 && `${disk.uncorrectable_sectors} lost`,
    disk.media_errors !== null && disk.media_errors > 0 && count(disk.media_errors, "error"),
  ].filter((text) => typeof text === "string");
}

function ageText(hours: number): string {
  const days = Math.floor(hours / 24);
  return days < 730 ? count(days, "day") : `${(days / 365.25).toFixed(1)} years`;
}
