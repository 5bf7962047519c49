/** What a person does to an archive, with the words that tell how it went. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { apiUrl, demand } from "../../api/client";
import { archiveQuery } from "../../api/queries";
import type { Archive, ArchiveRequest } from "../../api/types";
import { useNotice } from "../../components/Notices";

function useRefresh(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ["archive"] });
}

export function useBuild(onDone: () => void) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (request: ArchiveRequest) => demand<Archive>("POST", apiUrl("/archives"), request),
    onSuccess: () => {
      onDone();
      return refresh();
    },
  });
}

/** Cancels what is being built; takes off the list what is over. */
export function useRemove(archive: Archive) {
  const refresh = useRefresh();
  const tell = useNotice();
  return useMutation({
    mutationFn: () => demand("DELETE", apiUrl(`/archives/${archive.id}`)),
    onSuccess: refresh,
    onError: (error) => tell(error.message),
  });
}

export function useClear(archive: Archive, onDone: () => void) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (override: boolean) => demand<Archive>("POST", apiUrl(`/archives/${archive.id}/clear`), { override }),
    onSuccess: () => {
      onDone();
      return refresh();
    },
  });
}

export function useMailAgain(archive: Archive) {
  const refresh = useRefresh();
  const tell = useNotice();
  return useMutation({
    mutationFn: () => demand<Archive>("POST", apiUrl(`/archives/${archive.id}/mail`)),
    onSuccess: () => {
      tell("The e-mail is sent.");
      return refresh();
    },
    onError: (error) => tell(error.message),
  });
}

/** Hands the download to the browser, which can pause and resume it; the question before it renews the session. */
export function useDownloadArchive(archive: Archive) {
  const client = useQueryClient();
  const tell = useNotice();
  return useMutation({
    mutationFn: () => client.fetchQuery({ ...archiveQuery(archive.id), staleTime: 0 }),
    onSuccess: () => {
      const link = document.createElement("a");
      link.href = apiUrl(`/archives/${archive.id}/download`);
      link.download = "";
      link.click();
    },
    onError: (error) => tell(error.message),
  });
}
