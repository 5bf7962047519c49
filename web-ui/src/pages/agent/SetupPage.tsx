/** The first run: a password for the page, a recorder to fetch from, and what happens next. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { camerasQuery, setMe } from "../../api/queries";
import type { LoginResponse, Recorder } from "../../api/types";
import { Button, Spinner } from "../../components/Button";
import { Note, ProblemNote } from "../../components/Note";
import { CameraStateView } from "../../components/State";
import { passwordProblem } from "../../password";
import { count } from "../../words";
import { Entrance } from "../Entrance";
import { Gate } from "../Gate";
import { NewPassword, type PasswordDraft } from "../NewPassword";
import { RecorderForm } from "./RecorderForm";
import { AbilityNotes } from "./AbilityNotes";
import { ClockNote } from "./ClockPanel";

type Step = { name: "password" } | { name: "recorder" } | { name: "fetching"; recorder: Recorder };

interface SetupPageProps {
  appliance: string;
  onDone: () => void;
}

export function SetupPage({ appliance, onDone }: SetupPageProps) {
  const [step, setStep] = useState<Step>({ name: "password" });
  switch (step.name) {
    case "password":
      return <PasswordStep appliance={appliance} onDone={() => setStep({ name: "recorder" })} />;
    case "recorder":
      // A login ends when the clock is put forward far enough.
      return (
        <Gate>
          {() => (
            <Entrance
              wide
              title="Add a recorder"
              lead="Step 2 of 3. Holdfast fetches the footage of this NVR or DVR and keeps it."
            >
              <AbilityNotes />
              <ClockNote />
              <RecorderForm recorder={null} onDone={(recorder) => setStep({ name: "fetching", recorder })}>
                <Button look="quiet" onClick={onDone} data-testid="setup-skip">
                  Later
                </Button>
              </RecorderForm>
            </Entrance>
          )}
        </Gate>
      );
    case "fetching":
      return <Gate>{() => <FetchingStep recorder={step.recorder} onDone={onDone} />}</Gate>;
  }
}

function PasswordStep({ appliance, onDone }: { appliance: string; onDone: () => void }) {
  const [draft, setDraft] = useState<PasswordDraft>({ password: "", again: "" });
  const client = useQueryClient();
  const setup = useMutation({
    mutationFn: () => demand<LoginResponse>("POST", apiUrl("/setup"), { password: draft.password }),
    onSuccess: ({ user }) => {
      setMe(client, user);
      onDone();
    },
  });
  return (
    <Entrance
      wide
      title="Welcome to Holdfast"
      lead="Step 1 of 3. Choose the password of “admin”, the account of this page. Nobody else can choose it once you have."
    >
      <form
        className="flex flex-col gap-4"
        data-testid="setup-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (passwordProblem(draft.password, draft.again) === null) {
            setup.mutate();
          }
        }}
      >
        <input className="hidden" name="username" autoComplete="username" readOnly value="admin" />
        <NewPassword draft={draft} onChange={setDraft} />
        <ProblemNote error={setup.error} />
        <Button type="submit" look="primary" busy={setup.isPending}>
          Set the password
        </Button>
        <p className="text-xs text-soft">
          Appliance <code>{appliance}</code>
        </p>
      </form>
    </Entrance>
  );
}

function FetchingStep({ recorder, onDone }: { recorder: Recorder; onDone: () => void }) {
  // Nobody listens for changes before the pages are open, so the step asks by itself.
  const cameras = useQuery({ ...camerasQuery(), refetchInterval: 2_000 });
  const found = cameras.data?.filter((camera) => camera.recorder_id === recorder.id) ?? [];
  const held = found.reduce((sum, camera) => sum + camera.held_recordings, 0);
  return (
    <Entrance wide title="Footage is being fetched" lead={`Step 3 of 3. ${recorder.name} answers.`}>
      <p role="status" className="flex items-center gap-2" data-testid="setup-progress">
        <Spinner />
        {found.length === 0
          ? "Looking for its cameras…"
          : `${count(found.length, "camera")} found, ${count(held, "recording")} fetched so far.`}
      </p>
      {found.length > 0 && (
        <ul className="max-h-64 divide-y divide-line overflow-y-auto rounded-lg border border-line">
          {found.map((camera) => (
            <li key={camera.id} className="flex justify-between gap-3 px-3 py-2">
              <span className="truncate">{camera.name}</span>
              <CameraStateView state={camera.state} />
            </li>
          ))}
        </ul>
      )}
      <Note>This goes on by itself, also when this page is closed.</Note>
      <Button look="primary" onClick={onDone} data-testid="setup-done">
        Open the overview
      </Button>
    </Entrance>
  );
}
