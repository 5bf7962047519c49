/** What a person does to a recording, with the words that tell how it went. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { apiUrl, demand } from "../../api/client";
import { recordingQuery, sitesQuery } from "../../api/queries";
import type { ListedRecording } from "../../api/types";
import { useNotice } from "../../components/Notices";
import { unavailableText } from "../../words";

export function useLock(recording: ListedRecording) {
  const client = useQueryClient();
  const tell = useNotice();
  return useMutation({
    mutationFn: () => demand("POST", apiUrl(`/recordings/${recording.id}/lock`), { locked: !recording.locked }),
    onSuccess: () => {
      tell(recording.locked ? "Unlocked: it may be evicted again." : "Locked: it is kept until it is unlocked.");
      return client.invalidateQueries({ queryKey: ["recording"] });
    },
    onError: (error) => tell(error.message),
  });
}

export function useDelete(recording: ListedRecording, onDone: () => void) {
  const client = useQueryClient();
  const tell = useNotice();
  return useMutation({
    mutationFn: () => demand("DELETE", apiUrl(`/recordings/${recording.id}`)),
    onSuccess: () => {
      tell("The footage is deleted. The recording stays listed as evicted.");
      onDone();
      return client.invalidateQueries({ queryKey: ["recording"] });
    },
  });
}

/** Where the browser downloads a recording from. */
export function downloadUrl(recording: ListedRecording): string {
  return apiUrl(`/recordings/${recording.id}/download`);
}

/**
 * Hands a download to the browser, which can pause and resume it. A refusal would only be told as "failed" in its list
 * of downloads, so what can be known is asked first; the question also renews a session that has run out.
 */
export function useDownload(recording: ListedRecording) {
  const client = useQueryClient();
  const tell = useNotice();
  return useMutation({
    mutationFn: async () => {
      const now = await client.fetchQuery({ ...recordingQuery(recording.id), staleTime: 0 });
      const unavailable = unavailableText(now);
      if (unavailable !== null) {
        throw new Error(unavailable);
      }
      if (now.site_id !== undefined) {
        const sites = await client.fetchQuery({ ...sitesQuery, staleTime: 0 });
        const site = sites.find(({ id }) => id === now.site_id);
        if (site && !site.online) {
          throw new Error(`${site.name} is offline. The download can begin when the site is back.`);
        }
      }
    },
    onSuccess: () => {
      const link = document.createElement("a");
      link.href = downloadUrl(recording);
      link.download = "";
      link.click();
    },
    onError: (error) => tell(error.message),
  });
}
