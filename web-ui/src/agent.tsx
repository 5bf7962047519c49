/** Entry point of the agent's LAN page. */
import { useQuery } from "@tanstack/react-query";
import { createRootRoute, createRoute, Outlet } from "@tanstack/react-router";
import { Archive, CalendarCheck, Cctv, Database, Film, HardDrive, LayoutDashboard, Settings } from "lucide-react";
import { useState } from "react";

import { setupQuery } from "./api/queries";
import { Waiting } from "./components/Button";
import { Shell, type NavItem } from "./components/Shell";
import { AgentCompletenessPage } from "./pages/agent/AgentCompletenessPage";
import { OverviewPage } from "./pages/agent/OverviewPage";
import { RecordersPage } from "./pages/agent/RecordersPage";
import { SetupPage } from "./pages/agent/SetupPage";
import { StoragePage } from "./pages/agent/StoragePage";
import { SystemPage } from "./pages/agent/SystemPage";
import { ArchivesPage } from "./pages/archives/ArchivesPage";
import { Gate, NoAnswer } from "./pages/Gate";
import { LivePage } from "./pages/LivePage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { RecordingPage } from "./pages/recordings/RecordingPage";
import { RecordingsPage } from "./pages/recordings/RecordingsPage";
import { start } from "./start";

const NAV: readonly NavItem[] = [
  { to: "/", text: "Overview", icon: LayoutDashboard },
  { to: "/recorders", text: "Recorders", icon: HardDrive },
  { to: "/recordings", text: "Recordings", short: "Footage", icon: Film },
  { to: "/completeness", text: "Completeness", short: "Gaps", icon: CalendarCheck },
  { to: "/archives", text: "Archives", icon: Archive },
  { to: "/live", text: "Live", icon: Cctv },
  { to: "/storage", text: "Storage", icon: Database, wide: true },
  { to: "/system", text: "System", icon: Settings },
];

/** The first-run set-up comes before everything; it goes on after its first step has logged the person in. */
function Root() {
  const setup = useQuery(setupQuery);
  const [finished, setFinished] = useState(false);
  if (setup.data === undefined) {
    return setup.isError ? <NoAnswer error={setup.error} onRetry={() => void setup.refetch()} /> : <Waiting />;
  }
  if (setup.data.needed && !finished) {
    return <SetupPage appliance={setup.data.appliance} onDone={() => setFinished(true)} />;
  }
  return (
    <Gate>
      {(me) => (
        <Shell me={me} nav={NAV}>
          <Outlet />
        </Shell>
      )}
    </Gate>
  );
}

const root = createRootRoute({ component: Root, notFoundComponent: NotFoundPage });
const page = (path: string, component: () => React.ReactNode) =>
  createRoute({ getParentRoute: () => root, path, component });

start(
  "agent",
  root.addChildren([
    page("/", OverviewPage),
    page("/recorders", RecordersPage),
    page("/recordings", RecordingsPage),
    page("/recordings/$recordingId", RecordingPage),
    page("/completeness", AgentCompletenessPage),
    page("/archives", ArchivesPage),
    page("/live", LivePage),
    page("/storage", StoragePage),
    page("/system", SystemPage),
  ]),
);
