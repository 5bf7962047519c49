/** Help from elsewhere, and handing the box on: on the box's own page, and far away through the relay. */
import { useMutation } from "@tanstack/react-query";
import { Download, Eraser } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import type { ResetInput } from "../../api/types";
import { Button, buttonClass } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { TextField } from "../../components/Field";
import { Note, ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";

interface Box {
  appliance: string;
  /** Where its system is asked. */
  system: "/system" | `/sites/${string}/system`;
  online: boolean;
}

export function HandOnPanel(box: Box) {
  const [resetting, setResetting] = useState(false);
  return (
    <Panel title="Help and handing on">
      <Facts>
        <Fact name="Support bundle">
          {box.online ? (
            <a className={buttonClass("plain", "my-1")} href={apiUrl(`${box.system}/support`)} download data-testid="support">
              <Download size={16} aria-hidden /> Download
            </a>
          ) : (
            <p>When the site is online again.</p>
          )}
          <p className="text-xs text-soft">
            For whoever helps you: states, settings and journals as texts, without passwords, keys and footage. It takes
            some seconds.
          </p>
        </Fact>
        <Fact name="Factory reset">
          <Button className="my-1" icon={Eraser} data-testid="reset" disabled={!box.online} onClick={() => setResetting(true)}>
            Reset…
          </Button>
          <p className="text-xs text-soft">Before the box goes to somebody else.</p>
        </Fact>
      </Facts>
      {resetting && (
        <Dialog title="Factory reset" onClose={() => setResetting(false)}>
          <ResetForm {...box} />
        </Dialog>
      )}
    </Panel>
  );
}

/** Characters of the appliance's id that are typed again. */
const TYPED = 6;

function ResetForm({ appliance, system }: Box) {
  const isFar = system !== "/system";
  const [footage, setFootage] = useState(false);
  const [typed, setTyped] = useState("");
  const wanted = appliance.slice(-TYPED);
  const reset = useMutation({
    mutationFn: (input: ResetInput) => demand("POST", apiUrl(`${system}/factory-reset`), input),
  });
  if (reset.isSuccess) {
    return (
      <Note>
        {isFar
          ? "The box is being reset and leaves; its own page asks for a first password in a minute. Have it revoked here too (POST /appliances/{id}/revoke)."
          : "The box is being reset and starts again. Open this page anew in a minute: it then asks for a first password."}
      </Note>
    );
  }
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="reset-form"
      onSubmit={(event) => {
        event.preventDefault();
        reset.mutate({ appliance, footage });
      }}
    >
      <p>
        People, recorders with their passwords, cameras, locks and the settings of {isFar ? "its" : "this"} page go, with the
        box’s identity and keys; it leaves its organisation. There is no way back.
      </p>
      {isFar ? (
        <p className="text-xs text-soft">Footage stays. It can only be wiped on the box’s own page or in front of it.</p>
      ) : (
        <label className="flex items-start gap-2">
          <input
            type="checkbox"
            className="mt-1"
            checked={footage}
            onChange={(event) => setFootage(event.target.checked)}
            data-testid="reset-footage"
          />
          <span>
            Wipe all footage and archives too.
            <span className="block text-xs text-soft">Otherwise they stay, for whoever sets the box up next.</span>
          </span>
        </label>
      )}
      <TextField
        label={`The last ${TYPED} characters of the appliance’s id, to be sure: ${wanted}`}
        name="typed"
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => setTyped(event.target.value.trim())}
      />
      <ProblemNote error={reset.error} />
      <Button type="submit" look="danger" busy={reset.isPending} disabled={typed !== wanted}>
        {footage ? "Reset, and wipe footage" : "Reset"}
      </Button>
    </form>
  );
}
