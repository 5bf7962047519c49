import { TextField } from "../components/Field";
import { MIN_PASSWORD_LENGTH, passwordProblem } from "../password";

export interface PasswordDraft {
  password: string;
  again: string;
}

interface NewPasswordProps {
  draft: PasswordDraft;
  onChange: (draft: PasswordDraft) => void;
}

/** A new password and its repetition; what is wrong is said once both have been begun. */
export function NewPassword({ draft, onChange }: NewPasswordProps) {
  const problem = draft.again === "" ? null : passwordProblem(draft.password, draft.again);
  return (
    <>
      <TextField
        label="New password"
        name="new-password"
        type="password"
        autoComplete="new-password"
        required
        minLength={MIN_PASSWORD_LENGTH}
        value={draft.password}
        hint={`At least ${MIN_PASSWORD_LENGTH} characters. A sentence is easier to remember than symbols.`}
        onChange={(event) => onChange({ ...draft, password: event.target.value })}
      />
      <TextField
        label="New password again"
        name="new-password-again"
        type="password"
        autoComplete="new-password"
        required
        value={draft.again}
        problem={problem}
        onChange={(event) => onChange({ ...draft, again: event.target.value })}
      />
    </>
  );
}
