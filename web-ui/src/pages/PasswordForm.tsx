import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { apiUrl, demand } from "../api/client";
import { problemCode, ApiProblem } from "../api/problem";
import { Button } from "../components/Button";
import { TextField } from "../components/Field";
import { ProblemNote } from "../components/Note";
import { passwordProblem } from "../password";
import { NewPassword, type PasswordDraft } from "./NewPassword";

interface PasswordFormProps {
  username: string;
  onDone: () => void;
}

/** Changes the password of whoever is logged in. */
export function PasswordForm({ username, onDone }: PasswordFormProps) {
  const [current, setCurrent] = useState("");
  const [draft, setDraft] = useState<PasswordDraft>({ password: "", again: "" });
  const change = useMutation({
    mutationFn: () => demand("POST", apiUrl("/auth/password"), { current, new: draft.password }),
    onSuccess: onDone,
  });
  const wrong = change.error instanceof ApiProblem && problemCode(change.error.problem) === "AUTH_CREDENTIALS_INVALID";
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="password-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (passwordProblem(draft.password, draft.again) === null) {
          change.mutate();
        }
      }}
    >
      <input className="hidden" type="text" name="username" autoComplete="username" readOnly value={username} />
      <TextField
        label="Current password"
        name="current"
        type="password"
        autoComplete="current-password"
        required
        autoFocus
        value={current}
        problem={wrong ? "This is not the current password." : null}
        onChange={(event) => setCurrent(event.target.value)}
      />
      <NewPassword draft={draft} onChange={setDraft} />
      {!wrong && <ProblemNote error={change.error} />}
      <Button type="submit" look="primary" busy={change.isPending}>
        Change password
      </Button>
    </form>
  );
}
