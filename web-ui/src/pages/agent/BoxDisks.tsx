/** The disks in this box: what is on each, what it is used for, and a way to use another one for footage. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, CircleX, HardDrive, RefreshCw, TriangleAlert, Usb } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { disksQuery, storageQuery } from "../../api/queries";
import type { Adoption, BoxDisk, BoxDisks, DiskContent } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { Note, ProblemNote } from "../../components/Note";
import { Panel } from "../../components/Page";
import { Instant } from "../../components/Time";
import { bytesText, sentence } from "../../words";

const STATE_TEXT: Record<BoxDisk["state"], string> = {
  system: "System",
  footage: "Used for footage",
  free: "Empty",
  has_data: "Not used here",
  in_use: "In use",
  refused: "Cannot be used",
};

const TRANSPORT_TEXT = new Map([
  ["sata", "SATA"],
  ["ata", "SATA"],
  ["sas", "SAS"],
  ["nvme", "NVMe"],
  ["usb", "USB"],
  ["mmc", "eMMC or SD card"],
  ["virtio", "virtual"],
]);

/** Nothing where the box does not adopt disks. */
export function BoxDisksPanel() {
  const disks = useQuery(disksQuery);
  const [asking, setAsking] = useState<BoxDisk | null>(null);
  if (!disks.data) {
    return <ProblemNote error={disks.error} />;
  }
  const { offered, items, adoption } = disks.data;
  if (!offered) {
    return null;
  }
  return (
    <Panel title="Disks in this box">
      <div data-testid="box-disks">
        <AdoptionView adoption={adoption} items={items} />
        <ul className="divide-y divide-line">
          {items.map((disk) => (
            <DiskRow
              key={`${disk.name} ${disk.id}`}
              disk={disk}
              isBusy={adoption.state === "ordered"}
              onAdopt={() => setAsking(disk)}
            />
          ))}
        </ul>
        <p className="border-t border-line px-4 py-3 text-xs text-soft">
          Put another disk in (SATA and NVMe with the box switched off) and it appears here. What is used for footage stays
          so, over restarts and updates.
        </p>
      </div>
      {asking && <AdoptDialog disk={asking} onClose={() => setAsking(null)} />}
    </Panel>
  );
}

interface DiskRowProps {
  disk: BoxDisk;
  isBusy: boolean;
  onAdopt: () => void;
}

function DiskRow({ disk, isBusy, onAdopt }: DiskRowProps) {
  const Icon = disk.transport === "usb" ? Usb : HardDrive;
  return (
    <li className="flex gap-3 px-4 py-3" data-testid="box-disk" data-disk={disk.name} data-state={disk.state}>
      <Icon size={20} aria-hidden className="mt-0.5 shrink-0 text-soft" />
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <div className="flex flex-wrap items-baseline justify-between gap-x-4">
          <p className="min-w-0 font-medium wrap-anywhere">
            {nameOf(disk)} <span className="font-normal text-soft">{bytesText(disk.bytes)}</span>
          </p>
          <p className="text-sm">{STATE_TEXT[disk.state]}</p>
        </div>
        <p className="wrap-anywhere">{disk.message}</p>
        {disk.state !== "system" && disk.contents.length > 0 && <Contents contents={disk.contents} />}
        <p className="text-xs wrap-anywhere text-soft">{facts(disk).join(" · ")}</p>
        {disk.confirm && (
          <div className="mt-1">
            <Button data-testid="disk-adopt" disabled={isBusy} onClick={onAdopt}>
              Use for footage…
            </Button>
          </div>
        )}
      </div>
    </li>
  );
}

function Contents({ contents }: { contents: DiskContent[] }) {
  return (
    <ul className="text-sm text-soft">
      {contents.map(({ name, bytes, file_system, label }) => (
        <li key={name} className="wrap-anywhere">
          {label ? `“${label}”, ` : ""}
          {file_system || "unknown content"}, {bytesText(bytes)}
        </li>
      ))}
    </ul>
  );
}

