import * as Switch from "@radix-ui/react-switch";
import { Link } from "@tanstack/react-router";
import { Cctv, Check, Film, Pencil, Play, X } from "lucide-react";
import { useState } from "react";

import type { Camera } from "../../api/types";
import { Button, buttonClass, IconButton } from "../../components/Button";
import { TextField } from "../../components/Field";
import { Empty } from "../../components/Note";
import { useNotice } from "../../components/Notices";
import { CameraStateView } from "../../components/State";
import { Ago } from "../../components/Time";
import { bytesText, codecText, count } from "../../words";
import { useCamerasBulk, useSaveCamera } from "./recorders";

interface CameraTableProps {
  cameras: Camera[];
  /** The way to find cameras when there are none. */
  onTest: () => void;
}

export function CameraTable({ cameras, onTest }: CameraTableProps) {
  if (cameras.length === 0) {
    return (
      <div className="border-t border-line">
        <Empty icon={Cctv} title="No cameras known">
          <p>Cameras are taken from the recorder once a test has gone well.</p>
          <Button onClick={onTest}>Test the recorder</Button>
        </Empty>
      </div>
    );
  }
  return (
    <>
      {cameras.length > 1 && <AllCameras cameras={cameras} />}
      <ul className="divide-y divide-line border-t border-line" aria-label="Cameras">
        {cameras.map((camera) => (
          <CameraRow key={camera.id} camera={camera} />
        ))}
      </ul>
    </>
  );
}

/** Switches all cameras of a recorder at once. */
function AllCameras({ cameras }: { cameras: Camera[] }) {
  const bulk = useCamerasBulk();
  const tell = useNotice();
  const fetched = cameras.filter(({ enabled }) => enabled).length;
  const act = (enabled: boolean) => {
    const ids = cameras.filter((camera) => camera.enabled !== enabled).map(({ id }) => id);
    bulk.mutate({ enabled, ids }, { onError: (error) => tell(error.message) });
  };
  return (
    <div className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-1.5 text-soft">
      <span className="mr-auto">
        {fetched} of {count(cameras.length, "camera")} fetched
      </span>
      <Button
        look="quiet"
        disabled={fetched === cameras.length || bulk.isPending}
        data-testid="cameras-enable"
        onClick={() => act(true)}
      >
        Fetch all
      </Button>
      <Button look="quiet" disabled={fetched === 0 || bulk.isPending} data-testid="cameras-disable" onClick={() => act(false)}>
        Fetch none
      </Button>
    </div>
  );
}

function CameraRow({ camera }: { camera: Camera }) {
  const [renaming, setRenaming] = useState(false);
  const save = useSaveCamera();
  const tell = useNotice();
  const onError = (error: Error) => tell(error.message);
  return (
    <li
      data-camera-id={camera.id}
      className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 px-4 py-1.5
        md:grid-cols-[minmax(0,1.2fr)_8.5rem_minmax(0,2fr)_3.5rem_14.5rem]"
    >
      {renaming ? (
        <RenameForm
          camera={camera}
          onRename={(name) => {
            setRenaming(false);
            save.mutate({ ...camera, name }, { onError });
          }}
          onCancel={() => setRenaming(false)}
        />
      ) : (
        <div className="flex min-w-0 items-center gap-1">
          <span className="w-8 shrink-0 text-soft" title="Channel of the recorder">
            {camera.channel}
          </span>
          <span className="truncate font-medium">{camera.name}</span>
          <IconButton icon={Pencil} label={`Rename ${camera.name}`} size={14} onClick={() => setRenaming(true)} />
        </div>
      )}
      <CameraStateView state={camera.state} />
      <div className="col-span-2 min-w-0 text-soft md:col-span-1 md:truncate">
        {count(camera.held_recordings, "recording")} · {bytesText(camera.held_bytes)}
        {camera.newest_utc && (
          <>
            {" "}
            · newest <Ago at={camera.newest_utc} />
          </>
        )}
      </div>
      <span className="hidden text-soft md:block">{camera.video_codec && codecText(camera.video_codec)}</span>
      <div className="col-span-2 flex items-center justify-between gap-1 md:col-span-1 md:justify-end">
        <label className="flex items-center gap-2 pr-2 text-soft">
          <Switch.Root
            checked={camera.enabled}
            disabled={save.isPending}
            onCheckedChange={(enabled) => save.mutate({ ...camera, enabled }, { onError })}
            aria-label={`Fetch the footage of ${camera.name}`}
            className="h-5 w-9 rounded-full border border-edge bg-ground data-[state=checked]:border-accent
              data-[state=checked]:bg-accent"
          >
            <Switch.Thumb
              className="block size-3.5 translate-x-0.5 rounded-full bg-edge transition-transform
                data-[state=checked]:translate-x-[1.1rem] data-[state=checked]:bg-on-accent"
            />
          </Switch.Root>
          {camera.enabled ? "Fetched" : "Not fetched"}
        </label>
        <span className="flex">
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
      </div>
    </li>
  );
}

interface RenameFormProps {
  camera: Camera;
  onRename: (name: string) => void;
  onCancel: () => void;
}

function RenameForm({ camera, onRename, onCancel }: RenameFormProps) {
  const [name, setName] = useState(camera.name);
  return (
    <form
      className="flex min-w-0 items-center gap-1"
      onKeyDown={(event) => event.key === "Escape" && onCancel()}
      onSubmit={(event) => {
        event.preventDefault();
        onRename(name.trim());
      }}
    >
      <TextField
        label="Name of the camera"
        labelHidden
        required
        autoFocus
        pattern=".*\S.*"
        className="min-w-0 grow"
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <IconButton icon={Check} label="Save the name" type="submit" />
      <IconButton icon={X} label="Keep the old name" onClick={onCancel} />
    </form>
  );
}
