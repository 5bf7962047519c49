/** States: always a shape and a word, the colour only repeats them. */
import {
  CheckCheck,
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  Download,
  Eraser,
  PackageOpen,
  PencilOff,
  PlugZap,
  Snail,
  Trash2,
  TriangleAlert,
  type LucideIcon,
} from "lucide-react";

import type {
  ArchiveState,
  CameraState,
  DiskHealth,
  FindingLevel,
  RecorderState,
  RecordingStatus,
  Verdict,
  VolumeState,
} from "../api/types";
import { ARCHIVE_TEXT, STATUS_TEXT, VERDICT_TEXT } from "../words";

interface Shape {
  icon: LucideIcon;
  colour: string;
  text: string;
}

function State({ icon: Icon, colour, text }: Shape) {
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
      <Icon size={16} aria-hidden className={`shrink-0 ${colour}`} />
      {text}
    </span>
  );
}

const RECORDER: Record<RecorderState, Shape> = {
  unknown: { icon: CircleDashed, colour: "text-soft", text: "Not asked yet" },
  online: { icon: CircleCheck, colour: "text-ok", text: "Online" },
  offline: { icon: PlugZap, colour: "text-warn", text: "Offline" },
  error: { icon: CircleX, colour: "text-bad", text: "Error" },
};

export function RecorderStateView({ state }: { state: RecorderState }) {
  return <State {...RECORDER[state]} />;
}

const FINDING: Record<FindingLevel, Shape> = {
  well: { icon: CircleCheck, colour: "text-ok", text: "Well" },
  note: { icon: TriangleAlert, colour: "text-warn", text: "Note" },
  wrong: { icon: CircleX, colour: "text-bad", text: "Wrong" },
};

export function FindingLevelView({ level }: { level: FindingLevel }) {
  return <State {...FINDING[level]} />;
}

const VOLUME: Record<VolumeState, Shape> = {
  working: { icon: CircleCheck, colour: "text-ok", text: "Working" },
  gone: { icon: PlugZap, colour: "text-bad", text: "Not there" },
  foreign: { icon: CircleX, colour: "text-bad", text: "Another disk" },
  read_only: { icon: PencilOff, colour: "text-bad", text: "Read-only" },
  failing: { icon: CircleX, colour: "text-bad", text: "Failing" },
  slow: { icon: Snail, colour: "text-warn", text: "Slow" },
  full: { icon: TriangleAlert, colour: "text-warn", text: "Full" },
};

export function VolumeStateView({ state }: { state: VolumeState }) {
  return <State {...VOLUME[state]} />;
}

const DISK: Record<DiskHealth, Shape> = {
  unknown: { icon: CircleDashed, colour: "text-soft", text: "Not known" },
  good: { icon: CircleCheck, colour: "text-ok", text: "Good" },
  ageing: { icon: TriangleAlert, colour: "text-warn", text: "Ageing" },
  failing: { icon: CircleX, colour: "text-bad", text: "Failing" },
};

export function DiskHealthView({ health }: { health: DiskHealth }) {
  return <State {...DISK[health]} />;
}

const CAMERA: Record<CameraState, Shape> = {
  unknown: { icon: CircleDashed, colour: "text-soft", text: "Not known yet" },
  online: { icon: CircleCheck, colour: "text-ok", text: "Online" },
  offline: { icon: PlugZap, colour: "text-warn", text: "Offline" },
};

export function CameraStateView({ state }: { state: CameraState }) {
  return <State {...CAMERA[state]} />;
}

const STATUS: Record<RecordingStatus, Omit<Shape, "text">> = {
  pending: { icon: Clock, colour: "text-soft" },
  downloading: { icon: Download, colour: "text-accent" },
  completed: { icon: CircleCheck, colour: "text-ok" },
  failed: { icon: TriangleAlert, colour: "text-bad" },
  evicted: { icon: Trash2, colour: "text-soft" },
};

export function StatusView({ status }: { status: RecordingStatus }) {
  return <State {...STATUS[status]} text={STATUS_TEXT[status]} />;
}

const VERDICT: Record<Verdict, Omit<Shape, "text">> = {
  complete: { icon: CircleCheck, colour: "text-ok" },
  coming: { icon: Clock, colour: "text-accent" },
  incomplete: { icon: TriangleAlert, colour: "text-bad" },
};

export function VerdictView({ verdict }: { verdict: Verdict }) {
  return <State {...VERDICT[verdict]} text={VERDICT_TEXT[verdict]} />;
}

const ARCHIVE: Record<ArchiveState, Omit<Shape, "text">> = {
  building: { icon: PackageOpen, colour: "text-accent" },
  ready: { icon: CircleCheck, colour: "text-ok" },
  downloaded: { icon: CheckCheck, colour: "text-ok" },
  clearing: { icon: Eraser, colour: "text-warn" },
  cleared: { icon: Trash2, colour: "text-soft" },
  failed: { icon: TriangleAlert, colour: "text-bad" },
};

export function ArchiveStateView({ state }: { state: ArchiveState }) {
  return <State {...ARCHIVE[state]} text={ARCHIVE_TEXT[state]} />;
}

export function OnlineView({ online }: { online: boolean }) {
  return <State {...CAMERA[online ? "online" : "offline"]} />;
}
