import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Building2, Plus } from "lucide-react";
import { useState } from "react";

import { sitesQuery } from "../../api/queries";
import type { Site } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { Figure, Figures } from "../../components/Figures";
import { Empty, ProblemNote } from "../../components/Note";
import { Page, Panel } from "../../components/Page";
import { OnlineView } from "../../components/State";
import { Ago } from "../../components/Time";
import { bytesText, count } from "../../words";
import { useMay } from "../Gate";
import { ClaimForm } from "./ClaimForm";

/** Every site, whether it is online, and the way to add one. */
export function SitesPage() {
  const sites = useQuery(sitesQuery);
  const [claiming, setClaiming] = useState(false);
  const mayClaim = useMay("claim");
  const claimButton = mayClaim && (
    <Button look="primary" icon={Plus} data-testid="claim-open" onClick={() => setClaiming(true)}>
      Claim appliance
    </Button>
  );
  const some = (sites.data?.length ?? 0) > 0;
  return (
    <Page title="Sites" actions={some && claimButton}>
      <ProblemNote error={sites.error} onRetry={() => void sites.refetch()} />
      {sites.isPending && <Waiting />}
      {sites.data && some && <State sites={sites.data} />}
      {sites.data?.length === 0 && (
        <Panel>
          <Empty icon={Building2} title="No sites yet">
            <p>
              A site begins with its appliance: set this relay on the appliance’s page under System, then type the code
              that it shows here.
            </p>
            {claimButton || <p>An admin of your organisation can do this.</p>}
          </Empty>
        </Panel>
      )}
      {some && (
        <ul className="panel divide-y divide-line overflow-hidden" aria-label="Sites">
          {sites.data?.map((site) => (
            <SiteRow key={site.id} site={site} />
          ))}
        </ul>
      )}
      {claiming && (
        <Dialog title="Claim appliance" onClose={() => setClaiming(false)}>
          <ClaimForm onDone={() => setClaiming(false)} />
        </Dialog>
      )}
    </Page>
  );
}

function State({ sites }: { sites: Site[] }) {
  const sum = (value: (site: Site) => number) => sites.reduce((total, site) => total + value(site), 0);
  return (
    <Figures>
      <Figure name="Sites online" value={`${sites.filter(({ online }) => online).length} of ${sites.length}`} />
      <Figure name="Cameras" value={String(sum((site) => site.cameras))} />
      <Figure
        name="Footage held at the sites"
        value={bytesText(sum((site) => site.held_bytes))}
        note={count(sum((site) => site.held_recordings), "recording")}
      />
    </Figures>
  );
}

function SiteRow({ site }: { site: Site }) {
  return (
    <li data-site-id={site.id} data-online={site.online}>
      <Link
        to={`/sites/${site.id}`}
        className="grid grid-cols-[1fr_auto] items-center gap-x-6 gap-y-0.5 px-4 py-3 -outline-offset-2 hover:bg-raised/50
          md:grid-cols-[minmax(0,1.5fr)_8rem_9rem_minmax(0,1fr)]"
      >
        <span className="truncate font-medium">{site.name}</span>
        <OnlineView online={site.online} />
        <span className="text-soft">
          {site.last_seen_at ? (
            <>
              Seen <Ago at={site.last_seen_at} />
            </>
          ) : (
            "Never seen"
          )}
        </span>
        <span className="text-right text-soft">
          {count(site.cameras, "camera")} · {bytesText(site.held_bytes)}
        </span>
      </Link>
    </li>
  );
}
