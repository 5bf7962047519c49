import { useQuery } from "@tanstack/react-query";

import { storageQuery, systemQuery } from "../../api/queries";
import type { System, Volume } from "../../api/types";
import { Bar } from "../../components/Bar";
import { Waiting } from "../../components/Button";
import { ProblemNote } from "../../components/Note";
import { Fact, Facts, Page, Panel } from "../../components/Page";
import { durationText } from "../../time";
import { bytesText } from "../../words";
import { ClaimPanel } from "./ClaimPanel";
import { CustodyPanel } from "./CustodyPanel";
import { DownloadsPanel } from "./DownloadsPanel";
import { SdkNote } from "./SdkNote";

/** The appliance itself. */
export function SystemPage() {
  const system = useQuery(systemQuery);
  const storage = useQuery(storageQuery);
  return (
    <Page title="System">
      <SdkNote />
      <ProblemNote error={system.error ?? storage.error} onRetry={() => void system.refetch()} />
      {system.isPending && <Waiting />}
      {system.data && <ClaimPanel claim={system.data.claim} />}
      <DownloadsPanel />
      {storage.data && (
        <Panel title="Storage">
          <ul className="divide-y divide-line">
            {storage.data.volumes.map((volume) => (
              <VolumeRow key={volume.name} volume={volume} />
            ))}
          </ul>
        </Panel>
      )}
      <CustodyPanel />
      {system.data && <AppliancePanel system={system.data} />}
    </Page>
  );
}

/** How much a volume may hold, and how much of that it does. */
function VolumeRow({ volume }: { volume: Volume }) {
  const room = Math.max(0, volume.free_bytes - volume.floor_bytes);
  const most = Math.min(volume.budget_bytes ?? Infinity, volume.held_bytes + room);
  const percent = most === 0 ? 100 : (volume.held_bytes / most) * 100;
  const full = volume.free_bytes <= volume.floor_bytes;
  return (
    <li className="flex flex-col gap-2 px-4 py-3" data-testid="volume">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <span>
          <span className="font-medium">{volume.name}</span> <code className="text-xs text-soft">{volume.path}</code>
        </span>
        <span>
          {bytesText(volume.held_bytes)} of {bytesText(most)} for footage
        </span>
      </div>
      <Bar label={`Footage on ${volume.name}`} percent={percent} colour={full ? "warn" : "accent"} />
      <p className="text-xs text-soft">
        {bytesText(volume.free_bytes)} free of {bytesText(volume.total_bytes)} on the file system;{" "}
        {full
          ? "nothing more is written until there is more free space"
          : `${bytesText(volume.floor_bytes)} of it stay free`}
        {volume.budget_bytes !== null && `; at most ${bytesText(volume.budget_bytes)} of footage by configuration`}.
      </p>
    </li>
  );
}

function AppliancePanel({ system }: { system: System }) {
  return (
    <Panel title="Appliance">
      <Facts>
        <Fact name="Appliance">
          <code>{system.appliance}</code>
        </Fact>
        <Fact name="Version">{system.version}</Fact>
        <Fact name="Running for">{uptimeText(system.uptime_s)}</Fact>
        <Fact name="Recorder library">
          {system.sdk_problem === null ? "Found" : "Missing"} in <code className="text-xs">{system.sdk_folder}</code>
        </Fact>
        <Fact name="Shut in">{sandboxText(system)}</Fact>
      </Facts>
    </Panel>
  );
}

/** Whether the recorder library can reach more than its recorder, in words. */
function sandboxText(system: System): string {
  const open = system.sdk_sandbox.filter((layer) => layer.missing !== null);
  if (system.sdk_sandbox.length === 0) {
    return "Not started yet";
  }
  return open.length === 0
    ? "Yes: files, network, programs, privileges and memory"
    : `Not wholly. ${open.map((layer) => `${layer.name}: ${layer.missing ?? ""}`).join("; ")}`;
}

function uptimeText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  return days > 1 ? `${days} days` : durationText(seconds * 1000);
}
