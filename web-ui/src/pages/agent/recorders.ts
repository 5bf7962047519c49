/** What can be done with recorders and cameras, shared by the set-up and the overview. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { apiUrl, demand, demandLines } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import type {
  Camera,
  FoundDevice,
  Page,
  Recorder,
  RecorderAction,
  RecorderInput,
  RecorderListRead,
  RecordersBulkDone,
  SyncJob,
  SyncRequest,
  TestLine,
  TestStep,
} from "../../api/types";
import type { ShownStep } from "./TestSteps";

/** What a recorder is set to, as a change sends it. */
export function inputOf({ name, driver, address, port, tls, username, enabled }: Recorder): RecorderInput {
  return { name, driver, address, port, tls, username, enabled };
}

/** Adds a recorder, or changes the one with the given id. */
export function useSaveRecorder() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, input }: { id: string | null; input: RecorderInput }) =>
      id === null
        ? demand<Recorder>("POST", apiUrl("/recorders"), input)
        : demand<Recorder>("PUT", apiUrl(`/recorders/${id}`), input),
    onSuccess: () => client.invalidateQueries({ queryKey: ["recorder"] }),
  });
}

/** Asks the network for devices (ONVIF); takes a few seconds. */
export function useDiscover() {
  return useMutation({
    mutationFn: () => demand<Page<FoundDevice>>("POST", apiUrl("/recorders/discover")),
  });
}

export function useDeleteRecorder() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => demand("DELETE", apiUrl(`/recorders/${id}`)),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["recorder"] });
      await client.invalidateQueries({ queryKey: ["camera"] });
    },
  });
}

/** What is tested: a recorder that is kept, or what stands in a form. */
export type Subject = { recorder: Recorder } | { input: RecorderInput };

/** Tests step by step, and shows each step as it happens; when a kept recorder is well, its cameras are taken over. */
export function useTestRecorder() {
  const client = useQueryClient();
  const [steps, setSteps] = useState<ShownStep[]>([]);
  const mutation = useMutation({
    mutationFn: async (subject: Subject): Promise<{ ok: boolean }> => {
      setSteps([]);
      const kept = "recorder" in subject ? subject.recorder : null;
      let ok: boolean | null = null;
      await demandLines<TestLine>(
        apiUrl(kept ? `/recorders/${kept.id}/test` : "/recorders/test"),
        "input" in subject ? subject.input : undefined,
        (line) => {
          if (line.line === "done") {
            ok = line.ok;
          } else {
            setSteps((known) => withLine(known, line));
          }
        },
      );
      if (ok === null) {
        throw new ApiProblem({ kind: "unreachable" });
      }
      if (ok && kept?.enabled) {
        await demand("POST", apiUrl(`/recorders/${kept.id}/import`));
      }
      return { ok };
    },
    onSettled: async () => {
      await client.invalidateQueries({ queryKey: ["recorder"] });
      await client.invalidateQueries({ queryKey: ["camera"] });
    },
  });
  const reset = () => {
    setSteps([]);
    mutation.reset();
  };
  return { ...mutation, steps, reset };
}

/** A step that ends takes the place of the same step that began. */
export function withLine(known: ShownStep[], line: Exclude<TestLine, { line: "done" }>): ShownStep[] {
  const { line: kind, ...step } = line;
  const shown: ShownStep = kind === "begins" ? { name: step.name, result: "running" } : (step as TestStep);
  return [...known.filter(({ name }) => name !== shown.name), shown];
}

/** Does the same with several recorders: all of it or nothing. */
export function useRecordersBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ action, ids }: { action: RecorderAction; ids: string[] }) =>
      demand<RecordersBulkDone>("POST", apiUrl("/recorders/bulk"), { action, ids }),
    onSettled: async () => {
      await client.invalidateQueries({ queryKey: ["recorder"] });
      await client.invalidateQueries({ queryKey: ["camera"] });
    },
  });
}

/** Looks at a list of recorders, or adds all of it. */
export function useRecorderList() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ csv, dryRun }: { csv: string; dryRun: boolean }) =>
      demand<RecorderListRead>("POST", apiUrl("/recorders/list"), { csv, dry_run: dryRun }),
    onSuccess: ({ added }) => (added > 0 ? client.invalidateQueries({ queryKey: ["recorder"] }) : undefined),
  });
}

/** Switches the fetching of several cameras' footage. */
export function useCamerasBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ enabled, ids }: { enabled: boolean; ids: string[] }) =>
      demand("POST", apiUrl("/cameras/bulk"), { action: enabled ? "enable" : "disable", ids }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["camera"] }),
  });
}

export function useSaveCamera() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, name, enabled }: Pick<Camera, "id" | "name" | "enabled">) =>
      demand<Camera>("PUT", apiUrl(`/cameras/${id}`), { name, enabled }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["camera"] }),
  });
}

export function useSync() {
  return useMutation({
    mutationFn: (request: SyncRequest) => demand<SyncJob>("POST", apiUrl("/sync"), request),
  });
}

export function useCancelSync() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => demand("DELETE", apiUrl(`/sync/${id}`)),
    onSuccess: () => client.invalidateQueries({ queryKey: ["job"] }),
  });
}
