import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Cctv, Play, X } from "lucide-react";

import { apiUrl, demand } from "../api/client";
import { camerasQuery, sitesQuery } from "../api/queries";
import type { ListedCamera, Site, StreamLink } from "../api/types";
import { Button, IconButton, Spinner, Waiting } from "../components/Button";
import { Empty, ProblemNote } from "../components/Note";
import { Page, Panel } from "../components/Page";
import { CameraStateView } from "../components/State";
import { Curtain } from "../player/Curtain";
import { CodecCurtain, HlsVideo } from "../player/HlsVideo";
import { canPlayCodec } from "../player/support";
import { useProgram } from "../program";

/** Every camera as a tile; one of them plays. Which one is in the address. */
export function LivePage() {
  const search: { camera?: unknown } = useSearch({ strict: false });
  const navigate = useNavigate();
  const onRelay = useProgram() === "relay";
  const cameras = useQuery(camerasQuery());
  const sites = useQuery({ ...sitesQuery, enabled: onRelay });
  const siteOf = (camera: ListedCamera) => sites.data?.find(({ id }) => id === camera.site_id);
  const chosen = cameras.data?.find(({ id }) => id === search.camera);
  const choose = (camera?: string) => void navigate({ to: "/live", search: camera ? { camera } : {}, replace: true });
  return (
    <Page title="Live">
      <ProblemNote error={cameras.error} onRetry={() => void cameras.refetch()} />
      {cameras.isPending && <Waiting />}
      {chosen && <Stage key={chosen.id} camera={chosen} site={siteOf(chosen)} onClose={() => choose()} />}
      {cameras.data?.length === 0 && <NoCameras />}
      <ul className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-4" aria-label="Cameras">
        {cameras.data?.map((camera) => (
          <li key={camera.id}>
            <Tile
              camera={camera}
              site={siteOf(camera)}
              playing={camera.id === chosen?.id}
              onStart={() => choose(camera.id)}
            />
          </li>
        ))}
      </ul>
    </Page>
  );
}

interface TileProps {
  camera: ListedCamera;
  site: Site | undefined;
  playing: boolean;
  onStart: () => void;
}

function Tile({ camera, site, playing, onStart }: TileProps) {
  return (
    <button
      type="button"
      onClick={onStart}
      aria-pressed={playing}
      data-testid="live-start"
      data-camera-id={camera.id}
      className="panel group flex w-full flex-col overflow-hidden text-left aria-pressed:border-accent"
    >
      <span className="always-dark flex aspect-video w-full items-center justify-center bg-ground text-soft">
        {playing ? (
          <span className="font-medium text-accent">Playing above</span>
        ) : (
          <Play size={28} aria-hidden className="group-hover:text-accent" />
        )}
      </span>
      <span className="flex w-full flex-col px-3 py-2">
        <span className="truncate font-medium">
          <span className="sr-only">Watch </span>
          {camera.name}
        </span>
        {site && <span className="truncate text-xs text-soft">{site.name}</span>}
        <span className="text-xs text-soft">
          {site?.online === false ? "Site is offline" : <CameraStateView state={camera.state} />}
        </span>
      </span>
    </button>
  );
}

interface StageProps {
  camera: ListedCamera;
  site: Site | undefined;
  onClose: () => void;
}

/** The camera that is watched: its stream is asked for, which may start it at the recorder, and then played. */
function Stage({ camera, site, onClose }: StageProps) {
  const playable = canPlayCodec(camera.video_codec);
  const link = useQuery({
    queryKey: ["stream", camera.id],
    queryFn: () => demand<StreamLink>("GET", apiUrl(`/cameras/${camera.id}/stream/hls`)),
    enabled: playable,
    // A link is good for one viewing, and a limit that is reached is told at once.
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
  return (
    <Panel
      title={
        <>
          {camera.name}
          {site && <span className="font-normal text-soft"> · {site.name}</span>}
        </>
      }
      actions={<IconButton icon={X} label="Stop" data-testid="live-stop" onClick={onClose} />}
    >
      {link.data ? (
        <HlsVideo
          url={link.data.url}
          live
          label={`Live picture of ${camera.name}`}
          starting="Waiting for the first picture…"
          // Its source may have ended meanwhile, and asking for it is what starts it.
          onRetry={() => void link.refetch()}
        />
      ) : (
        <div className="picture relative">
          {!playable ? (
            <CodecCurtain live />
          ) : link.error ? (
            <Curtain>
              <p role="alert" className="max-w-lg" data-testid="play-failure">
                {link.error.message}
              </p>
              <Button busy={link.isFetching} onClick={() => void link.refetch()}>
                Try again
              </Button>
            </Curtain>
          ) : (
            <Curtain>
              <Spinner size={28} />
              <p role="status">Starting the stream…</p>
            </Curtain>
          )}
        </div>
      )}
    </Panel>
  );
}

function NoCameras() {
  const onRelay = useProgram() === "relay";
  return (
    <Empty icon={Cctv} title="No cameras yet">
      <p>
        {onRelay ? "Cameras appear here as the sites report them. " : "Cameras come from a recorder. "}
        <Link to="/" className="text-accent underline">
          {onRelay ? "Go to the sites" : "Add a recorder"}
        </Link>
      </p>
    </Empty>
  );
}
