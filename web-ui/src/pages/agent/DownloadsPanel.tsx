/** How much of the recorders downloads may use, and when. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Gauge } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { downloadSettingsQuery } from "../../api/queries";
import type { DownloadSettings, DownloadSettingsInput } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { bandwidthText, kbpsOf } from "../../words";

export function DownloadsPanel() {
  const { data: settings } = useQuery(downloadSettingsQuery);
  const [editing, setEditing] = useState(false);
  if (!settings) {
    return null;
  }
  const zone = settings.zone ?? settings.appliance_zone;
  return (
    <Panel
      title="Downloads"
      actions={
        <Button look="quiet" icon={Gauge} data-testid="downloads-edit" onClick={() => setEditing(true)}>
          Change
        </Button>
      }
    >
      <div data-testid="downloads">
        <Facts>
          <Fact name="What nobody asked for">
            {settings.window === null ? "At any time" : `Only ${settings.window}${zone ? ` (${zone})` : ""}`}
          </Fact>
          <Fact name="Downloads at once from one recorder">{settings.per_recorder}, or as many as it gives</Fact>
          <Fact name="Bandwidth from one recorder">{bandwidthText(settings.limit_kbps)}</Fact>
          <Fact name="Of that for what nobody asked for">
            {settings.background_limit_kbps === null ? "All of it" : bandwidthText(settings.background_limit_kbps)}
          </Fact>
        </Facts>
      </div>
      {editing && (
        <Dialog title="Downloads" onClose={() => setEditing(false)}>
          <DownloadsForm settings={settings} onDone={() => setEditing(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

/** Bandwidths are typed in Mbit/s: that is what contracts and routers say. */
function DownloadsForm({ settings, onDone }: { settings: DownloadSettings; onDone: () => void }) {
  const [from = "", to = ""] = settings.window?.split("-") ?? [];
  const megabits = (kbps: number | null) => (kbps === null ? "" : String(kbps / 1000));
  const [draft, setDraft] = useState({
    from,
    to,
    zone: settings.zone ?? "",
    all: megabits(settings.limit_kbps),
    background: megabits(settings.background_limit_kbps),
  });
  const set = (part: Partial<typeof draft>) => setDraft({ ...draft, ...part });
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: (input: DownloadSettingsInput) => demand<DownloadSettings>("PUT", apiUrl("/system/downloads"), input),
    onSuccess: (saved) => {
      client.setQueryData(downloadSettingsQuery.queryKey, saved);
      onDone();
    },
  });
  const hasWindow = draft.from !== "" || draft.to !== "";
  const speed = { type: "number", min: 0.1, max: 10_000, step: "any", inputMode: "decimal" } as const;
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="downloads-form"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate({
          window: hasWindow ? `${draft.from}-${draft.to}` : null,
          zone: draft.zone === "" ? null : draft.zone,
          limit_kbps: kbpsOf(draft.all),
          background_limit_kbps: kbpsOf(draft.background),
        });
      }}
    >
      <div className="grid grid-cols-2 gap-4">
        <TextField
          label="From"
          name="from"
          type="time"
          required={hasWindow}
          hint="What nobody asked for is downloaded only then; empty: at any time."
          value={draft.from}
          onChange={(event) => set({ from: event.target.value })}
        />
        <TextField
          label="To"
          name="to"
          type="time"
          required={hasWindow}
          value={draft.to}
          onChange={(event) => set({ to: event.target.value })}
        />
      </div>
      <TextField
        label="Time zone"
        name="zone"
        spellCheck={false}
        placeholder={settings.appliance_zone ?? "Europe/Berlin"}
        hint="Like Europe/Berlin; empty: that of the appliance."
        value={draft.zone}
        onChange={(event) => set({ zone: event.target.value.trim() })}
      />
      <TextField
        label="Mbit/s from one recorder"
        name="all"
        {...speed}
        hint="Of all downloads together; empty: as much as it gives."
        value={draft.all}
        onChange={(event) => set({ all: event.target.value })}
      />
      <TextField
        label="Mbit/s of that for what nobody asked for"
        name="background"
        {...speed}
        hint="Empty: all of it."
        value={draft.background}
        onChange={(event) => set({ background: event.target.value })}
      />
      <ProblemNote error={save.error} />
      <Button type="submit" look="primary" busy={save.isPending}>
        Save
      </Button>
    </form>
  );
}
