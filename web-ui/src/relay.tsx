/** Entry point of the relay's page. */
import { createRootRoute, createRoute, Outlet, redirect } from "@tanstack/react-router";
import { Building2, CalendarCheck, Cctv, Film } from "lucide-react";

import { Shell, type NavItem } from "./components/Shell";
import { CompletenessPage } from "./pages/completeness/CompletenessPage";
import { Gate } from "./pages/Gate";
import { LivePage } from "./pages/LivePage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { RecordingPage } from "./pages/recordings/RecordingPage";
import { RecordingsPage } from "./pages/recordings/RecordingsPage";
import { SitePage } from "./pages/relay/SitePage";
import { SitesPage } from "./pages/relay/SitesPage";
import { start } from "./start";

const NAV: readonly NavItem[] = [
  { to: "/sites", text: "Sites", icon: Building2 },
  { to: "/recordings", text: "Recordings", icon: Film },
  { to: "/completeness", text: "Completeness", short: "Gaps", icon: CalendarCheck },
  { to: "/live", text: "Live", icon: Cctv },
];

function Root() {
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
  "relay",
  root.addChildren([
    createRoute({
      getParentRoute: () => root,
      path: "/",
      beforeLoad: () => {
        throw redirect({ to: "/sites", replace: true });
      },
    }),
    page("/sites", SitesPage),
    page("/sites/$siteId", SitePage),
    page("/recordings", RecordingsPage),
    page("/recordings/$recordingId", RecordingPage),
    page("/completeness", () => <CompletenessPage />),
    page("/live", LivePage),
  ]),
);
