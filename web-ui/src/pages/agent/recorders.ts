/** What can be done with recorders and cameras, shared by the set-up and the overview. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { apiUrl, demand } from "../../api/client";
import type {
  Camera,
  FoundDevice,
  Page,
  Recorder,
  RecorderInput,
  RecorderTest,
  SyncJob,
  SyncRequest,
} from "../../api/types";

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

/** Logs in to a recorder step by step; when that works, its cameras are taken over. */
export function useTestRecorder() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, enabled }: Recorder) => {
      const test = await demand<RecorderTest>("POST", apiUrl(`/recorders/${id}/test`));
      if (test.ok && enabled) {
        await demand("POST", apiUrl(`/recorders/${id}/import`));
      }
      return test;
    },
    onSettled: async () => {
      await client.invalidateQueries({ queryKey: ["recorder"] });
      await client.invalidateQueries({ queryKey: ["camera"] });
    },
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
