/** The relay: whether there is one, the claim code while it waits, and the connection afterwards. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check, CircleCheck, Copy, Link2, PlugZap } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import type { Claim, RelayInput } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { Note, ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { Instant } from "../../components/Time";

export function ClaimPanel({ claim }: { claim: Claim }) {
  const [editing, setEditing] = useState(false);
  return (
    <Panel
      title="Relay"
      actions={
        <Button look="quiet" icon={Link2} data-testid="relay-edit" onClick={() => setEditing(true)}>
          {claim.state === "no_relay" ? "Set the relay" : "Change"}
        </Button>
      }
    >
      <div data-testid="claim" data-state={claim.state}>
        {claim.state === "no_relay" && (
          <p className="p-4 text-soft">
            No relay is set: this appliance works on the local network only. With a relay, its footage can be watched
            from elsewhere.
          </p>
        )}
        {claim.state === "waiting" && <Code claim={claim} />}
        {claim.state === "claimed" && (
          <Facts>
            <Fact name="Site">{claim.site_name ?? "–"}</Fact>
            <Fact name="Relay">{claim.relay_url ?? "–"}</Fact>
            <Fact name="Connection">
              <Connection connected={claim.connected} />
            </Fact>
          </Facts>
        )}
        {claim.failure && (
          <div className="px-3 pb-3">
            <Note tone="warn">{claim.failure}</Note>
          </div>
        )}
      </div>
      {editing && (
        <Dialog title="Relay" onClose={() => setEditing(false)}>
          <RelayForm claim={claim} onDone={() => setEditing(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

/** Big enough to be read across a room, or to a colleague on the phone. */
function Code({ claim }: { claim: Claim }) {
  const [copied, setCopied] = useState(false);
  const { code } = claim;
  return (
    <div className="flex flex-col items-center gap-3 px-4 py-6 text-center">
      <p>
        Type this code at <span className="font-medium">{claim.relay_url ?? "the relay"}</span> to join this appliance
        to an organisation.
      </p>
      {code === null ? (
        <p className="text-soft">The code is being fetched from the relay…</p>
      ) : (
        <>
          <output className="font-mono text-4xl font-semibold tracking-widest select-all" data-testid="claim-code">
            {code}
          </output>
          <Button
            icon={copied ? Check : Copy}
            onClick={() => void copy(code).then(setCopied)}
            aria-live="polite"
          >
            {copied ? "Copied" : "Copy the code"}
          </Button>
        </>
      )}
      {claim.code_expires_at && (
        <p className="text-xs text-soft">
          Valid until <Instant at={claim.code_expires_at} />, then another one is shown.
        </p>
      )}
    </div>
  );
}

/** The clipboard is closed to pages that come over plain HTTP, as this one does; the old way still works there. */
async function copy(text: string): Promise<boolean> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

function Connection({ connected }: { connected: boolean }) {
  const Icon = connected ? CircleCheck : PlugZap;
  return (
    <span className="inline-flex items-center gap-1.5">
      <Icon size={16} aria-hidden className={connected ? "text-ok" : "text-warn"} />
      {connected ? "Connected" : "Not connected; tried again by itself"}
    </span>
  );
}

function RelayForm({ claim, onDone }: { claim: Claim; onDone: () => void }) {
  const [url, setUrl] = useState(claim.relay_url ?? "https://");
  const [fingerprint, setFingerprint] = useState("");
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: (input: RelayInput) => demand("PUT", apiUrl("/system/relay"), input),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["system"] });
      onDone();
    },
  });
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="relay-form"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(fingerprint ? { url, ca_sha256: fingerprint } : { url });
      }}
    >
      <TextField
        label="Address of the relay"
        name="url"
        type="url"
        pattern="https://.+"
        hint="As it stands in the browser of who runs it: https://relay.example:8443. Empty: no relay."
        value={url}
        onChange={(event) => setUrl(event.target.value.trim())}
      />
      <TextField
        label="Fingerprint of its certificate authority (optional)"
        name="ca_sha256"
        spellCheck={false}
        pattern="[0-9a-fA-F]{64}"
        hint="SHA-256, 64 characters. Needed for a relay that made its own certificates; its admin has it."
        value={fingerprint}
        onChange={(event) => setFingerprint(event.target.value.replaceAll(/[\s:]/g, ""))}
      />
      <ProblemNote error={save.error} />
      <Button type="submit" look="primary" busy={save.isPending}>
        Save
      </Button>
    </form>
  );
}
