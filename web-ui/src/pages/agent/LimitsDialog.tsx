import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { apiUrl, demand } from "../../api/client";
import { limitsQuery } from "../../api/queries";
import type { CameraLimits, CameraRetention } from "../../api/types";
import { Button, Waiting } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { useNotice } from "../../components/Notices";

const GB = 1_000_000_000;

interface LimitsProps {
  camera: CameraRetention;
  onClose: () => void;
}

/** How long the footage of one camera stays. */
export function LimitsDialog({ camera, onClose }: LimitsProps) {
  const limits = useQuery(limitsQuery(camera.camera_id));
  return (
    <Dialog title={`Footage of ${camera.name}`} onClose={onClose}>
      <ProblemNote error={limits.error} onRetry={() => void limits.refetch()} />
      {limits.isPending && <Waiting />}
      {limits.data && <LimitsForm camera={camera} limits={limits.data} onClose={onClose} />}
    </Dialog>
  );
}

function LimitsForm({ camera, limits, onClose }: LimitsProps & { limits: CameraLimits }) {
  const client = useQueryClient();
  const tell = useNotice();
  const [least, setLeast] = useState(textOf(limits.least_days));
  const [most, setMost] = useState(textOf(limits.most_days));
  const [gigabytes, setGigabytes] = useState(textOf(limits.most_bytes === null ? null : limits.most_bytes / GB));
  const save = useMutation({
    mutationFn: () => {
      const bytes = numberOf(gigabytes);
      const body: CameraLimits = {
        least_days: numberOf(least),
        most_days: numberOf(most),
        most_bytes: bytes === null ? null : Math.round(bytes * GB),
      };
      return demand("PUT", apiUrl(`/cameras/${camera.camera_id}/retention`), body);
    },
    onSuccess: () => {
      tell(`How long footage of ${camera.name} stays is set.`);
      onClose();
      return client.invalidateQueries({ queryKey: ["storage"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4" data-testid="limits-form">
      <TextField
        label="At least, in days"
        name="least"
        type="number"
        min="0"
        step="1"
        value={least}
        onChange={(event) => setLeast(event.target.value)}
        hint="A promise: younger footage stays unless the disk itself is full, and people are told before it breaks."
      />
      <TextField
        label="At most, in days"
        name="most"
        type="number"
        min="1"
        step="1"
        value={most}
        onChange={(event) => setMost(event.target.value)}
        hint="Older footage leaves, whether or not there is room."
      />
      <TextField
        label="At most, in GB"
        name="gigabytes"
        type="number"
        min="0"
        step="any"
        value={gigabytes}
        onChange={(event) => setGigabytes(event.target.value)}
        hint="Beyond that the oldest leaves. A field that is empty takes what the configuration says."
      />
      <ProblemNote error={save.error} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="primary" type="submit" busy={save.isPending} data-testid="limits-save">
          Save
        </Button>
      </div>
    </form>
  );
}

function textOf(value: number | null): string {
  return value === null ? "" : String(value);
}

function numberOf(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}