/** Asks for what stands on the disk's label, so that a slip of the finger erases nothing. */
function AdoptDialog({ disk, onClose }: { disk: BoxDisk; onClose: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const adopt = useMutation({
    mutationFn: () =>
      demand<BoxDisks>("POST", apiUrl(`/disks/${disk.id}/adopt`), { seen: disk.seen, confirm: typed.trim() }),
    onSuccess: (disks) => {
      client.setQueryData(disksQuery.queryKey, disks);
      void client.invalidateQueries({ queryKey: storageQuery.queryKey });
      onClose();
    },
  });
  const { of, chars } = disk.confirm ?? { of: "serial", chars: 4 };
  const number = of === "serial" ? "serial number" : "World Wide Name (WWN)";
  return (
    <Dialog title="Use this disk for footage?" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        data-testid="disk-adopt-form"
        onSubmit={(event) => {
          event.preventDefault();
          adopt.mutate();
        }}
      >
        <div>
          <p className="font-medium wrap-anywhere">
            {nameOf(disk)}, {bytesText(disk.bytes)}
          </p>
          <p className="text-sm wrap-anywhere text-soft">{facts(disk).join(" · ")}</p>
          {disk.contents.length > 0 && <Contents contents={disk.contents} />}
        </div>
        <Note tone="warn" title="Everything on this disk will be erased">
          <p>
            {disk.contents.length > 0 ? "What is listed above is lost" : "Whatever may be on it is lost"}, and nobody can bring
            it back. Recording pauses for some seconds while the new disk is taken in.
          </p>
        </Note>
        <TextField
          label={`Last ${chars} characters of its ${number}`}
          hint="They stand on the label of the disk. Look there, so that it is the right one."
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="characters"
        />
        <ProblemNote error={adopt.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Keep</Button>
          <Button
            type="submit"
            look="danger"
            data-testid="disk-adopt-yes"
            busy={adopt.isPending}
            disabled={typed.trim().length < chars}
          >
            Erase and use
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function AdoptionView({ adoption, items }: { adoption: Adoption; items: BoxDisk[] }) {
  if (adoption.state === "none") {
    return null;
  }
  const disk = items.find(({ id }) => id === adoption.id);
  const name = disk ? nameOf(disk) : "The disk";
  const { icon: Icon, colour, text } = ADOPTION[adoption.state];
  return (
    <div role="status" className="flex gap-3 border-b border-line px-4 py-3" data-adoption={adoption.state}>
      <Icon size={20} aria-hidden className={`shrink-0 ${colour}`} />
      <div className="flex min-w-0 flex-col gap-1">
        <p className="font-medium wrap-anywhere">
          {name}: {text}
        </p>
        {adoption.state === "ordered" && (
          <p>It takes about a minute. The agent starts again then, so this page may lose it for a moment.</p>
        )}
        {"reason" in adoption && <p className="wrap-anywhere">{sentence(adoption.reason)}</p>}
        {"at" in adoption && (
          <p className="text-xs text-soft">
            <Instant at={adoption.at} />
          </p>
        )}
      </div>
    </div>
  );
}

const ADOPTION = {
  ordered: { icon: RefreshCw, colour: "text-accent", text: "being erased and made ready" },
  good: { icon: CircleCheck, colour: "text-ok", text: "now used for footage" },
  refused: { icon: TriangleAlert, colour: "text-warn", text: "left as it is" },
  failed: { icon: CircleX, colour: "text-bad", text: "could not be made ready" },
};

function nameOf({ model, name }: BoxDisk): string {
  return model || name;
}

function facts({ transport, rotational, serial, name, removable }: BoxDisk): string[] {
  return [
    TRANSPORT_TEXT.get(transport) ?? transport,
    rotational ? "hard disk" : "solid state",
    removable && transport !== "usb" ? "removable" : "",
    serial && `serial ${serial}`,
    `/dev/${name}`,
  ].filter((text) => text !== "");
}
