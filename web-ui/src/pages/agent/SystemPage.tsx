import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";

import { storageQuery, systemQuery } from "../../api/queries";
import type { System } from "../../api/types";
import { buttonClass, Waiting } from "../../components/Button";
import { ProblemNote } from "../../components/Note";
import { Fact, Facts, Page, Panel } from "../../components/Page";
import { durationText } from "../../time";
import { CheckUpPanel } from "../appliance/CheckUpPanel";
import { HandOnPanel } from "../appliance/HandOnPanel";
import { ClaimPanel } from "./ClaimPanel";
import { ClockPanel } from "./ClockPanel";
import { CustodyPanel } from "./CustodyPanel";
import { DownloadsPanel } from "./DownloadsPanel";
import { AbilityNotes } from "./AbilityNotes";
import { UpdatePanel } from "./UpdatePanel";
import { Volumes } from "./Volumes";

/** The appliance itself. */
export function SystemPage() {
  const system = useQuery(systemQuery);
  const storage = useQuery(storageQuery);
  return (
    <Page title="System">
      <AbilityNotes />
      <ProblemNote error={system.error ?? storage.error} onRetry={() => void system.refetch()} />
      {system.isPending && <Waiting />}
      {system.data && <ClaimPanel claim={system.data.claim} />}
      <DownloadsPanel />
      {storage.data && (
        <Panel
          title="Storage"
          actions={
            <Link to="/storage" className={buttonClass("quiet")} data-testid="to-storage">
              How long footage stays <ChevronRight size={16} aria-hidden />
            </Link>
          }
        >
          <Volumes volumes={storage.data.volumes} />
        </Panel>
      )}
      <CustodyPanel />
      {system.data && <AppliancePanel system={system.data} />}
      <ClockPanel />
      <UpdatePanel />
      <CheckUpPanel system="/system" online />
      {system.data && <HandOnPanel appliance={system.data.appliance} system="/system" online />}
    </Page>
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
