import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Cctv, Film, Play } from "lucide-react";

import { camerasQuery, meQuery, sitesQuery } from "../../api/queries";
import type { ListedCamera, Site } from "../../api/types";
import { buttonClass, Waiting } from "../../components/Button";
import { Empty, Note, ProblemNote } from "../../components/Note";
import { Fact, Facts, Page, Panel } from "../../components/Page";
import { CameraStateView, OnlineView } from "../../components/State";
import { Ago, Instant } from "../../components/Time";
import { may } from "../../may";
import { bytesText, codecText, count } from "../../words";
import { NotFoundPage } from "../NotFoundPage";
import { CheckUpPanel } from "../appliance/CheckUpPanel";
import { HandOnPanel } from "../appliance/HandOnPanel";
import { SiteUpdatePanel } from "./SiteUpdatePanel";

/** One site: its appliance and its cameras, as last reported. */
export function SitePage() {
  const { siteId } = useParams({ strict: false });
  const sites = useQuery(sitesQuery);
  const cameras = useQuery(camerasQuery(siteId));
  const { data: me } = useQuery(meQuery);
  if (sites.data === undefined) {
    return (
      <Page title="Site">
        {sites.isPending && <Waiting />}
        <ProblemNote error={sites.error} onRetry={() => void sites.refetch()} />
      </Page>
    );
  }
  const site = sites.data.find(({ id }) => id === siteId);
  if (site === undefined) {
    return <NotFoundPage />;
  }
  const mayManage = me !== undefined && me !== null && may(me.role, "manage");
  return (
    <Page
      title={site.name}
      actions={
        <Link to="/recordings" search={{ site: site.id }} className={buttonClass()}>
          <Film size={16} aria-hidden /> Recordings
        </Link>
      }
    >
      {!site.online && (
        <Note tone="warn" title="This site is offline">
          What it last reported is shown. Footage can be watched and downloaded when it is back.
        </Note>
      )}
      <SitePanel site={site} />
      {site.appliance && <SiteUpdatePanel site={site.id} />}
      <ProblemNote error={cameras.error} onRetry={() => void cameras.refetch()} />
      <Panel title="Cameras">
        {cameras.isPending && <Waiting />}
        {cameras.data?.length === 0 && (
          <Empty icon={Cctv} title="No cameras reported yet">
            <p>Add a recorder on the appliance’s own page in its network; its cameras appear here by themselves.</p>
          </Empty>
        )}
        <ul className="divide-y divide-line">
          {cameras.data?.map((camera) => (
            <CameraRow key={camera.id} camera={camera} />
          ))}
        </ul>
      </Panel>
      {site.appliance && mayManage && (
        <>
          <CheckUpPanel system={`/sites/${site.id}/system`} online={site.online} />
          <HandOnPanel appliance={site.appliance} system={`/sites/${site.id}/system`} online={site.online} />
        </>
      )}
    </Page>
  );
}

function SitePanel({ site }: { site: Site }) {
  return (
    <Panel title="Appliance">
      <Facts>
        <Fact name="State">
          <OnlineView online={site.online} />
        </Fact>
        <Fact name="Last seen">{site.last_seen_at ? <Instant at={site.last_seen_at} /> : "Never"}</Fact>
        <Fact name="Appliance">{site.appliance ? <code>{site.appliance}</code> : "None"}</Fact>
        <Fact name="Version">{site.version ?? "–"}</Fact>
        <Fact name="Footage held">
          {bytesText(site.held_bytes)} in {count(site.held_recordings, "recording")}
        </Fact>
        <Fact name="Spare tunnel connections">{site.tunnel_connections}</Fact>
      </Facts>
    </Panel>
  );
}

function CameraRow({ camera }: { camera: ListedCamera }) {
  return (
    <li
      data-camera-id={camera.id}
      className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 px-4 py-1
        md:grid-cols-[minmax(0,1.4fr)_8.5rem_minmax(0,2fr)_4rem_auto]"
    >
      <span className="flex min-w-0 gap-1">
        <span className="w-8 shrink-0 text-soft" title="Channel of the recorder">
          {camera.channel}
        </span>
        <span className="truncate font-medium">{camera.name}</span>
      </span>
      <CameraStateView state={camera.state} />
      <span className="text-soft">
        {count(camera.held_recordings, "recording")} · {bytesText(camera.held_bytes)}
        {camera.newest_utc && (
          <>
            {" "}
            · newest <Ago at={camera.newest_utc} />
          </>
        )}
      </span>
      <span className="hidden text-soft md:block">{camera.video_codec && codecText(camera.video_codec)}</span>
      <span className="flex justify-end">
        <Link
          to="/recordings"
          search={{ camera: camera.id }}
          className={buttonClass("quiet", "aspect-square px-0")}
          aria-label={`Recordings of ${camera.name}`}
          title="Recordings"
        >
          <Film size={18} aria-hidden />
        </Link>
        <Link
          to="/live"
          search={{ camera: camera.id }}
          className={buttonClass("quiet", "aspect-square px-0")}
          aria-label={`Watch ${camera.name} live`}
          title="Live"
        >
          <Play size={18} aria-hidden />
        </Link>
      </span>
    </li>
  );
}
