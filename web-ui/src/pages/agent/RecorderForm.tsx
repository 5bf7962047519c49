import { Radar, Stethoscope } from "lucide-react";
import { useState, type ReactNode } from "react";

import type { DriverKind, FoundDevice, Recorder, RecorderInput } from "../../api/types";
import { Button } from "../../components/Button";
import { SelectField, TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { inputOf, useDiscover, useSaveRecorder, useTestRecorder } from "./recorders";
import { TestSteps } from "./TestSteps";

/** Port of a recorder that was not told otherwise, by the way of talking to it. */
function usualPort(driver: DriverKind, tls: boolean): number {
  return driver === "sdk" ? 8000 : tls ? 443 : 80;
}

interface RecorderFormProps {
  /** The one to change, or null for a new one. */
  recorder: Recorder | null;
  /** The recorder is kept and its test went well. */
  onDone: (recorder: Recorder) => void;
  /** Beside the button of the form. */
  children?: ReactNode;
}

/**
 * Keeps a recorder and tests it in one go. A recorder that fails its test is kept all the same: it may only be off, and
 * what was typed is corrected in place.
 */
export function RecorderForm({ recorder, onDone, children }: RecorderFormProps) {
  const [kept, setKept] = useState(recorder);
  const [draft, setDraft] = useState<RecorderInput>(() => draftOf(recorder));
  const save = useSaveRecorder();
  const test = useTestRecorder();
  const set = (part: Partial<RecorderInput>) => setDraft({ ...draft, ...part });
  /** A port that a person has chosen stays. */
  const setWay = (driver: DriverKind, tls: boolean) => {
    const isUsual = draft.port === usualPort(draft.driver, draft.tls);
    set({ driver, tls, ...(isUsual && { port: usualPort(driver, tls) }) });
  };

  const submit = async () => {
    const { password, ...rest } = draft;
    const input = password ? { ...rest, password } : rest;
    const saved = await save.mutateAsync({ id: kept?.id ?? null, input });
    setKept(saved);
    const outcome = await test.mutateAsync({ recorder: saved });
    if (outcome.ok) {
      onDone(saved);
    }
  };
  /** Before anything is kept; a password that is known already is not given out to another address. */
  const tryOut = () => test.mutate({ input: draft });
  const canTryOut = Boolean(draft.address && draft.port && draft.username && draft.password);

  return (
    <form
      className="flex flex-col gap-4"
      data-testid="recorder-form"
      onSubmit={(event) => {
        event.preventDefault();
        test.reset();
        // Failures are shown below, from the mutations.
        submit().catch(() => undefined);
      }}
    >
      <TextField
        label="Name"
        name="name"
        required
        autoFocus
        placeholder="Warehouse NVR"
        value={draft.name}
        onChange={(event) => set({ name: event.target.value })}
      />
      {kept === null && <Nearby onChoose={(found) => set({ address: found.address, ...nameOf(found, draft.name) })} />}
      <SelectField
        label="Way to talk to it"
        name="driver"
        // Channels have other numbers in the other way: a recorder that has answered keeps its own.
        disabled={Boolean(kept?.serial)}
        hint={
          kept?.serial
            ? "Cannot be changed any more. Delete the recorder and add it again; its footage stays."
            : "The vendor's library knows all its recorders; the web interface needs no library."
        }
        value={draft.driver}
        onChange={(event) => {
          const driver = event.target.value as DriverKind;
          setWay(driver, driver === "isapi" && draft.tls);
        }}
      >
        <option value="sdk">Vendor's library (SDK)</option>
        <option value="isapi">Web interface (ISAPI)</option>
      </SelectField>
      {draft.driver === "isapi" && (
        <label className="flex items-start gap-2">
          <input
            type="checkbox"
            name="tls"
            className="mt-0.5 size-4 accent-accent"
            checked={draft.tls}
            onChange={(event) => setWay(draft.driver, event.target.checked)}
          />
          <span>
            Encrypted (HTTPS)
            <span className="block text-xs text-soft">
              The certificate that the recorder shows first is remembered. Live view stays on its RTSP port, unencrypted.
            </span>
          </span>
        </label>
      )}
      <div className="grid grid-cols-[1fr_7rem] gap-3">
        <TextField
          label="Address"
          name="address"
          required
          autoCapitalize="none"
          spellCheck={false}
          placeholder="192.168.1.64"
          value={draft.address}
          onChange={(event) => set({ address: event.target.value.trim() })}
        />
        <TextField
          label="Port"
          name="port"
          type="number"
          required
          min={1}
          max={65535}
          value={draft.port || ""}
          onChange={(event) => set({ port: Number(event.target.value) })}
        />
      </div>
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label="User name on the recorder"
          name="recorder-username"
          required
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          value={draft.username}
          onChange={(event) => set({ username: event.target.value })}
        />
        <TextField
          label="Password on the recorder"
          name="recorder-password"
          type="password"
          autoComplete="off"
          required={kept === null}
          hint={kept === null ? "Kept encrypted; never shown again." : "Leave empty to keep the one that is known."}
          value={draft.password ?? ""}
          onChange={(event) => set({ password: event.target.value })}
        />
      </div>
      {recorder !== null && (
        <label className="flex items-center gap-2">
          <input
            type="checkbox"
            name="enabled"
            className="size-4 accent-accent"
            checked={draft.enabled}
            onChange={(event) => set({ enabled: event.target.checked })}
          />
          Fetch footage from this recorder
        </label>
      )}
      <ProblemNote error={save.error ?? test.error} />
      {test.steps.length > 0 && <TestSteps steps={test.steps} />}
      <div className="flex flex-wrap justify-end gap-2">
        {children}
        <Button
          icon={Stethoscope}
          disabled={!canTryOut || save.isPending}
          busy={test.isPending}
          title="Tries what stands here and keeps nothing"
          data-testid="recorder-try"
          onClick={tryOut}
        >
          Test only
        </Button>
        <Button type="submit" look="primary" busy={save.isPending || test.isPending} data-testid="recorder-save">
          Save and test
        </Button>
      </div>
    </form>
  );
}

/** Devices of the network that answer, so that nobody has to know an address by heart. */
function Nearby({ onChoose }: { onChoose: (found: FoundDevice) => void }) {
  const discover = useDiscover();
  return (
    <div className="flex flex-col gap-2">
      <Button
        type="button"
        icon={Radar}
        busy={discover.isPending}
        data-testid="recorder-discover"
        onClick={() => discover.mutate()}
      >
        Look for recorders on this network
      </Button>
      <ProblemNote error={discover.error} />
      {discover.data?.items.length === 0 && (
        <p role="status" className="text-soft">
          Nothing answers. Many recorders have ONVIF switched off; type the address instead.
        </p>
      )}
      <ul className="flex flex-col gap-1">
        {discover.data?.items.map((found) => (
          <li key={found.address}>
            <Button type="button" look="quiet" onClick={() => onChoose(found)}>
              {found.address} {[found.name, found.model].filter(Boolean).join(", ")}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A name that a person has typed stays. */
function nameOf(found: FoundDevice, typed: string): { name?: string } {
  return typed === "" && found.name ? { name: found.name } : {};
}

function draftOf(recorder: Recorder | null): RecorderInput {
  if (recorder === null) {
    return { name: "", driver: "sdk", tls: false, address: "", port: 8000, username: "admin", enabled: true };
  }
  return inputOf(recorder);
}
